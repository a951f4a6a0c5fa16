//! For the doctor: whether an authorization server is reachable at all, apart from its answers
//! about tokens.

use super::http_client::HttpClient;
use super::{Failure, FailureKind, ServerSettings};
use crate::clock::Clock;
use http::header;
use std::time::UNIX_EPOCH;
use url::Url;

/// Somebody who speaks HTTP.
pub struct Reached {
    /// Seconds by which the server's clock is ahead of ours, by its `Date`.
    pub ahead: Option<i64>,
}

/// Asks for the root page, without token and credentials, over the connection that introspection
/// takes too: the same trust roots, the same time limits. The status does not matter.
pub async fn reach(
    server: &ServerSettings,
    origin: &Url,
    clock: &Clock,
) -> Result<Reached, Failure> {
    let client = HttpClient::new(server, clock.clone())
        .map_err(|error| Failure::new(FailureKind::Unavailable, error.to_string()))?;
    let sent = clock.now();
    let late = || {
        Failure::new(
            FailureKind::Timeout,
            format!("no answer within timeout ({:?})", server.timeout),
        )
    };
    let answer =
        tokio::time::timeout(server.timeout, client.send(|client| client.get(origin.clone())));
    let answer = answer
        .await
        .unwrap_or_else(|_| Err(late()))
        .map_err(|failure| failure.at(origin.as_str()))?;
    // in the middle between question and answer
    let ours = sent.later(clock.now().since(sent) / 2).wall;
    let theirs = answer
        .headers
        .get(header::DATE)
        .and_then(|date| httpdate::parse_http_date(date.to_str().ok()?).ok());
    let theirs =
        theirs.and_then(|theirs| theirs.duration_since(UNIX_EPOCH).ok()?.as_secs().try_into().ok());
    Ok(Reached { ahead: theirs.map(|theirs: i64| ahead(theirs, ours)) })
}

/// `theirs` in whole seconds, which is half a second too early on the average, `ours` in
/// milliseconds.
fn ahead(theirs: i64, ours: i64) -> i64 {
    (theirs.saturating_mul(1000).saturating_add(500) - ours) / 1000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_without_fractions_is_not_taken_for_a_clock_that_is_behind() {
        assert_eq!(
            [ahead(10, 10_900), ahead(10, 10_000), ahead(100, 10_000), ahead(10, 100_000)],
            [0, 0, 90, -89]
        );
    }
}
