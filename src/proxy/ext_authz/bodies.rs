//! The two directions of a gRPC call: a question that comes in time, and an answer whose end is seen.

use crate::proxy::at_work::AtWork;
use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// The body of a question. It fails when its end is not there in time.
pub struct InTime {
    body: Incoming,
    limit: Duration,
    /// Made when the body is waited for: most are there at once.
    end: Option<Pin<Box<Sleep>>>,
}

impl InTime {
    pub fn new(body: Incoming, limit: Duration) -> Self {
        Self { body, limit, end: None }
    }
}

impl Body for InTime {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) {
            // the peer has left: nothing of its message is quoted
            let failed = |_| Status::cancelled("The question ended early.");
            return Poll::Ready(frame.map(|frame| frame.map_err(failed)));
        }
        let limit = self.limit;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(end.as_mut().poll(cx));
        Poll::Ready(Some(Err(Status::deadline_exceeded("The question did not come in time."))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The body of an answer. Its call is at work until it is dropped.
pub struct Watched {
    body: tonic::body::Body,
    _at_work: Option<AtWork>,
}

impl Watched {
    pub fn new(body: tonic::body::Body, at_work: Option<AtWork>) -> Self {
        Self { body, _at_work: at_work }
    }
}

impl Body for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
