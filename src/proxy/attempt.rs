//! The attempts to reach an upstream: which server is next, and whether another attempt may follow
//! one whose connection failed.

use super::exchange::Exchange;
use crate::clock::Now;
use crate::upstream::{Aim, HashKey};
use pingora_core::Result;
use pingora_error::{Error, ErrorType};
use std::time::Duration;

/// One attempt to reach the upstream.
pub struct Attempt {
    pub aim: Aim,
    /// The rest of the route's time.
    pub budget: Duration,
}

/// The next attempt. An error ends the request.
pub async fn next_attempt(exchange: &mut Exchange) -> Result<Attempt> {
    let mut now = exchange.now();
    let (Some(route), Some(_)) = (&exchange.route, &exchange.permit) else {
        // unreachable by construction, and closed if it is ever reached
        return Err(Error::explain(ErrorType::InternalError, "no permit"));
    };
    let upstream = &route.leads_to.upstream;
    let mut attempts = std::mem::take(&mut exchange.upstream.attempts);
    if let Some((aim, failure)) = exchange.upstream.failed.take() {
        // in a box: it may look up names, for which all requests would pay with room
        let another = Box::pin(upstream.prepare_another(&mut attempts, aim)).await;
        now = exchange.now();
        if !another {
            exchange.upstream.attempts = attempts;
            return Err(Error::explain(failure, "every address of the upstream fails").into_up());
        }
    }
    let key = hash_key(exchange, upstream.hash_key());
    let aim = upstream.aim(&mut attempts, now.mono, || &key);
    exchange.upstream.attempts = attempts;
    exchange.upstream.began.get_or_insert(now);
    exchange.upstream.aim = aim;
    let aim = aim.ok_or_else(no_address)?;
    Ok(Attempt { aim, budget: budget(exchange, now)? })
}

/// The request's own key for balancing by hash; empty, and not allocated, where none is needed.
fn hash_key(exchange: &Exchange, key: Option<HashKey>) -> Vec<u8> {
    let Some(key) = key else { return Vec::new() };
    if key == HashKey::Subject {
        let facts = exchange.trail.entry.as_ref().map(|entry| &entry.facts);
        if let Some(subject) = facts.and_then(|facts| facts.subject()) {
            return subject.as_bytes().to_vec();
        }
    }
    let client = exchange.forwarded.client;
    client.map(|address| address.to_string().into_bytes()).unwrap_or_default()
}

/// The rest of the route's time.
pub fn budget(exchange: &Exchange, now: Now) -> Result<Duration> {
    let spent = exchange.upstream.began.map_or(Duration::ZERO, |began| now.since(began));
    let timeout =
        exchange.route.as_ref().map_or(Duration::ZERO, |route| route.leads_to.settings.timeout);
    let left = timeout.saturating_sub(spent);
    if left.is_zero() {
        return Err(Error::explain(ErrorType::ConnectTimedout, "no time left for another attempt"));
    }
    Ok(left)
}

pub fn no_address() -> Box<Error> {
    Error::explain(ErrorType::ConnectNoRoute, "the upstream has no address")
}

/// A connection to the upstream was made.
pub fn connected(exchange: &Exchange) {
    exchange.upstream_is_up(true);
    let Some((route, aim)) = exchange.route.as_ref().zip(exchange.upstream.aim) else { return };
    if route.leads_to.upstream.connected(aim) {
        exchange.upstream_is_good(true);
    }
}

/// A connection to the upstream failed. Nothing has been sent yet, so that another attempt may
/// follow: the error carries this decision.
pub fn connection_failed(exchange: &mut Exchange, mut error: Box<Error>) -> Box<Error> {
    exchange.upstream_is_up(false);
    let now = exchange.now().mono;
    let Some((route, aim)) = exchange.route.as_ref().zip(exchange.upstream.aim) else {
        return error;
    };
    let upstream = route.leads_to.upstream.clone();
    if upstream.connection_failed(aim, now) {
        exchange.upstream_is_good(false);
    }
    error.set_retry(upstream.may_try_again(&exchange.upstream.attempts));
    exchange.upstream.failed = Some((aim, error.etype().clone()));
    error
}
