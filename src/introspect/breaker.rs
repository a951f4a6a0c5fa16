//! A circuit breaker: consecutive failures open it, and one probe closes it again.

use super::BreakerSettings;
use crate::clock::Mono;
use parking_lot::Mutex;
use std::time::Duration;

/// Learns every outcome; asked before every call.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: Mutex<BreakerState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    Closed,
    /// One probe is on its way.
    HalfOpen,
    Open,
}

#[derive(Debug)]
struct BreakerState {
    circuit: CircuitState,
    failures: u32,
    /// When a probe may go; after that, when another may, should the first one never report back.
    probe_at: Mono,
}

impl Breaker {
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: Mutex::new(BreakerState {
                circuit: CircuitState::Closed,
                failures: 0,
                probe_at: Mono::ZERO,
            }),
        }
    }

    /// Whether a call may be made now; if not, the time until one may.
    pub fn admit(&self, now: Mono) -> Result<(), Duration> {
        let mut state = self.state.lock();
        match state.circuit {
            CircuitState::Closed => Ok(()),
            CircuitState::Open | CircuitState::HalfOpen if now >= state.probe_at => {
                state.circuit = CircuitState::HalfOpen;
                state.probe_at = now + self.settings.open_for;
                Ok(())
            }
            CircuitState::Open | CircuitState::HalfOpen => Err(state.probe_at - now),
        }
    }

    /// The server answered, with any content.
    pub fn succeeded(&self) {
        let mut state = self.state.lock();
        state.circuit = CircuitState::Closed;
        state.failures = 0;
    }

    /// The server is in trouble. A probe's failure opens the circuit again at once.
    pub fn failed(&self, now: Mono) {
        let mut state = self.state.lock();
        state.failures = state.failures.saturating_add(1);
        let probe = state.circuit == CircuitState::HalfOpen;
        if probe
            || state.circuit == CircuitState::Closed && state.failures >= self.settings.failures
        {
            state.circuit = CircuitState::Open;
            state.probe_at = now + self.settings.open_for;
        }
    }

    pub fn state(&self) -> CircuitState {
        self.state.lock().circuit
    }
}

impl CircuitState {
    /// The value of `circuit_state`.
    pub fn gauge(self) -> i64 {
        match self {
            Self::Closed => 0,
            Self::HalfOpen => 1,
            Self::Open => 2,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::HalfOpen => "half_open",
            Self::Open => "open",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::START + Duration::from_millis(millis)
    }

    fn breaker() -> Breaker {
        Breaker::new(BreakerSettings { failures: 3, open_for: Duration::from_secs(5) })
    }

    #[test]
    fn consecutive_failures_open_it_and_one_probe_closes_it() {
        let breaker = breaker();
        for _ in 0..2 {
            breaker.failed(at(0));
        }
        breaker.succeeded();
        for _ in 0..2 {
            breaker.failed(at(0));
        }
        assert_eq!((breaker.state(), breaker.admit(at(0))), (CircuitState::Closed, Ok(())));
        breaker.failed(at(0));
        assert_eq!(
            (breaker.state(), breaker.admit(at(1000))),
            (CircuitState::Open, Err(Duration::from_secs(4)))
        );
        assert_eq!(breaker.admit(at(5000)), Ok(()));
        assert_eq!(
            (breaker.state(), breaker.admit(at(5001))),
            (CircuitState::HalfOpen, Err(Duration::from_millis(4999)))
        );
        breaker.succeeded();
        assert_eq!((breaker.state(), breaker.admit(at(5002))), (CircuitState::Closed, Ok(())));
    }

    #[test]
    fn a_failed_probe_opens_it_again_and_a_lost_one_is_replaced() {
        let breaker = breaker();
        for _ in 0..3 {
            breaker.failed(at(0));
        }
        assert_eq!(breaker.admit(at(5000)), Ok(()));
        breaker.failed(at(5100));
        assert_eq!(breaker.admit(at(5200)), Err(Duration::from_millis(4900)));
        assert_eq!(breaker.admit(at(10100)), Ok(()));
        assert_eq!(breaker.admit(at(15100)), Ok(()), "the probe never reported back");
    }
}
