//! New connections to upstreams.

use pingora_core::Result;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::protocols::Stream;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use std::sync::OnceLock;

/// Reading the system's CA certificates takes longer than everything else at start: that is done
/// when the first upstream speaks TLS, and then once.
pub struct Connectors {
    plaintext: TransportConnector,
    tls: OnceLock<TransportConnector>,
    options: ConnectorOptions,
}

/// A file of certificates with none in it.
pub const NO_ROOTS: &str = "/dev/null";

impl Connectors {
    pub fn new(conf: &ServerConf) -> Self {
        let options = ConnectorOptions::from_server_conf(conf);
        let without_roots = ConnectorOptions { ca_file: Some(NO_ROOTS.into()), ..options.clone() };
        Self {
            plaintext: TransportConnector::new(Some(without_roots)),
            tls: OnceLock::new(),
            options,
        }
    }

    pub async fn connect(&self, peer: &HttpPeer) -> Result<Stream> {
        let connector = if peer.tls() {
            self.tls.get_or_init(|| TransportConnector::new(Some(self.options.clone())))
        } else {
            &self.plaintext
        };
        connector.new_stream(peer).await
    }
}
