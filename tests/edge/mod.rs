//! Where clients connect: limits, listeners that come and go.

mod http2;
mod limits;
mod listeners;
mod proxy_protocol;
mod systemd;
mod tls;

use crate::support::{Setup, one_route};

/// The listener `address` with these further keys, e.g. `limits: { headers: 10 }`, in front of an
/// open route.
fn setup_with(keys: &str) -> Setup {
    Setup::start(&listening(keys))
}

fn listening(keys: &str) -> String {
    format!("listeners: [{{ address: \"127.0.0.1:@PORT@\", {keys} }}]\n{}", one_route("auth: none"))
}
