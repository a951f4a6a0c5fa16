//! The way for every kind of request: pingora's proxy. Its phases delegate, and decide nothing.

mod ending;
mod form;
mod forward_auth;
mod http2;
mod lease;
mod one_request;
mod phases;
mod request;
mod respond;

use crate::listen::Arrival;
use crate::per_thread::Spread;
use crate::proxy::client::Client;
use crate::proxy::connection::ConnectionUse;
use crate::proxy::connectors::{Connectors, NO_ROOTS};
use crate::proxy::request_framing::Section;
use crate::proxy::stopping::Stopping;
use crate::runtime::Process;
use one_request::OneRequest;
use phases::Phases;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use std::sync::{Arc, OnceLock};

/// Seconds, by which pingora keeps a connection. It waits for none: the client's header section is
/// read before, under the listener's limits.
const KEPT: u64 = 1;

/// pingora's proxy with our phases.
///
/// It verifies certificates itself only of upstreams that speak HTTP/2 over TLS; see
/// [`request::next_peer`]. Reading the system's CA certificates takes longer than everything else at
/// start, so there is a proxy without them, and one with them that is made when it is needed.
pub struct General {
    process: Spread<Process>,
    connectors: Arc<Connectors>,
    conf: Arc<ServerConf>,
    without_roots: Arc<HttpProxy<Phases>>,
    with_roots: OnceLock<Arc<HttpProxy<Phases>>>,
}

impl General {
    pub fn new(
        process: Spread<Process>,
        connectors: Arc<Connectors>,
        conf: &Arc<ServerConf>,
    ) -> Self {
        let phases = Phases::new(process.clone(), connectors.clone());
        let without_roots = Arc::new(http_proxy(&with_ca_file(conf, Some(NO_ROOTS)), phases));
        let (conf, with_roots) = (conf.clone(), OnceLock::new());
        let general = Self { process, connectors, conf, without_roots, with_roots };
        // unusable CA certificates are found at start where they are needed
        general.proxy();
        general
    }

    /// The proxy for the upstreams of the configuration in force.
    fn proxy(&self) -> &Arc<HttpProxy<Phases>> {
        if !self.process.runtime.load().http2_over_tls {
            return &self.without_roots;
        }
        self.with_roots.get_or_init(|| {
            let phases = Phases::new(self.process.clone(), self.connectors.clone());
            Arc::new(http_proxy(&with_ca_file(&self.conf, None), phases))
        })
    }

    /// Serves one HTTP/1 request, of which `section` was read so far. `None` when the client's
    /// connection has ended.
    pub async fn request(
        &self,
        client: Client,
        section: Section,
        stopping: &Stopping,
    ) -> Option<Client> {
        let Client { stream, read, arrival, deadline } = client;
        let connection =
            if stopping.has_begun() { ConnectionUse::Ended } else { ConnectionUse::Kept };
        let request = match section {
            Section::Whole { length, body } => {
                OneRequest::new(read, stream, length, body, connection)
            }
            Section::Partial | Section::Upgrade | Section::TooManyLines | Section::Malformed => {
                OneRequest::endless(read, stream)
            }
        };
        let mut session = ServerSession::new_http1(Box::new(request));
        session.set_keepalive(Some(KEPT));
        let proxy = self.proxy();
        let served = ending::until_end(proxy.process_new_http(session, stopping.watch())).await;
        let (stream, _) = served.flatten()?.consume();
        let (stream, read) = OneRequest::unwrap(stream)?;
        Some(Client { stream, read, arrival, deadline })
    }

    /// Serves an HTTP/2 connection to its end.
    pub async fn http2(&self, stream: Stream, arrival: &Arrival, shutdown: &ShutdownWatch) {
        http2::serve(self, stream, &arrival.listener.limits, shutdown).await;
    }

    /// The listeners are closed: connections that wait for a request end.
    pub async fn cleanup(&self) {
        self.without_roots.http_cleanup().await;
        if let Some(proxy) = self.with_roots.get() {
            proxy.http_cleanup().await;
        }
    }
}

/// The part of `conf` that pingora's proxy looks at, with this file of CA certificates; `None`: those
/// of the system.
fn with_ca_file(conf: &ServerConf, file: Option<&str>) -> Arc<ServerConf> {
    Arc::new(ServerConf {
        threads: conf.threads,
        max_retries: conf.max_retries,
        upstream_keepalive_pool_size: conf.upstream_keepalive_pool_size,
        ca_file: file.map(str::to_owned),
        ..ServerConf::default()
    })
}
