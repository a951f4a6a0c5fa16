//! Pauses after failed calls.

use std::time::Duration;

/// Exponential, with jitter, and never longer than `longest` unless the other side asks for more.
pub struct Backoff {
    failures: u32,
    longest: Duration,
}

const FIRST: Duration = Duration::from_millis(250);

impl Backoff {
    pub fn new(longest: Duration) -> Self {
        Self { failures: 0, longest }
    }

    /// A call succeeded.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after another failure; at least as long as `asked_for`.
    pub fn pause(&mut self, asked_for: Duration) -> Duration {
        let whole = FIRST.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        // half of it is random, so that gateways that failed together do not come back together
        whole.mul_f64(rand::random_range(0.5..=1.0)).max(asked_for)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_begin_anew() {
        let mut backoff = Backoff::new(Duration::from_secs(5));
        let pauses: Vec<Duration> = (0..40).map(|_| backoff.pause(Duration::ZERO)).collect();
        assert!(pauses[0] <= FIRST && pauses[0] >= FIRST / 2, "{pauses:?}");
        assert!(pauses[10..].iter().all(|pause| *pause >= Duration::from_millis(2500)));
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(5)));
        assert_eq!(backoff.pause(Duration::from_secs(30)), Duration::from_secs(30));
        backoff.reset();
        assert!(backoff.pause(Duration::ZERO) <= FIRST);
    }
}
