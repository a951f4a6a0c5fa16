//! The end of a response head that the gateway writes itself: `Date` and `Connection`.

use bytes::BytesMut;
use pingora_core::protocols::http::date::get_cached_date;

/// Whether the client's connection can take another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionUse {
    Kept,
    Ended,
}

impl ConnectionUse {
    /// Ends a head with `Date` and `Connection`.
    pub fn end_head(self, to: &mut BytesMut) {
        to.extend_from_slice(b"Date: ");
        to.extend_from_slice(get_cached_date().as_bytes());
        to.extend_from_slice(match self {
            Self::Kept => b"\r\nConnection: keep-alive\r\n\r\n",
            Self::Ended => b"\r\nConnection: close\r\n\r\n",
        });
    }
}
