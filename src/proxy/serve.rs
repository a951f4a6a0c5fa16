//! Serves a client's connection, and picks the way that each of its requests takes.

use super::client::{Client, NoRequest};
use super::connection::ConnectionUse;
use super::connectors::Connectors;
use super::ext_authz;
use super::fast_path::{FastPath, Plain};
use super::general::General;
use super::request_framing::Section;
use super::stopping::{StopSignal, Stopping};
use super::unread;
use crate::deny::Reason;
use crate::listen::{self, Serves};
use crate::per_thread::Spread;
use crate::runtime::Process;
use async_trait::async_trait;
use pingora_core::apps::ServerApp;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use pingora_core::server::configuration::ServerConf;
use std::pin::{Pin, pin};
use std::sync::Arc;

/// The application behind every listener with `serves: proxy`.
pub struct Serve {
    process: Spread<Process>,
    fast_path: FastPath,
    general: General,
}

/// The protocol that a client speaks on its connection.
enum ClientProtocol {
    /// HTTP/1.1, HTTP/1.0, or something that pingora's parser refuses.
    Http1,
    Http2,
    /// HTTP/1, where the listener has HTTP/2 alone.
    Unspoken,
}

/// RFC 9113 §3.4.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const ONLY_HTTP2: &[u8] = b"HTTP/1.1 505 HTTP Version Not Supported\r\n\
    Content-Length: 0\r\n\
    Connection: close\r\n\r\n";

impl Serve {
    pub fn new(process: Arc<Process>, conf: &Arc<ServerConf>) -> Self {
        let connectors = Arc::new(Connectors::new(conf));
        let process = Spread::new(process);
        Self {
            fast_path: FastPath::new(process.clone(), connectors.clone()),
            general: General::new(process.clone(), connectors, conf),
            process,
        }
    }

    /// Detects the client's protocol: by ALPN (RFC 9113 §3.2), or by its first bytes where the
    /// listener has `h2c` (§3.3). `None` when the connection has ended.
    async fn protocol(
        &self,
        client: &mut Client,
        shutdown: &ShutdownWatch,
    ) -> Option<ClientProtocol> {
        let spoken = client.arrival.listener.protocols;
        if client.arrival.h2 {
            return Some(ClientProtocol::Http2);
        }
        if spoken.h2c && client.begins_with(PREFACE, shutdown).await? {
            return Some(ClientProtocol::Http2);
        }
        Some(if spoken.h1 { ClientProtocol::Http1 } else { ClientProtocol::Unspoken })
    }

    /// Serves requests one after the other, until the connection ends.
    async fn http1(&self, mut client: Client, shutdown: &ShutdownWatch) {
        let mut watch = shutdown.clone();
        let stop = pin!(watch.wait_for(|stop| *stop));
        let mut signal = StopSignal::new(Stopping::of(shutdown), stop);
        loop {
            match client.next_request(&mut signal).await {
                Ok(()) => {}
                Err(NoRequest::Ended) => return,
                Err(NoRequest::TooSlow) => {
                    return self.refuse(client, Reason::RequestTimeout).await;
                }
                Err(NoRequest::TooLarge) => {
                    return self.refuse(client, Reason::HeaderTooLarge).await;
                }
            }
            match self.request(client, &signal.stopping).await {
                Some(next) => client = next,
                None => return,
            }
        }
    }

    /// In a box, as everything that is not waiting: connections wait most of the time, and their
    /// task has room for the largest of its states all the time.
    fn refuse<'s>(
        &'s self,
        client: Client,
        reason: Reason,
    ) -> Pin<Box<impl Future<Output = ()> + Send + 's>> {
        Box::pin(unread::refuse(client, reason, &self.process))
    }

    /// Serves one request, of which the header section was read. `None` when the connection has ended.
    async fn request(&self, mut client: Client, stopping: &Stopping) -> Option<Client> {
        let runtime = self.process.runtime.load().handle();
        // a body that may hold the token is read before the decision, which pingora does
        let in_form =
            |plain: &Plain| runtime.gate.token.searches_form(&plain.method, &plain.headers);
        if runtime.settings.fast_path
            && client.arrival.listener.serves == Serves::Proxy
            && let Some(plain) = Plain::take_unless(&mut client.read, in_form)
        {
            let request = self.fast_path.request(&plain, &mut client, runtime, stopping);
            let connection = Box::pin(request).await;
            return (connection == ConnectionUse::Kept).then_some(client);
        }
        let section = Section::scan(&client.read);
        // never by pingora's proxy, which loses some of them (cloudflare/pingora#946)
        if let Section::Upgrade = section
            && client.arrival.listener.serves == Serves::Proxy
            && let Some(upgrade) = Plain::take_upgrade(&mut client.read, &runtime)
        {
            let request = self.fast_path.request(&upgrade, &mut client, runtime, stopping);
            let connection = Box::pin(request).await;
            return (connection == ConnectionUse::Kept).then_some(client);
        }
        if let Section::Malformed = section {
            self.refuse(client, Reason::BadRequest).await;
            return None;
        }
        Box::pin(self.general.request(client, section, stopping)).await
    }
}

#[async_trait]
impl ServerApp for Serve {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _open = self.process.connections.one();
        let mut client = Client::new(stream)?;
        match self.protocol(&mut client, shutdown).await? {
            ClientProtocol::Http1 => self.http1(client, shutdown).await,
            ClientProtocol::Http2 => {
                let Client { stream, read, arrival, .. } = client;
                let stream = if read.is_empty() {
                    stream
                } else {
                    listen::ClientConnection::unread(stream, read)?
                };
                if arrival.listener.serves == Serves::ExtAuthz {
                    Box::pin(ext_authz::serve(&self.process, stream, &arrival, shutdown)).await;
                } else {
                    Box::pin(self.general.http2(stream, &arrival, shutdown)).await;
                }
            }
            ClientProtocol::Unspoken => {
                // it fails when the client is gone
                let _ = client.write(ONLY_HTTP2).await;
                client.end(true).await;
            }
        }
        None
    }

    async fn cleanup(&self) {
        self.general.cleanup().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size_of_future<'a, F: Future>(
        _: impl FnOnce(&'a Serve, Client, &'a ShutdownWatch) -> F,
    ) -> usize {
        size_of::<F>()
    }

    /// Each connection that waits for a request holds one.
    #[test]
    fn the_future_of_a_connection_is_small() {
        let bytes = size_of_future(Serve::http1);
        assert!(bytes <= LARGEST, "{bytes} bytes");
    }

    /// Bytes.
    const LARGEST: usize = 1200;
}
