//! The way for every kind of request: pingora's proxy. Its phases delegate, and decide nothing.

mod phases;
mod request;
mod respond;

use crate::proxy::IDLE;
use crate::proxy::client::Client;
use crate::runtime::Process;
use phases::Phases;
use pingora_core::apps::{HttpServerApp, ServerApp};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use std::sync::Arc;

/// pingora's proxy with our phases.
pub struct General {
    proxy: Arc<HttpProxy<Phases>>,
}

impl General {
    pub fn new(process: Arc<Process>, conf: &Arc<ServerConf>) -> Self {
        Self { proxy: Arc::new(http_proxy(conf, Phases::new(process))) }
    }

    /// Serves one HTTP/1 request, with everything that was read of it so far. `None` when the
    /// connection has ended.
    pub async fn request(&self, client: Client, shutdown: &ShutdownWatch) -> Option<Client> {
        let Client { stream, read, peer, deadline } = client;
        let mut session = ServerSession::new_http1(stream);
        session.set_keepalive(if *shutdown.borrow() { None } else { Some(IDLE.as_secs()) });
        session.set_pipelined_prefix(read);
        let (stream, _) = self.proxy.process_new_http(session, shutdown).await?.consume();
        Some(Client { stream, read: Default::default(), peer, deadline })
    }

    /// Serves an HTTP/2 connection to its end.
    pub async fn http2(&self, stream: Stream, shutdown: &ShutdownWatch) {
        self.proxy.process_new(stream, shutdown).await;
    }

    /// The listeners are closed: connections that wait for a request end.
    pub async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}
