//! Which route a request belongs to. Pure: no clock, no I/O.

mod comparable;
mod host;
mod normalise;
mod pattern;
mod prefixes;
mod table;

pub use comparable::comparable;
pub use host::Host;
pub use normalise::{Unsafe, normalise};
pub use pattern::{HostPattern, PathPattern, PatternError};
pub use table::{Reach, RouteTable};
