//! The last decisions, for the status page and `/api/decisions`. Every request writes its line into
//! a slot that is there already: a copy of some hundred bytes, without an allocation once a slot
//! was used. Lines are put into words when they are read.

use super::access::{AccessLine, Cache, Timestamp};
use crate::token::TokenFingerprint;
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Decisions that are kept.
const KEPT: usize = 1000;

/// Bytes of a slot that are kept between two lines; longer ones are given back.
const SLOT: usize = 1024;

/// The last decisions of the process.
pub struct Decisions {
    /// The number of the next decision, from 0 when the process started.
    /// On a cache line of its own: every request writes it.
    next: CachePadded<AtomicU64>,
    slots: Box<[Mutex<Slot>]>,
}

#[derive(Default)]
struct Slot {
    /// One more than the number of the decision in it; 0: none yet.
    number: u64,
    record: DecisionRecord,
}

/// An access line whose texts are in one buffer.
#[derive(Clone, Default)]
struct DecisionRecord {
    texts: String,
    /// The ends of the texts, in the order of [`Text`].
    ends: [u32; TEXTS],
    /// Bit n: the text n is there at all.
    present: u16,
    unix_millis: i64,
    level: &'static str,
    client_ip: Option<IpAddr>,
    status: u16,
    duration: Duration,
    upstream_took: Option<Duration>,
    decision: &'static str,
    reason: Option<&'static str>,
    enforced: bool,
    cache: Cache,
    introspection: Option<Duration>,
    token_fp: Option<TokenFingerprint>,
}

/// The texts of a line.
#[derive(Clone, Copy)]
enum Text {
    RequestId,
    TraceId,
    Method,
    Host,
    Path,
    Route,
    Upstream,
    Sub,
    ClientId,
    ActSub,
    Server,
}

const TEXTS: usize = 11;

impl DecisionRecord {
    fn set(&mut self, line: &AccessLine<'_>) {
        self.texts.clear();
        self.texts.shrink_to(SLOT);
        self.present = 0;
        let texts: [Option<&str>; TEXTS] = [
            Some(line.request_id),
            Some(line.trace_id),
            Some(line.method),
            Some(line.host),
            Some(line.path),
            line.route,
            line.upstream,
            line.sub,
            line.client_id,
            line.act_sub,
            line.server,
        ];
        for (n, (text, end)) in texts.iter().zip(&mut self.ends).enumerate() {
            if let Some(text) = text {
                self.texts.push_str(text);
                self.present |= 1 << n;
            }
            *end = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        }
        self.unix_millis = line.ts.unix_millis;
        self.level = line.level;
        self.client_ip = line.client_ip;
        self.status = line.status;
        self.duration = line.duration;
        self.upstream_took = line.upstream_took;
        self.decision = line.decision;
        self.reason = line.reason;
        self.enforced = line.enforced;
        self.cache = line.cache;
        self.introspection = line.introspection;
        self.token_fp = line.token_fp;
    }

    fn text(&self, text: Text) -> Option<&str> {
        let n = text as usize;
        if self.present & 1 << n == 0 {
            return None;
        }
        let start = n.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(n).copied().unwrap_or(0);
        self.texts.get(start as usize..end as usize)
    }

    fn line(&self) -> AccessLine<'_> {
        let text = |which| self.text(which).unwrap_or_default();
        AccessLine {
            ts: Timestamp { unix_millis: self.unix_millis },
            level: self.level,
            request_id: text(Text::RequestId),
            trace_id: text(Text::TraceId),
            client_ip: self.client_ip,
            method: text(Text::Method),
            host: text(Text::Host),
            path: text(Text::Path),
            route: self.text(Text::Route),
            status: self.status,
            duration: self.duration,
            upstream: self.text(Text::Upstream),
            upstream_took: self.upstream_took,
            decision: self.decision,
            reason: self.reason,
            enforced: self.enforced,
            sub: self.text(Text::Sub),
            client_id: self.text(Text::ClientId),
            act_sub: self.text(Text::ActSub),
            server: self.text(Text::Server),
            cache: self.cache,
            introspection: self.introspection,
            token_fp: self.token_fp,
        }
    }
}

/// A decision that was read.
pub struct RecordedDecision {
    /// Counts from 0 when the process started.
    pub number: u64,
    record: DecisionRecord,
}

