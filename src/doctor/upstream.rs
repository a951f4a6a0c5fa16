//! The protected services: whether a connection can be made to each, by the very way that requests
//! take.

use super::DoctorReport;
use crate::upstream::Upstream;
use pingora_core::connectors::TransportConnector;
use std::time::{Duration, Instant};

/// Connects to every server of the upstream, TLS included; nothing is sent.
pub async fn examine(upstream: &Upstream, report: &mut DoctorReport<'_>) {
    upstream.resolve(|_| true).await;
    let connector = TransportConnector::new(None);
    let budget = upstream.settings.connect_timeout + Duration::from_secs(1);
    for (place, server) in upstream.settings.servers.iter().enumerate() {
        let Some(peer) = upstream.aim_at(place, 0).and_then(|aim| upstream.peer(aim, budget))
        else {
            report.wrong(format_args!(
                "{}: the name has no address; is it right, and does the name server know it?",
                server.label
            ));
            continue;
        };
        let started = Instant::now();
        match connector.new_stream(&*peer).await {
            Ok(_) => report.good(format_args!(
                "{}: connected in {:?}",
                server.label,
                rounded(started.elapsed())
            )),
            Err(error) => report.wrong(format_args!(
                "{}: cannot connect: {}",
                server.label,
                error.root_cause()
            )),
        }
    }
}

/// Rounds to a precision that a reader can use.
pub fn rounded(took: Duration) -> Duration {
    Duration::from_micros(
        took.as_micros().try_into().map_or(u64::MAX, |micros: u64| micros.next_multiple_of(100)),
    )
}
