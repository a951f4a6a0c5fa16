//! Whether a server is worth a request: by the gateway's own checks, and by connections that
//! failed.

use super::HealthCheck;
use crate::clock::{AtomicMono, Mono};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Connection failures in a row after which a server is left out for a while.
const EJECT_AFTER: u32 = 3;

/// How long it is left out; then one more failure leaves it out again.
const EJECTED: Duration = Duration::from_secs(10);

/// The health of one server. A server that was never checked is healthy.
#[derive(Debug)]
pub struct ServerHealth {
    /// Result of the checks.
    unhealthy: AtomicBool,
    /// Checks in a row that say the opposite.
    against: AtomicU32,
    /// Connections in a row that failed.
    failures: AtomicU32,
    ejected_until: AtomicMono,
}

impl Default for ServerHealth {
    fn default() -> Self {
        Self {
            unhealthy: AtomicBool::new(false),
            against: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejected_until: AtomicMono::new(Mono::ZERO),
        }
    }
}

impl ServerHealth {
    /// Whether requests go to the server while others are there.
    pub fn is_good(&self, now: Mono) -> bool {
        !self.unhealthy.load(Ordering::Relaxed)
            && (self.failures.load(Ordering::Relaxed) < EJECT_AFTER
                || now >= self.ejected_until.load())
    }

    /// The last result of the checks; true without any.
    pub fn is_checked_good(&self) -> bool {
        !self.unhealthy.load(Ordering::Relaxed)
    }

    /// A connection was made. True when the server was left out before.
    pub fn connected(&self) -> bool {
        // written only where it changes, since every connection comes by here
        self.failures.load(Ordering::Relaxed) > 0
            && self.failures.swap(0, Ordering::Relaxed) >= EJECT_AFTER
    }

    /// A connection failed. True when the server is left out from now on.
    pub fn failed(&self, now: Mono) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        if failures >= EJECT_AFTER {
            self.ejected_until.store(now + EJECTED);
        }
        failures == EJECT_AFTER
    }

    /// One of the gateway's own checks came to its end. Gives the health that changed by it.
    pub fn checked(&self, passed: bool, check: &HealthCheck) -> Option<bool> {
        let healthy = !self.unhealthy.load(Ordering::Relaxed);
        if passed == healthy {
            self.against.store(0, Ordering::Relaxed);
            return None;
        }
        let needed = if passed { check.healthy } else { check.unhealthy };
        if self.against.fetch_add(1, Ordering::Relaxed) + 1 < needed {
            return None;
        }
        self.against.store(0, Ordering::Relaxed);
        self.unhealthy.store(!passed, Ordering::Relaxed);
        Some(passed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECK: HealthCheck = HealthCheck {
        path: None,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        healthy: 2,
        unhealthy: 3,
    };

    #[test]
    fn a_server_changes_after_that_many_checks_in_a_row() {
        let health = ServerHealth::default();
        let mut good = Vec::new();
        for passed in [false, false, true, false, false, false, true, false, true, true, true] {
            let _ = health.checked(passed, &CHECK);
            good.push(health.is_good(Mono::START));
        }
        let (up, down) = (true, false);
        assert_eq!(good, [up, up, up, up, up, down, down, down, down, up, up]);
    }

    #[test]
    fn a_server_is_left_out_after_three_failed_connections_and_tried_again_later() {
        let (health, start) = (ServerHealth::default(), Mono::START);
        assert_eq!([(); 2].map(|()| health.failed(start)), [false, false]);
        assert!(health.is_good(start));
        assert!(health.failed(start) && !health.is_good(start));
        let later = start + EJECTED;
        assert!(health.is_good(later), "one request finds out");
        assert!(!health.failed(later) && !health.is_good(later));
        assert!(health.connected() && health.is_good(later));
        assert!(!health.connected(), "it was back already");
    }
}
