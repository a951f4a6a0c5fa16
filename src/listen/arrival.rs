//! Properties of a client's connection, besides its bytes.

use super::settings::{Limits, ListenerSettings, Protocols, Serves};
use super::tls::{Handshake, Terminator, UnusableTls};
use crate::telemetry::{Counter, CounterVec, Metrics};
use ipnet::IpNet;
use pingora_core::protocols::Digest;
use prometheus::IntGauge;
use rustls::pki_types::CertificateDer;
use std::net::IpAddr;
use std::sync::Arc;

/// A listener, made from one configuration.
pub struct Listener {
    /// Its address; the label of its metrics.
    pub name: Box<str>,
    pub serves: Serves,
    pub limits: Limits,
    pub protocols: Protocols,
    /// `Some`: connections begin with a PROXY protocol header, which these peers may send.
    pub proxies: Option<Vec<IpNet>>,
    pub tls: Option<Terminator>,
    pub open: IntGauge,
    pub accepted: Counter,
    handshakes: CounterVec,
}

impl Listener {
    /// # Errors
    ///
    /// Fails when the TLS library does not take a certificate.
    pub fn new(
        settings: &ListenerSettings,
        trusted_proxies: &[IpNet],
        metrics: &Metrics,
    ) -> Result<Self, UnusableTls> {
        let name = settings.address.to_string();
        let ListenerSettings { protocols, limits, tls, .. } = settings;
        let terminator = tls.as_ref().map(|tls| Terminator::new(tls, protocols.h1, protocols.h2));
        Ok(Self {
            serves: settings.serves.clone(),
            limits: limits.clone(),
            protocols: *protocols,
            proxies: settings.proxy_protocol.then(|| trusted_proxies.to_vec()),
            tls: terminator.transpose()?,
            open: metrics.connections.with_label_values(&[&name]),
            accepted: metrics.connections_accepted.with_label_values(&[&name]),
            handshakes: metrics.tls_handshakes.clone(),
            name: name.into(),
        })
    }

    pub fn count(&self, handshake: Handshake) {
        self.handshakes.with_label_values(&[&*self.name, handshake.as_str()]).inc();
    }
}

/// How a connection came in.
#[derive(Clone)]
pub struct Arrival {
    pub listener: Arc<Listener>,
    /// The other end of the connection; `None` on a Unix socket.
    pub peer: Option<IpAddr>,
    /// Over TLS.
    pub secure: bool,
    /// HTTP/2 was chosen in the TLS handshake.
    pub h2: bool,
    /// The client's certificate, DER, verified by the listener.
    pub certificate: Option<CertificateDer<'static>>,
}

impl Arrival {
    /// The one that [`super::Connection`] left in a pingora session's digest. pingora carries it in
    /// the only field for data of one's own that every kind of connection has.
    pub fn from_digest(digest: &Digest) -> Option<&Arc<Self>> {
        digest.proxy_digest.as_ref()?.user_data.as_ref()?.downcast_ref()
    }
}
