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
use crate::proxy::client::Client;
use crate::proxy::connection::ConnectionUse;
use crate::proxy::connectors::Connectors;
use crate::proxy::request_framing::Section;
use crate::runtime::Process;
use one_request::OneRequest;
use phases::Phases;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use std::sync::Arc;

/// Seconds, by which pingora keeps a connection. It waits for none: the client's header section is
/// read before, under the listener's limits.
const KEPT: u64 = 1;

/// pingora's proxy with our phases.
pub struct General {
    proxy: Arc<HttpProxy<Phases>>,
}

impl General {
    pub fn new(process: Arc<Process>, connectors: Arc<Connectors>, conf: &Arc<ServerConf>) -> Self {
        Self { proxy: Arc::new(http_proxy(conf, Phases::new(process, connectors))) }
    }

    /// Serves one HTTP/1 request, of which `section` was read so far. `None` when the client's
    /// connection has ended.
    pub async fn request(
        &self,
        client: Client,
        section: Section,
        shutdown: &ShutdownWatch,
    ) -> Option<Client> {
        let Client { stream, read, arrival, deadline } = client;
        let connection =
            if *shutdown.borrow() { ConnectionUse::Ended } else { ConnectionUse::Kept };
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
        let served = ending::until_end(self.proxy.process_new_http(session, shutdown)).await;
        let (stream, _) = served.flatten()?.consume();
        let (stream, read) = OneRequest::unwrap(stream)?;
        Some(Client { stream, read, arrival, deadline })
    }

    /// Serves an HTTP/2 connection to its end.
    pub async fn http2(&self, stream: Stream, arrival: &Arrival, shutdown: &ShutdownWatch) {
        http2::serve(&self.proxy, stream, &arrival.listener.limits, shutdown).await;
    }

    /// The listeners are closed: connections that wait for a request end.
    pub async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
