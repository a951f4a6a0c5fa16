//! How the gateway shows who it is to the introspection endpoint, where that takes more than a
//! header that stays the same.

mod assertions;
mod certificates;
mod own_token;
mod platform_assertion;
mod server_name;

use crate::support::{AuthorizationServer, Builder, Setup, one_route};

/// A gateway whose server `main` has these keys; failures are not repeated and do not open the
/// circuit breaker.
#[track_caller]
fn start(builder: Builder, keys: &str) -> Setup {
    Setup::build(builder, &configuration(keys))
}

/// The same in front of a server that was started before.
#[track_caller]
fn start_before(server: AuthorizationServer, builder: Builder, keys: &str) -> Setup {
    Setup::around(server, builder, &configuration(keys))
}

fn configuration(keys: &str) -> String {
    let guards = "retries: 0, circuit_breaker: { failures: 10000, open_for: 1s }";
    format!("authorization_servers:\n  main: {{ {guards}, {keys} }}\n{}", one_route(""))
}
