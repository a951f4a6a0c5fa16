//! Ends a request on the general way whose token has ended. pingora waits for both ends of an
//! exchange inside its proxy, so the end comes from outside: the proxy's future is dropped. A
//! dropped HTTP/2 stream is reset; a dropped HTTP/1.1 connection is closed by
//! [`OneRequest`](super::one_request::OneRequest).

use crate::cache::StreamEnd;
use crate::proxy::stream::Ending;
use crate::proxy::websocket::{Frames, POLICY_VIOLATION};
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

tokio::task_local! {
    /// The exchange that this task carries out.
    static WATCH: RefCell<Watch>;
}

/// The end of one exchange.
#[derive(Default)]
struct Watch {
    /// Set when the response begins.
    ending: Option<Ending>,
    frames: Option<Frames>,
    end: Option<StreamEnd>,
}

/// Carries out `exchange`, until [`watch`]ed for an end that comes first: then `None`.
pub async fn until_end<F: Future>(exchange: F) -> Option<F::Output> {
    let carried_out = async {
        let mut exchange = pin!(exchange);
        poll_fn(|context| {
            if let Poll::Ready(output) = exchange.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            WATCH.with(|watch| {
                let watch = &mut *watch.borrow_mut();
                let Some(ending) = &mut watch.ending else { return Poll::Pending };
                ending.as_mut().poll(context).map(|end| {
                    watch.end = Some(end);
                    None
                })
            })
        })
        .await
    };
    WATCH.scope(RefCell::default(), carried_out).await
}

/// The response of the current exchange ends with `ending`.
pub fn watch(ending: Ending, is_websocket: bool) {
    // without a watch the request would outlive its token; every exchange has one
    let _ = WATCH.try_with(|watch| {
        let watch = &mut *watch.borrow_mut();
        watch.ending = Some(ending);
        watch.frames = is_websocket.then(Frames::default);
    });
}

/// Why the current exchange was ended, if it was.
pub fn end() -> Option<StreamEnd> {
    WATCH.try_with(|watch| watch.borrow().end).ok().flatten()
}

/// The client of the current exchange was sent these bytes.
pub fn sent(bytes: &[u8]) {
    let _ = WATCH.try_with(|watch| {
        if let Some(frames) = &mut watch.borrow_mut().frames {
            frames.sent(bytes);
        }
    });
}

/// The last bytes for the client of an exchange that was ended: a close frame, where one may be
/// sent.
pub fn last_words() -> &'static [u8] {
    let closes = WATCH.try_with(|watch| {
        let watch = watch.borrow();
        watch.end.is_some() && watch.frames.as_ref().is_some_and(Frames::at_boundary)
    });
    if closes.unwrap_or(false) { &POLICY_VIOLATION } else { b"" }
}
