//! Carrying out what the gate decides. A request goes one of two ways, and the gate decides about
//! both in the same words:
//!
//! | | |
//! |---|---|
//! | [`general`] | pingora's proxy, for every kind of request; its phases delegate to the files here |
//! | [`fast_path`] | the plain case, a `GET` or `HEAD` over HTTP/1.1 without a body, without the parts of pingora that it does not need |
//! | `head`, `validate`, `forwarded`, `trace` | what is read of a request |
//! | `judge` | the question to the gate |
//! | `forward` | to which server, and as what request |
//! | `refuse` | what the client gets in place of a response |
//! | `report` | metrics and the access log |

pub mod fast_path;
pub mod general;

mod exchange;
mod forward;
mod forwarded;
mod head;
mod judge;
mod refuse;
mod report;
mod trace;
mod validate;

pub use fast_path::FastPath;
pub use general::General;

use std::time::Duration;

/// How long a client's connection may be idle between two requests.
const IDLE: Duration = Duration::from_secs(75);
