//! Security events arrive: pushed to the admin listener or fetched from their transmitter. An event
//! is acknowledged only when it has taken effect, here and in the whole fleet.

mod backoff;
mod duty;
mod poll;
mod poller;
mod stream;
mod supervise;
mod take;

pub use duty::{keep, release};
pub use poller::try_poll;
pub use stream::{FoundStream, look};
pub use take::{RefusedEvent, take};
