//! What is known of a client's connection, besides its bytes.

use super::settings::{Limits, ListenerSettings, Serves};
use crate::telemetry::Metrics;
use pingora_core::protocols::Digest;
use prometheus::{IntCounter, IntGauge};
use std::net::IpAddr;
use std::sync::Arc;

/// A listener, as one configuration described it.
#[derive(Debug)]
pub struct Listener {
    /// Its address; the label of its metrics.
    pub name: Box<str>,
    pub serves: Serves,
    pub limits: Limits,
    pub open: IntGauge,
    pub accepted: IntCounter,
}

impl Listener {
    pub fn new(settings: &ListenerSettings, metrics: &Metrics) -> Self {
        let name = settings.address.to_string();
        Self {
            serves: settings.serves.clone(),
            limits: settings.limits.clone(),
            open: metrics.connections.with_label_values(&[&name]),
            accepted: metrics.connections_accepted.with_label_values(&[&name]),
            name: name.into(),
        }
    }
}

/// How a connection came in.
#[derive(Clone, Debug)]
pub struct Arrival {
    pub listener: Arc<Listener>,
    /// The other end of the connection; `None` on a Unix socket.
    pub peer: Option<IpAddr>,
}

impl Arrival {
    /// The one that [`super::Connection`] left in a pingora session's digest. pingora carries it in
    /// the only field for data of one's own that every kind of connection has.
    pub fn of(digest: &Digest) -> Option<&Arc<Self>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
    }
}
