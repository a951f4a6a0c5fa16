//! Serves a client's connection, and picks the way that each of its requests takes.

use super::client::Client;
use super::connection::Connection;
use super::fast_path::{FastPath, Plain};
use super::general::General;
use crate::runtime::Process;
use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::{ALPN, Stream};
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use std::pin::{Pin, pin};
use std::sync::Arc;

/// The application behind every listener with `serves: proxy`.
pub struct Serve {
    process: Arc<Process>,
    fast_path: FastPath,
    general: General,
}

/// The protocol that a client speaks on its connection.
enum Protocol {
    /// HTTP/1.1, HTTP/1.0, or something that pingora's parser refuses.
    Http1,
    /// Served by pingora from its first byte to its last.
    Http2,
}

impl Serve {
    pub fn new(process: Arc<Process>, conf: &Arc<ServerConf>) -> Self {
        Self {
            fast_path: FastPath::new(process.clone(), conf),
            general: General::new(process.clone(), conf),
            process,
        }
    }

    /// Serves requests one after the other, until the connection ends.
    async fn http1(&self, stream: Stream, shutdown: &ShutdownWatch) {
        let mut watch = shutdown.clone();
        let mut stopping = pin!(watch.wait_for(|stop| *stop));
        let mut client = Client::new(stream);
        while let Some(next) = self.request(client, shutdown, stopping.as_mut()).await {
            client = next;
        }
    }

    /// Serves one request, whichever way it goes. `None` when the connection has ended.
    async fn request(
        &self,
        mut client: Client,
        shutdown: &ShutdownWatch,
        stopping: Pin<&mut impl Future>,
    ) -> Option<Client> {
        if !self.process.runtime.load().settings.fast_path {
            return self.general.request(client, shutdown).await;
        }
        if client.is_quiet() && !client.wait(stopping).await {
            return None;
        }
        let Some(plain) = Plain::take(&mut client.read) else {
            return self.general.request(client, shutdown).await;
        };
        let keep = !plain.closes && !*shutdown.borrow();
        let connection = if keep { Connection::Kept } else { Connection::Ended };
        let connection = self.fast_path.request(&plain, &mut client, connection).await;
        (connection == Connection::Kept).then_some(client)
    }
}

/// `h2` is chosen by ALPN in a TLS handshake. A plaintext connection is HTTP/1.
fn protocol(stream: &Stream) -> Protocol {
    match stream.selected_alpn_proto() {
        Some(ALPN::H2) => Protocol::Http2,
        _ => Protocol::Http1,
    }
}

#[async_trait]
impl ServerApp for Serve {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        match protocol(&stream) {
            Protocol::Http1 => self.http1(stream, shutdown).await,
            Protocol::Http2 => self.general.http2(stream, shutdown).await,
        }
        None
    }

    async fn cleanup(&self) {
        self.general.cleanup().await;
    }
}
