//! A response that is not plain: chunked, without a length, with something before it, or badly
//! written. pingora's own reader reads it; the body is framed anew for the client.

use super::carry_out::PlainExchange;
use super::response;
use super::rewound::Rewound;
use super::upload::{LAST_CHUNK, chunk};
use super::upstream::UpstreamExchange;
use crate::proxy::client::gone;
use crate::proxy::connection::ConnectionUse;
use crate::proxy::hop_by_hop::unasked_switch;
use crate::proxy::stream::{self, Ending, until};
use crate::proxy::upstream_response::{keep_private, tidy};
use bytes::BytesMut;
use http::{HeaderName, Method, StatusCode, header};
use pingora_core::Result;
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::v1::client::HttpSession;
use pingora_error::Error;
use pingora_http::ResponseHeader;
use std::future::poll_fn;
use std::io::ErrorKind;

impl PlainExchange<'_> {
    /// Passes a response on, of which something may have been read already.
    pub async fn relay(&mut self, mut upstream: UpstreamExchange) -> Result<()> {
        // pingora's reader needs the connection for itself
        let sent = upstream.finish_upload(self.client).await;
        if !sent {
            self.unread = true;
            self.connection = ConnectionUse::Ended;
        }
        let (rewound, way) = upstream.rewind(&self.plain.method);
        let mut session = HttpSession::new(rewound);
        session.read_timeout = Some(way.read_timeout());
        let (mut body, mut reusable) = (RelayedBody::None, false);
        let mut ending: Option<Ending> = None;
        loop {
            let task = tokio::select! {
                biased;
                // first, since bytes that come without a pause would leave it no time
                end = until(&mut ending) => return Err(self.break_off(end)),
                task = session.read_response_task() => task.map_err(Error::into_up)?,
                () = poll_fn(|context| self.client.poll_gone(context)) => {
                    return Err(gone(ErrorKind::ConnectionAborted.into()));
                }
            };
            let mut begun = None;
            let (to, end) = match task {
                HttpTask::Header(head, _) if head.status == StatusCode::SWITCHING_PROTOCOLS => {
                    return Err(unasked_switch());
                }
                HttpTask::Header(mut head, _) if head.status.is_informational() => {
                    tidy(&mut head, &self.plain.method)?;
                    (interim(&head), false)
                }
                HttpTask::Header(mut head, end) => {
                    self.exchange.upstream_answered(head.status);
                    reusable = tidy(&mut head, &self.plain.method)?;
                    if self.exchange.private {
                        keep_private(&mut head)?;
                    }
                    self.exchange.add_to_response(&mut head)?;
                    for name in ANEW {
                        head.remove_header(&name);
                    }
                    let end = end || self.plain.method == Method::HEAD;
                    body = if end { RelayedBody::None } else { RelayedBody::framed(&mut head)? };
                    begun = Some(head.status);
                    if !end {
                        ending = self.ending(stream::is_stream(&head.headers));
                    }
                    (final_head(&head, self.settle_connection()), end)
                }
                HttpTask::Body(piece, end) => (body.piece(&piece.unwrap_or_default(), end), end),
                HttpTask::Failed(error) => return Err(error.into_up()),
                HttpTask::UpgradedBody(..) | HttpTask::Trailer(_) | HttpTask::Done => {
                    (body.piece(&[], true), true)
                }
            };
            tokio::select! {
                biased;
                written = self.client.write(&to) => written.map_err(gone)?,
                end = until(&mut ending) => {
                    self.status = begun.or(self.status);
                    return Err(self.break_off(end));
                }
            }
            self.status = begun.or(self.status);
            if end {
                break;
            }
        }
        session.respect_keepalive();
        if !reusable || !sent {
            session.shutdown().await;
            return Ok(());
        }
        if let Some(connection) = session.reuse().await.and_then(Rewound::unwrap) {
            way.keep(connection);
        }
        Ok(())
    }
}

/// Headers that are made anew.
const ANEW: [HeaderName; 2] = [header::CONNECTION, header::DATE];

/// How the client recognises the end of the body.
#[derive(Clone, Copy)]
enum RelayedBody {
    None,
    Length,
    Chunked,
}

impl RelayedBody {
    /// Decides, and sets the head accordingly.
    fn framed(head: &mut ResponseHeader) -> Result<Self> {
        if head.headers.contains_key(header::CONTENT_LENGTH) {
            return Ok(Self::Length);
        }
        if !head.headers.contains_key(header::TRANSFER_ENCODING) {
            head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
        }
        Ok(Self::Chunked)
    }

    /// A piece of the body as it is sent.
    fn piece(self, bytes: &[u8], end: bool) -> BytesMut {
        let Self::Chunked = self else { return BytesMut::from(bytes) };
        let mut to = BytesMut::new();
        if !bytes.is_empty() {
            chunk(&mut to, bytes);
        }
        if end {
            to.extend_from_slice(LAST_CHUNK);
        }
        to
    }
}

/// 1xx: passed on as it is (RFC 9110 §15.2).
fn interim(head: &ResponseHeader) -> BytesMut {
    let mut to = written(head);
    to.extend_from_slice(b"\r\n");
    to
}

fn final_head(head: &ResponseHeader, connection: ConnectionUse) -> BytesMut {
    let mut to = written(head);
    connection.end_head(&mut to);
    to
}

fn written(head: &ResponseHeader) -> BytesMut {
    let mut to = BytesMut::with_capacity(1024);
    response::start(&mut to, head.status, head.get_reason_phrase().unwrap_or_default());
    head.header_to_h1_wire(&mut to);
    to
}
