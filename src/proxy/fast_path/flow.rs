//! One direction of an upgraded connection.

use bytes::{Buf, BytesMut};
use pingora_core::protocols::Stream;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt, AsyncWrite};

/// Bytes that are on their way at most. A sender that is faster than the receiver waits.
const PIECE: usize = 16 * 1024;

/// Pieces that are moved before the other direction has its turn.
const TURN: usize = 8;

/// From a sender to a receiver.
pub struct Flow {
    /// Read, and not sent yet.
    bytes: BytesMut,
    state: FlowState,
    /// Something was read or sent since it was last asked.
    moved: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum FlowState {
    Open,
    /// The sender has ended; the receiver has to see that.
    Ending,
    Over,
}

/// The end that failed.
pub enum Failed {
    Sender(io::Error),
    Receiver(io::Error),
}

impl Flow {
    /// Begins with bytes that were read already.
    pub fn starting_with(bytes: BytesMut) -> Self {
        Self { bytes, state: FlowState::Open, moved: false }
    }

    /// Nothing waits to be sent.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Nothing more is sent.
    pub fn is_over(&self) -> bool {
        self.state == FlowState::Over
    }

    /// The receiver takes no more.
    pub fn give_up(&mut self) {
        *self = Self { bytes: BytesMut::new(), state: FlowState::Over, moved: true };
    }

    /// Whether something moved since the last call.
    pub fn has_moved(&mut self) -> bool {
        std::mem::take(&mut self.moved)
    }

    /// Moves what can be moved now, some pieces at most. `sent` gets the bytes that were sent.
    pub fn poll(
        &mut self,
        context: &mut Context<'_>,
        from: &mut Stream,
        to: &mut Stream,
        mut sent: impl FnMut(&[u8]),
    ) -> Result<(), Failed> {
        for _ in 0..TURN {
            if !self.send(context, to, &mut sent).map_err(Failed::Receiver)? {
                return Ok(());
            }
            if self.state != FlowState::Open {
                return Ok(());
            }
            self.bytes.reserve(PIECE);
            let reading = pin!(from.read_buf(&mut self.bytes));
            match reading.poll(context) {
                Poll::Ready(Ok(0)) => self.state = FlowState::Ending,
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Err(Failed::Sender(error)),
                Poll::Pending => {
                    // most connections are idle most of the time
                    self.bytes = BytesMut::new();
                    return Ok(());
                }
            }
            self.moved = true;
        }
        Ok(())
    }

    /// Sends the bytes that were read, and the end. False where the receiver takes no more now.
    fn send(
        &mut self,
        context: &mut Context<'_>,
        to: &mut Stream,
        sent: &mut impl FnMut(&[u8]),
    ) -> io::Result<bool> {
        let mut to = Pin::new(to);
        while !self.bytes.is_empty() {
            match to.as_mut().poll_write(context, &self.bytes) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(some)) => {
                    sent(self.bytes.get(..some).unwrap_or_default());
                    self.bytes.advance(some);
                }
                Poll::Ready(Err(error)) => return Err(error),
            }
            self.moved = true;
        }
        match self.state {
            // writers keep bytes back
            FlowState::Open => match to.poll_flush(context) {
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(())) => {}
            },
            FlowState::Ending => match to.poll_shutdown(context) {
                Poll::Pending => return Ok(false),
                // it fails when the receiver is gone, which is the end as well
                Poll::Ready(_) => {
                    self.state = FlowState::Over;
                    self.moved = true;
                }
            },
            FlowState::Over => {}
        }
        Ok(true)
    }
}
