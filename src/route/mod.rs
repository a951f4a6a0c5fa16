//! Which route a request belongs to. Pure: no clock, no I/O.

mod comparable;
mod host;
mod normalise;
mod pattern;
mod table;

pub use comparable::comparable;
pub use host::Host;
#[allow(unused_imports)] // of parts that are not built yet
pub use normalise::Target;
pub use normalise::{Unsafe, normalise};
pub use pattern::{HostPattern, PathPattern, PatternError};
#[allow(unused_imports)] // of parts that are not built yet
pub use table::Tie;
pub use table::{Reach, RouteTable};
