//! Responses that go on: which ones they are, and the wait for their token's end (contract §3).

use super::exchange::Exchange;
use super::head::Head;
use super::judge;
use crate::cache::StreamEnd;
use crate::gate::EndWithToken;
use crate::listen::Arrival;
use crate::policy::Admission;
use crate::route::normalise;
use http::{HeaderMap, header};
use pingora_error::{Error, ErrorType};
use std::future::pending;
use std::pin::Pin;

/// Ready when the response has to end.
pub type Ending = Pin<Box<dyn Future<Output = StreamEnd> + Send>>;

/// Waits for the token's end, where it is watched.
pub async fn until(ending: &mut Option<Ending>) -> StreamEnd {
    match ending {
        Some(ending) => ending.await,
        None => pending().await,
    }
}

/// Whether a response may go on for as long as its upstream likes: an event stream or a gRPC stream.
/// An upgraded connection is another one.
pub fn is_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| is_stream_type(value.as_bytes()))
}

/// The same for the value of `Content-Type`.
pub fn is_stream_type(value: &[u8]) -> bool {
    let essence = value.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let grpc = b"application/grpc";
    essence.eq_ignore_ascii_case(b"text/event-stream")
        || essence.split_at_checked(grpc.len()).is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(grpc) && matches!(rest.first(), None | Some(b'+'))
        })
}

/// Begins to watch the token of a request whose response begins. `None`: the response ends when its
/// upstream ends it. `form`: the body, where it was searched for the token.
pub fn watch(
    exchange: &Exchange,
    head: &Head<'_>,
    arrival: &Arrival,
    form: Option<&[u8]>,
    is_stream: bool,
) -> Option<Ending> {
    let route = exchange.route.as_ref()?;
    let watched = match route.limits.end_with_token {
        EndWithToken::Streams => is_stream,
        EndWithToken::All => true,
        EndWithToken::Off => false,
    };
    let permit = exchange.permit?;
    if !watched || permit.admission() != Admission::Identified {
        return None;
    }
    let comparable = normalise(head.target).ok()?.into_comparable();
    let path = comparable.as_deref().unwrap_or(&exchange.path);
    let view = judge::view(head, arrival, path, form, exchange.now(), exchange);
    let clock = &exchange.process.parts.clock;
    let ongoing = exchange.runtime.gate.watch(route, &view, &exchange.trail, clock)?;
    Some(Box::pin(ongoing.ended()))
}

/// The response breaks off. Its status was sent already.
pub fn broken_off() -> Box<Error> {
    Error::explain(ErrorType::ConnectionClosed, "the response's token ended").into_down()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_known_by_their_type() {
        for (value, stream) in [
            ("text/event-stream", true),
            ("Text/Event-Stream; charset=utf-8", true),
            ("text/event-stream ;x", true),
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc; x=y", true),
            ("application/grpc-web", false),
            ("text/plain", false),
            ("text/event-streams", false),
            ("", false),
        ] {
            assert_eq!(is_stream_type(value.as_bytes()), stream, "{value}");
        }
    }
}
