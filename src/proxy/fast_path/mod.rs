//! The way for the plain case: a `GET` or `HEAD` over HTTP/1.1 that has no body and asks nothing of
//! the connection. It is what most requests are, and it needs little of what a proxy can do.
//!
//! The gate, the headers, the refusals and the report are the same as on the general way; pingora
//! brings the listeners, the connections and everything that is not plain: whatever else is read
//! from a client goes to the general way untouched, and an odd response of an upstream is read by
//! pingora's own reader.

mod carry_out;
mod client;
mod connectors;
mod deadline;
mod plain;
mod relay;
mod request;
mod response;
mod rewound;
mod upstream;

use super::IDLE;
use super::general::General;
use crate::runtime::Process;
use async_trait::async_trait;
use client::Client;
use connectors::Connectors;
use pingora_core::apps::{HttpServerApp, ServerApp};
use pingora_core::protocols::Stream;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use pingora_proxy::{HttpProxy, http_proxy};
use plain::Plain;
use std::pin::{Pin, pin};
use std::sync::Arc;

/// What serves a connection: both ways, request by request.
pub struct FastPath {
    process: Arc<Process>,
    general: Arc<HttpProxy<General>>,
    connectors: Connectors,
}

/// Whether a connection can take another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    Kept,
    Ended,
}

impl FastPath {
    pub fn new(process: Arc<Process>, conf: &Arc<ServerConf>) -> Self {
        let general = Arc::new(http_proxy(conf, General::new(process.clone())));
        Self { process, general, connectors: Connectors::new(conf) }
    }

    /// One request, whichever way it goes. `None` when the connection is done with.
    async fn next(
        &self,
        mut client: Client,
        shutdown: &ShutdownWatch,
        stopping: Pin<&mut impl Future>,
    ) -> Option<Client> {
        if !self.process.runtime.load().settings.fast_path {
            return self.general(client, shutdown).await;
        }
        if client.is_quiet() && !client.wait(stopping).await {
            return None;
        }
        let Some(plain) = Plain::take(&mut client.read) else {
            return self.general(client, shutdown).await;
        };
        let keep = !plain.closes && !*shutdown.borrow();
        let connection = self
            .carry_out(&plain, &mut client, if keep { Connection::Kept } else { Connection::Ended })
            .await;
        (connection == Connection::Kept).then_some(client)
    }

    /// The general way, with everything that was read so far.
    async fn general(&self, client: Client, shutdown: &ShutdownWatch) -> Option<Client> {
        let Client { stream, read, peer, deadline } = client;
        let mut session = ServerSession::new_http1(stream);
        session.set_keepalive(if *shutdown.borrow() { None } else { Some(IDLE.as_secs()) });
        session.set_pipelined_prefix(read);
        let (stream, _) = self.general.process_new_http(session, shutdown).await?.consume();
        Some(Client { stream, read: Default::default(), peer, deadline })
    }
}

#[async_trait]
impl ServerApp for FastPath {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let mut client = Client::new(stream);
        let mut watch = shutdown.clone();
        let mut stopping = pin!(watch.wait_for(|stop| *stop));
        loop {
            client = self.next(client, shutdown, stopping.as_mut()).await?;
        }
    }

    async fn cleanup(&self) {
        self.general.http_cleanup().await;
    }
}
