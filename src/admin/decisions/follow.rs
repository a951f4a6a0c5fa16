//! Decisions as they happen: server-sent events. Followers look at the kept decisions from time to
//! time, so that requests do nothing for them; where there are too many to show, a sample is sent
//! together with the count of the others.

use super::Filter;
use crate::admin::respond::problem;
use crate::runtime::Process;
use crate::telemetry::Decisions;
use http::{HeaderValue, Response, StatusCode, Version, header};
use pingora_core::Result;
use pingora_core::protocols::http::ServerSession;
use pingora_core::server::ShutdownWatch;
use pingora_http::ResponseHeader;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Between two looks.
const TICK: Duration = Duration::from_millis(200);
/// Decisions that are sent in one tick at most: 100 a second.
const SHOWN: usize = 20;
/// Ticks without an event after which a comment is sent, which finds out whether the follower is
/// still there.
const QUIET: u32 = 50;
/// Followers at one time.
const MOST: usize = 16;
/// A follower that takes nothing for so long is left.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Turns for followers.
pub struct Followers(Arc<Semaphore>);

impl Default for Followers {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST)))
    }
}

impl Followers {
    pub fn join(&self) -> std::result::Result<OwnedSemaphorePermit, Response<Vec<u8>>> {
        self.0.clone().try_acquire_owned().map_err(|_| {
            let detail = "Too many clients follow the decisions at the moment.";
            let mut refusal = problem(StatusCode::SERVICE_UNAVAILABLE, detail);
            refusal.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
            refusal
        })
    }
}

/// Sends decisions until the client leaves or the gateway stops.
pub async fn follow(
    process: &Process,
    filter: &Filter,
    session: &mut ServerSession,
    shutdown: &ShutdownWatch,
) -> Result<()> {
    // after a disconnect, a browser sends the id of the last event that it saw
    let seen = session
        .get_header("last-event-id")
        .and_then(|id| id.to_str().ok()?.parse::<u64>().ok())
        .map(|seen| seen.saturating_add(1));
    let now = process.decisions.next();
    let mut from = seen.filter(|from| *from <= now).unwrap_or(now);

    session.set_keepalive(None);
    session.set_write_timeout(Some(WRITE_TIMEOUT));
    let head = head(session.req_header().version)?;
    session.write_response_header(Box::new(head)).await?;
    send(session, ": connected\n\n".into()).await?;
    let mut quiet = 0;
    while !*shutdown.borrow() {
        let to = process.decisions.next();
        let events = events(&process.decisions, filter, from, to);
        from = to;
        quiet = if events.is_empty() { quiet + 1 } else { 0 };
        if !events.is_empty() {
            send(session, events).await?;
        } else if quiet >= QUIET {
            quiet = 0;
            send(session, ": nothing new\n\n".into()).await?;
        }
        tokio::time::sleep(TICK).await;
    }
    session.write_response_body(Default::default(), true).await
}

async fn send(session: &mut ServerSession, events: String) -> Result<()> {
    session.write_response_body(events.into(), false).await
}

fn head(version: Version) -> Result<ResponseHeader> {
    let mut head = ResponseHeader::build(StatusCode::OK, Some(6))?;
    head.insert_header(header::CONTENT_TYPE, "text/event-stream")?;
    head.insert_header(header::CACHE_CONTROL, "no-store")?;
    head.insert_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")?;
    if version == Version::HTTP_11 {
        head.insert_header(header::TRANSFER_ENCODING, "chunked")?;
    }
    Ok(head)
}

/// The events of one tick.
fn events(decisions: &Decisions, filter: &Filter, from: u64, to: u64) -> String {
    let kept: Vec<_> = decisions.range(from, to).collect();
    let overwritten = (to - from).saturating_sub(kept.len() as u64);
    let fitting: Vec<_> = kept.iter().filter(|one| filter.takes(&one.line())).collect();
    // evenly spaced, and always the newest
    let step = fitting.len().div_ceil(SHOWN).max(1);
    let mut shown: Vec<_> = fitting.iter().rev().step_by(step).collect();
    shown.reverse();
    let mut events = String::new();
    for one in &shown {
        events.push_str(&format!("id: {}\ndata: {}\n\n", one.number, one.json()));
    }
    let left_out = fitting.len() - shown.len();
    if left_out > 0 || overwritten > 0 {
        events.push_str(&format!(
            "event: sampled\ndata: {{\"shown\":{},\"left_out\":{left_out},\"not_looked_at\":{overwritten}}}\n\n",
            shown.len()
        ));
    }
    events
}
