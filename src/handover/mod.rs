//! A running gateway hands its listening sockets and its cache to a new process of the same
//! gateway (`introgate run --upgrade`): no connection is refused, no request is lost, and the
//! authorization servers are not asked again about every token.
//!
//! ```text
//!   old process                            new process
//!   [`offer`]: waits at the socket   ◀──── [`take`]: connects
//!   listening sockets, cache         ────▶ opens its listeners with them
//!                                    ◀──── ready
//!   stops as after SIGTERM
//!   purges, until it has ended       ────▶ forgets the same answers
//! ```
//!
//! Until "ready" the old process goes on as if nothing had happened; when the new one ends before,
//! it keeps going.

mod address;
mod channel;
mod descriptors;
mod message;
mod offer;
mod take;

pub use address::socket_path;
pub use offer::offer;
pub use take::{HandedOver, take};
