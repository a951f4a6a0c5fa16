//! An upgraded connection: the bytes of both ends, until both have ended (RFC 9110 §7.8).
//!
//! pingora's proxy ends an upgraded connection when the 101 is there before it has sent the end of
//! the request on (cloudflare/pingora#946). Here the 101 is read behind the whole request.

use super::carry_out::PlainExchange;
use super::flow::{Failed, Flow};
use super::handshake::Switch;
use super::response;
use super::upstream::{TunnelLimits, UpstreamExchange, broken, failed};
use crate::cache::StreamEnd;
use crate::proxy::client::{Client, LINGER, gone};
use crate::proxy::connection::ConnectionUse;
use crate::proxy::hop_by_hop::unasked_switch;
use crate::proxy::stream::until;
use crate::proxy::upgrade;
use crate::proxy::websocket::{Frames, GOING_AWAY, POLICY_VIOLATION};
use bytes::Buf;
use http::StatusCode;
use pingora_core::Result;
use pingora_core::protocols::Stream;
use pingora_error::ErrorType;
use std::future::poll_fn;
use std::mem::take;
use std::task::{Context, Poll};

/// Why the gateway ends an upgraded connection.
enum TunnelEnd {
    Token(StreamEnd),
    /// The process stops, and its `shutdown_timeout` is over.
    Stop,
}

impl PlainExchange<'_> {
    /// Passes a 101 on, and then all bytes, until both ends have ended.
    pub async fn upgrade(&mut self, mut upstream: UpstreamExchange, switch: Switch) -> Result<()> {
        let Switch { headers, length, written: mut head } = switch;
        if !upgrade::is_agreed(&self.plain.headers, &headers) {
            return Err(unasked_switch());
        }
        let status = StatusCode::SWITCHING_PROTOCOLS;
        self.exchange.upstream_answered(status);
        if let Some(nonce) = &self.exchange.trail.nonce {
            response::line(&mut head, b"DPoP-Nonce", nonce.as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        upstream.read.advance(length);
        // from now on, so that no end of the token is missed
        let mut ending = self.ending(true);
        self.connection = ConnectionUse::Ended;
        self.coming = Some(status);
        self.upgraded = Some(self.exchange.process.upgraded.one());
        upstream.write(self.client, &head).await?;
        self.status = self.coming;

        let (connection, read, limits) = upstream.into_parts();
        let frames = upgrade::is_websocket(&headers).then(Frames::default);
        let early = take(&mut self.client.read);
        let (up, down) = (Flow::starting_with(early), Flow::starting_with(read));
        let mut tunnel = Tunnel { up, down, upstream: connection, frames };
        let process = self.exchange.process.clone();
        let cause = tokio::select! {
            // first, since bytes that come without a pause would leave them no time
            biased;
            end = until(&mut ending) => TunnelEnd::Token(end),
            () = process.time_is_up() => TunnelEnd::Stop,
            carried = tunnel.carry(self.client, limits) => {
                self.unread = !tunnel.up.is_over();
                return carried;
            }
        };
        // the client may be sending
        self.unread = true;
        let frame = match cause {
            TunnelEnd::Token(_) => POLICY_VIOLATION,
            TunnelEnd::Stop => GOING_AWAY,
        };
        tunnel.close(self.client, &frame).await;
        match cause {
            TunnelEnd::Token(end) => Err(self.break_off(end)),
            TunnelEnd::Stop => Ok(()),
        }
    }
}

struct Tunnel {
    /// From the client.
    up: Flow,
    /// To the client.
    down: Flow,
    upstream: Stream,
    /// Of `down`, where it is a WebSocket.
    frames: Option<Frames>,
}

impl Tunnel {
    /// Carries bytes until both ends have ended.
    ///
    /// Errors: an end broke, or a time limit is over.
    async fn carry(&mut self, client: &mut Client, limits: TunnelLimits) -> Result<()> {
        loop {
            let (limit, late) = if self.up.is_empty() || limits.idle <= limits.write {
                (limits.idle, ErrorType::ReadTimedout)
            } else {
                (limits.write, ErrorType::WriteTimedout)
            };
            let mut deadline = take(&mut client.deadline);
            let event = deadline.within(limit, poll_fn(|context| self.poll(context, client))).await;
            client.deadline = deadline;
            match event {
                Some(Ok(true)) => return Ok(()),
                Some(Ok(false)) => {}
                Some(Err(error)) => return Err(error),
                // behind one end, the silence of the other one is an end too
                None if self.up.is_over() || self.down.is_over() => return Ok(()),
                None => return Err(failed(late)),
            }
        }
    }

    /// Ready with true when both directions are over, with false when something moved.
    fn poll(&mut self, context: &mut Context<'_>, client: &mut Client) -> Poll<Result<bool>> {
        let Self { up, down, upstream, frames } = self;
        match up.poll(context, &mut client.stream, upstream, |_| ()) {
            Err(Failed::Sender(error)) => return Poll::Ready(Err(gone(error))),
            // the last bytes of the upstream may still be on their way
            Err(Failed::Receiver(_)) => up.give_up(),
            Ok(()) => {}
        }
        let sent = |bytes: &[u8]| {
            if let Some(frames) = frames {
                frames.sent(bytes);
            }
        };
        match down.poll(context, upstream, &mut client.stream, sent) {
            Err(Failed::Receiver(error)) => return Poll::Ready(Err(gone(error))),
            // an upstream that resets the connection behind the client's end has ended it
            Err(Failed::Sender(_)) if up.is_over() => return Poll::Ready(Ok(true)),
            Err(Failed::Sender(error)) => {
                return Poll::Ready(Err(broken(ErrorType::ReadError, error)));
            }
            Ok(()) => {}
        }
        let moved = up.has_moved() | down.has_moved();
        match up.is_over() && down.is_over() {
            true => Poll::Ready(Ok(true)),
            false if moved => Poll::Ready(Ok(false)),
            false => Poll::Pending,
        }
    }

    /// Ends the connection to the upstream, and that to a WebSocket client with a close frame. It is
    /// left out behind half a frame.
    async fn close(self, client: &mut Client, frame: &[u8]) {
        let Self { upstream, frames, .. } = self;
        drop(upstream);
        if !frames.is_some_and(|frames| frames.at_boundary()) {
            return;
        }
        let mut deadline = take(&mut client.deadline);
        // it fails when the client is gone, or takes nothing
        let _ = deadline.within(LINGER, client.write(frame)).await;
        client.deadline = deadline;
    }
}
