//! Ends a request on the general way whose token has ended. pingora waits for both ends of an
//! exchange inside its proxy, so the end comes from outside: the proxy's future is dropped. A
//! dropped HTTP/2 stream is reset; a dropped HTTP/1.1 connection is closed by
//! [`OneRequest`](super::one_request::OneRequest).

use crate::cache::StreamEnd;
use crate::proxy::stream::Ending;
use std::cell::RefCell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

tokio::task_local! {
    /// The exchange that this task carries out.
    static WATCH: RefCell<Watch>;
}

/// The end of one exchange.
#[derive(Default)]
struct Watch {
    /// Set when the response begins.
    ending: Option<Ending>,
    end: Option<StreamEnd>,
}

/// Carries out `exchange`, until [`watch`]ed for an end that comes first: then `None`.
pub async fn until_end<F: Future>(exchange: F) -> Option<F::Output> {
    let carried_out = async {
        let mut exchange = pin!(exchange);
        poll_fn(|context| {
            // first, since bytes that come without a pause would leave it no time
            if has_come(context) {
                return Poll::Ready(None);
            }
            if let Poll::Ready(output) = exchange.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            // it may be watched only now, and has to wake this task
            if has_come(context) { Poll::Ready(None) } else { Poll::Pending }
        })
        .await
    };
    WATCH.scope(RefCell::default(), carried_out).await
}

/// Whether the end of the current exchange has come; it wakes the task when it comes.
fn has_come(context: &mut Context<'_>) -> bool {
    WATCH.with(|watch| {
        let watch = &mut *watch.borrow_mut();
        let Some(ending) = &mut watch.ending else { return false };
        if let Poll::Ready(end) = ending.as_mut().poll(context) {
            watch.end = Some(end);
        }
        watch.end.is_some()
    })
}

/// The response of the current exchange ends with `ending`.
pub fn watch(ending: Ending) {
    // without a watch the request would outlive its token; every exchange has one
    let _ = WATCH.try_with(|watch| {
        let watch = &mut *watch.borrow_mut();
        watch.ending = Some(ending);
    });
}

/// Why the current exchange was ended, if it was.
pub fn end() -> Option<StreamEnd> {
    WATCH.try_with(|watch| watch.borrow().end).ok().flatten()
}
