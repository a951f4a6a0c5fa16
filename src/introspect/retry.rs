//! Further attempts at a call that failed in a way that may pass at once.

use super::Failure;
use std::time::Duration;

/// However long a server asks to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Makes an attempt, and up to `retries` further ones while the failure is transient. `again` is
/// called before each further attempt. Fails with the last attempt's failure.
pub async fn retried<T, F>(
    retries: u32,
    again: impl Fn(),
    attempt: impl Fn() -> F,
) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut outcome = attempt().await;
    for nth in 1..=retries {
        if !outcome.as_ref().is_err_and(|failure| failure.transient) {
            break;
        }
        again();
        // random, so that many gateways do not repeat their calls at the same moment
        tokio::time::sleep(Duration::from_millis(rand::random_range(5..=25)) * nth).await;
        outcome = attempt().await;
    }
    outcome
}

impl Failure {
    /// The pause that the server asked for, within bounds; zero: none.
    pub fn pause(&self) -> Duration {
        self.retry_after.unwrap_or_default().min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::FailureKind;
    use std::cell::Cell;

    /// Attempts and repetitions of a call that fails in the given ways first.
    async fn counted(retries: u32, failures: &[bool]) -> (u32, u32, bool) {
        let (attempts, repetitions) = (Cell::new(0), Cell::new(0));
        let attempt = || {
            let nth = attempts.replace(attempts.get() + 1);
            let failure = failures.get(nth as usize).map(|&transient| Failure {
                transient,
                ..Failure::new(FailureKind::Unavailable, "no")
            });
            std::future::ready(failure.map_or(Ok(()), Err))
        };
        let outcome = retried(retries, || repetitions.set(repetitions.get() + 1), attempt).await;
        (attempts.get(), repetitions.get(), outcome.is_ok())
    }

    #[tokio::test]
    async fn only_transient_failures_are_repeated_and_not_for_ever() {
        for (retries, failures, expected) in [
            (1, &[][..], (1, 0, true)),
            (1, &[true], (2, 1, true)),
            (1, &[true, true], (2, 1, false)),
            (3, &[true, false, true], (2, 1, false)),
            (0, &[true], (1, 0, false)),
            (3, &[false], (1, 0, false)),
        ] {
            assert_eq!(counted(retries, failures).await, expected, "{retries} {failures:?}");
        }
    }
}
