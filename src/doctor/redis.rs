//! The second level of the cache: whether it would be in use.

use super::DoctorReport;
use super::upstream::rounded;
use crate::cache::Shared;
use std::time::{Duration, Instant};

/// Longer than a connection and a first look take.
const PATIENCE: Duration = Duration::from_secs(7);

/// Connects as the gateway does, logs in, reads the log of purges, and asks for an answer in time.
pub async fn examine(shared: &Shared, report: &mut DoctorReport<'_>) {
    let started = Instant::now();
    let settled = async {
        while !shared.is_up() && shared.last_error().is_none() && started.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        never = shared.run() => match never {},
        () = settled => {}
    }
    // once `run` has stopped the connection is closed: earlier findings count
    match shared.last_error() {
        None if started.elapsed() < PATIENCE => {
            report.good(format_args!("in use within {:?}", rounded(started.elapsed())))
        }
        None => report
            .wrong(format_args!("no answer within {PATIENCE:?}; the gateway would go without it")),
        Some(trouble) => report.wrong(format_args!(
            "{}: {}; the gateway would go without it",
            trouble.kind, trouble.detail
        )),
    }
}
