//! Carries out events.

use crate::cache::{Purge, PurgeSelector, StreamEnd};
use crate::runtime::{Process, Runtime};
use crate::security_events::{Code, Delivery, EventKind, Refusal, SecurityEvent};
use crate::telemetry::{CarriedOut, Received, ReceivedTogether, StreamChanged};
use serde_json::{Map, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// Why an event is not taken, and whose it is as far as that is known.
pub type RefusedEvent = (Option<Arc<str>>, Refusal);

/// One event that was pushed: forgets the answers that it names.
pub async fn take(process: &Process, token: &str, delivery: Delivery) -> Result<(), RefusedEvent> {
    let runtime = process.runtime.load_full();
    let parts = &process.parts;
    let event = verify(process, &runtime, token, delivery).await?;
    if !parts.taken.first(event.id, event.until, parts.clock.now().mono) {
        let server = event.servers.first().cloned();
        return Err((server, Refusal::new(Code::Replayed, "its `jti` was taken before")));
    }
    let purged = match event.named.is_empty() {
        true => 0,
        false => process.purge(&Purge::Matching(event.named.clone()), StreamEnd::Event).await.0,
    };
    let kinds: Vec<&str> = event.kinds.iter().copied().map(EventKind::as_str).collect();
    for server in &event.servers {
        let outcome = Ok(CarriedOut { events: &kinds, purged });
        let now = parts.clock.now().mono;
        Received { server: Some(server), result: result(&event), outcome, now }
            .emit(&parts.metrics, &parts.event_log);
    }
    note(process, &event);
    Ok(())
}

/// The events of one poll, by turns.
#[derive(Debug, Default)]
pub struct Settled {
    /// They took effect, or did before.
    pub acknowledged: Vec<String>,
    /// They are no good.
    pub refused: Vec<(String, Refusal)>,
    /// Events that were not seen before.
    pub new: usize,
}

/// Subjects of one poll that are looked for one by one. With more of them all answers of the
/// authorization server are forgotten: a walk through the cache for each would take too long, and
/// forgetting more than asked for is safe.
const ONE_BY_ONE: usize = 256;

/// All events of one poll, by `jti`. An event that is neither acknowledged nor refused afterwards
/// is to be sent again.
pub async fn take_all(
    process: &Process,
    runtime: &Runtime,
    polled: &str,
    sets: &Map<String, Value>,
) -> Settled {
    let parts = &process.parts;
    let mut settled = Settled::default();
    let mut events = Vec::new();
    for (nth, (jti, token)) in sets.iter().enumerate() {
        if nth % 16 == 15 {
            // checking signatures must not keep a worker from requests
            tokio::task::yield_now().await;
        }
        let event = match read_polled(process, runtime, jti, token).await {
            Ok(event) => event,
            Err((server, refusal)) => {
                let outcome = Err(refusal.detail.as_deref().unwrap_or(refusal.why));
                let (result, now) = (refusal.code.label(), parts.clock.now().mono);
                let server = server.as_deref().unwrap_or(polled);
                Received { server: Some(server), result, outcome, now }
                    .emit(&parts.metrics, &parts.event_log);
                if refusal.code != Code::Unavailable {
                    settled.refused.push((jti.clone(), refusal));
                }
                continue;
            }
        };
        if parts.taken.first(event.id, event.until, parts.clock.now().mono) {
            settled.new += 1;
            events.push((jti.clone(), event));
        } else {
            parts.metrics.events.with_label_values(&[polled, "replayed"]).inc();
            settled.acknowledged.push(jti.clone());
        }
    }
    if events.is_empty() {
        return settled;
    }
    let named = together(&events);
    let (purged, published) = match named.is_empty() {
        true => (0, None),
        false => process.purge(&Purge::Matching(named), StreamEnd::Event).await,
    };
    for (_, event) in &events {
        for server in &event.servers {
            parts.metrics.events.with_label_values(&[&**server, result(event)]).inc();
        }
        note(process, event);
    }
    let kinds = events.iter().flat_map(|(_, event)| event.kinds.iter().copied());
    let mut kinds: Vec<&str> = kinds.map(EventKind::as_str).collect();
    kinds.sort_unstable();
    kinds.dedup();
    ReceivedTogether { server: polled, events: &kinds, count: events.len(), purged }.emit();
    if published == Some(false) {
        // other gateways do not know yet: it must not be lost with this process
        events.iter().for_each(|(_, event)| parts.taken.forget(&event.id));
        settled.new = 0;
        return settled;
    }
    settled.acknowledged.extend(events.into_iter().map(|(jti, _)| jti));
    settled
}

async fn read_polled(
    process: &Process,
    runtime: &Runtime,
    jti: &str,
    token: &Value,
) -> Result<SecurityEvent, RefusedEvent> {
    let token = token.as_str();
    let token = token.ok_or((None, Refusal::invalid("it is not a text in `sets`")))?;
    let event = verify(process, runtime, token, Delivery::Poll).await?;
    if event.token_id != jti {
        let why = "its `jti` is not the one that it has in `sets`";
        return Err((event.servers.first().cloned(), Refusal::invalid(why)));
    }
    Ok(event)
}

/// An event that is believed, and whose subject the answers of its authorization server can tell.
async fn verify(
    process: &Process,
    runtime: &Runtime,
    token: &str,
    delivery: Delivery,
) -> Result<SecurityEvent, RefusedEvent> {
    let event = runtime.events.read_token(token, delivery).await?;
    let session_alone =
        !event.named.is_empty() && event.named.iter().all(PurgeSelector::is_session_alone);
    let store = &process.parts.store;
    if session_alone && !event.servers.iter().any(|server| store.knows_sessions(server)) {
        let why = "it names a session alone, and this authorization server's answers have no `sid`; name the `sub` as well";
        return Err((event.servers.first().cloned(), Refusal::invalid(why)));
    }
    Ok(event)
}

/// The answers that these events name, each once.
fn together(events: &[(String, SecurityEvent)]) -> Vec<PurgeSelector> {
    let mut known = HashSet::new();
    let all = events.iter().flat_map(|(_, event)| &event.named);
    let named: Vec<PurgeSelector> =
        all.filter(|named| known.insert(format!("{named:?}"))).cloned().collect();
    if named.len() <= ONE_BY_ONE {
        return named;
    }
    let servers: HashSet<Arc<str>> =
        events.iter().flat_map(|(_, event)| event.servers.iter().cloned()).collect();
    servers
        .into_iter()
        .map(|server| PurgeSelector { server: Some(server), ..PurgeSelector::default() })
        .collect()
}

fn note(process: &Process, event: &SecurityEvent) {
    let parts = &process.parts;
    for server in &event.servers {
        let state = parts.streams.for_server(server);
        if state.received(&event.notices, parts.clock.now())
            && let Some((status, reason)) = state.facts().status
        {
            StreamChanged { server, status: status.as_str(), meaning: status.sentence(), reason }
                .emit();
        }
    }
}

/// The word in `events_total{result}`.
fn result(event: &SecurityEvent) -> &'static str {
    if event.kinds.iter().any(|kind| kind.forgets()) { "accepted" } else { "ignored" }
}