impl RecordedDecision {
    /// As the access log has it.
    pub fn line(&self) -> AccessLine<'_> {
        self.record.line()
    }

    /// A JSON object, as in the access log, without a line end.
    pub fn json(&self) -> String {
        let mut bytes = Vec::new();
        self.line().append::<true>(&mut bytes);
        bytes.pop();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Default for Decisions {
    fn default() -> Self {
        let slots = std::iter::repeat_with(Mutex::default).take(KEPT).collect();
        Self { next: CachePadded::default(), slots }
    }
}

impl Decisions {
    /// Keeps a decision, in place of the oldest one.
    pub fn push(&self, line: &AccessLine<'_>) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some(mut slot) = self.slot(number).map(Mutex::lock) else { return };
        // one that overtook this one by a whole round stays
        if slot.number <= number {
            slot.number = number + 1;
            slot.record.set(line);
        }
    }

    /// The number of the next decision.
    pub fn next(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// Those that are kept, from `from` on and before `to`, oldest first.
    pub fn range(
        &self,
        from: u64,
        to: u64,
    ) -> impl DoubleEndedIterator<Item = RecordedDecision> + '_ {
        let oldest = to.saturating_sub(KEPT as u64);
        (from.max(oldest)..to).filter_map(|number| self.get(number))
    }

    fn get(&self, number: u64) -> Option<RecordedDecision> {
        let slot = self.slot(number)?.lock();
        if slot.number != number + 1 {
            return None;
        }
        Some(RecordedDecision { number, record: slot.record.clone() })
    }

    fn slot(&self, number: u64) -> Option<&Mutex<Slot>> {
        self.slots.get(usize::try_from(number % KEPT as u64).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line<'a>(request_id: &'a str, path: &'a str, sub: Option<&'a str>) -> AccessLine<'a> {
        AccessLine {
            ts: Timestamp { unix_millis: 1_700_000_000_123 },
            level: "info",
            request_id,
            trace_id: "t",
            client_ip: Some(IpAddr::from([192, 0, 2, 1])),
            method: "GET",
            host: "api.test",
            path,
            route: Some("items"),
            status: 401,
            duration: Duration::from_micros(1500),
            upstream: None,
            upstream_took: None,
            decision: "deny",
            reason: Some("inactive"),
            enforced: true,
            sub,
            client_id: Some(""),
            act_sub: None,
            server: Some("main"),
            cache: Cache::Inactive,
            introspection: None,
            token_fp: None,
        }
    }

    #[test]
    fn a_decision_reads_like_the_access_log() {
        let decisions = Decisions::default();
        let line = line("a", "/ü\"x", Some("alice"));
        decisions.push(&line);
        let read: Vec<_> = decisions.range(0, decisions.next()).collect();
        let mut logged = Vec::new();
        line.append::<true>(&mut logged);
        assert_eq!(
            read.iter().map(|read| read.json() + "\n").collect::<String>(),
            String::from_utf8_lossy(&logged)
        );
        assert_eq!(read[0].line().client_id, Some(""), "an empty text is not a missing one");
        assert_eq!(read[0].line().upstream, None);
    }

    #[test]
    fn the_last_ones_are_kept_in_order() {
        let decisions = Decisions::default();
        for n in 0..KEPT * 2 + 7 {
            decisions.push(&line(&n.to_string(), "/", None));
        }
        let kept: Vec<_> = decisions.range(0, decisions.next()).collect();
        assert_eq!(kept.len(), KEPT);
        let ids: Vec<String> = kept.iter().map(|kept| kept.line().request_id.to_owned()).collect();
        assert_eq!(ids.first().map(String::as_str), Some("1007"));
        assert_eq!(ids.last().map(String::as_str), Some("2006"));
        assert_eq!(decisions.range(2000, decisions.next()).count(), 7);
        assert_eq!(decisions.range(0, 100).count(), 0, "overwritten");
    }

    #[test]
    fn a_long_line_does_not_keep_its_memory() {
        let decisions = Decisions::default();
        decisions.push(&line("a", &"x".repeat(60_000), None));
        for n in 0..KEPT {
            decisions.push(&line(&n.to_string(), "/", None));
        }
        let held: usize =
            decisions.slots.iter().map(|slot| slot.lock().record.texts.capacity()).sum();
        assert!(held < KEPT * 2 * SLOT, "{held}");
    }

    #[test]
    fn writers_and_readers_do_not_mix_lines() {
        let decisions = Decisions::default();
        std::thread::scope(|scope| {
            for thread in 0..3 {
                let decisions = &decisions;
                scope.spawn(move || {
                    for n in 0..3000 {
                        let id = format!("{thread}-{n}");
                        decisions.push(&line(&id, &id, Some(&id)));
                    }
                });
            }
            for _ in 0..50 {
                for read in decisions.range(0, decisions.next()) {
                    let line = read.line();
                    assert!(line.request_id == line.path && line.sub == Some(line.path));
                }
            }
        });
        assert_eq!(decisions.next(), 9000);
        assert_eq!(decisions.range(0, 9000).count(), KEPT);
    }
}
