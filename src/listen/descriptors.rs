//! File descriptors: as many as the system allows, and how many of them clients may take.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that no client gets: for files, authorization servers, Redis and the admin listener.
const RESERVED: u64 = 64;

/// Raises the soft limit of open files to the hard limit.
pub fn raise_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if limit.current != limit.maximum
        && let Err(error) = setrlimit(Resource::Nofile, raised)
    {
        tracing::warn!(%error, "the limit of open files cannot be raised to its hard limit");
    }
}

/// How many connections of clients there may be at once, on all listeners together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity(pub usize);

impl Capacity {
    /// From the limit of open files as it is now.
    pub fn of_process() -> Self {
        Self::from_limit(getrlimit(Resource::Nofile).current)
    }

    /// A request needs a second descriptor for its upstream, so clients get half of the rest.
    /// `None`: there is no limit.
    fn from_limit(limit: Option<u64>) -> Self {
        /// Enough for every machine, and within a semaphore's bounds.
        const MOST: u64 = 1 << 30;
        let connections = limit.unwrap_or(MOST).min(MOST).saturating_sub(RESERVED) / 2;
        Self(usize::try_from(connections).unwrap_or(usize::MAX >> 4).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_half_of_the_unreserved_descriptors() {
        let cases = [
            (Some(1024), 480),
            (Some(256), 96),
            (Some(64), 1),
            (Some(0), 1),
            (Some(65_536), 32_736),
        ];
        for (limit, connections) in cases {
            assert_eq!(Capacity::from_limit(limit), Capacity(connections), "{limit:?}");
        }
        assert!(Capacity::from_limit(None).0 > 1 << 20);
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_limit() {
        raise_limit();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
