//! An HTTP/2 connection: its streams become requests of pingora's proxy.
//!
//! pingora's own loop has fixed limits. This one has the listener's:
//!
//! | a client that | is stopped by |
//! |---|---|
//! | opens many streams | `streams`: further ones are refused (REFUSED_STREAM) |
//! | opens and resets streams quickly | at most twice `streams` requests at work, also such that were reset; h2's limit of streams that are reset before they are accepted (GOAWAY, ENHANCE_YOUR_CALM) |
//! | sends header sections without end (CONTINUATION) | h2's limits of the section's size and of the number of frames |
//! | sends many SETTINGS or PING frames | h2 reads the next one when its answer is written; a client that does not read is left after `write_timeout` |
//! | makes no room for a response (WINDOW_UPDATE) | `write_timeout` for each piece of a body |
//! | sends malformed requests | [`MALFORMED`] of them on a connection |
//! | does nothing | `idle_timeout`, while no request is at work |

use super::{General, ending};
use crate::listen::Limits;
use crate::proxy::at_work::Requests;
use pingora_core::apps::HttpServerApp;
use pingora_core::protocols::http::ServerSession;
use pingora_core::protocols::http::v2::server::{self, H2Accept, H2Options, HttpSession};
use pingora_core::protocols::{Digest, Stream};
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Malformed requests on one connection at most.
const MALFORMED: usize = 32;

/// How long a connection of a stopping process may be idle.
const LAST_CALL: Duration = Duration::from_secs(1);

pub async fn serve(general: &General, stream: Stream, limits: &Limits, shutdown: &ShutdownWatch) {
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: Vec::new(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: None,
    });
    let handshake = server::handshake(stream, Some(options(limits)));
    let Ok(Ok(mut connection)) = timeout(limits.header_timeout, handshake).await else { return };
    let requests = Requests::default();
    let most = (limits.streams as usize).saturating_mul(2);
    let (mut stop, mut stopping, mut malformed) = (shutdown.clone(), false, 0);
    loop {
        let idle = if stopping { LAST_CALL } else { limits.idle_timeout };
        let accepted = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop), if !stopping => {
                connection.graceful_shutdown();
                stopping = true;
                continue;
            }
            accepted = HttpSession::from_h2_conn(&mut connection, digest.clone()) => accepted,
            () = requests.idle_for(idle) => return,
        };
        match accepted {
            Ok(Some(H2Accept::Session(session))) => {
                // dropped, a stream is reset
                let Some(request) = requests.begin(most) else { continue };
                let (proxy, shutdown) = (general.proxy().clone(), shutdown.clone());
                tokio::spawn(async move {
                    let session = ServerSession::new_http2(session);
                    ending::until_end(proxy.process_new_http(session, &shutdown)).await;
                    drop(request);
                });
            }
            Ok(Some(H2Accept::Rejected)) => {
                malformed += 1;
                if malformed >= MALFORMED {
                    return;
                }
            }
            Ok(None) | Err(_) => return,
        }
    }
}

fn options(limits: &Limits) -> H2Options {
    let mut options = H2Options::default();
    options
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_size).unwrap_or(u32::MAX));
    options
}
