//! The access log: one line a request on standard output, written by a thread of its own. When
//! its reader is too slow lines are dropped and counted; a request never waits for them.

use super::line::{Line, name, three_digits, write_address};
use super::queue::Queue;
use super::{AccessLog, LogFormat, LogSettings};
use crate::clock::Mono;
use crate::deny::Reason;
use crate::token::TokenFingerprint;
use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// One logged request. No query string, no token, no header.
#[derive(Debug)]
#[allow(missing_docs)] // each field is the member of its name in docs/operating.md
pub struct AccessLine<'a> {
    pub ts: Timestamp,
    pub level: &'static str,
    pub request_id: &'a str,
    pub trace_id: &'a str,
    pub client_ip: Option<std::net::IpAddr>,
    pub method: &'a str,
    pub host: &'a str,
    pub path: &'a str,
    pub route: Option<&'a str>,
    pub status: u16,
    pub duration: Duration,
    pub upstream: Option<&'a str>,
    pub upstream_took: Option<Duration>,
    pub decision: &'static str,
    pub reason: Option<&'static str>,
    /// `false`: the route is in shadow mode, and the request was forwarded all the same.
    pub enforced: bool,
    pub sub: Option<&'a str>,
    pub client_id: Option<&'a str>,
    /// `sub` of the outermost actor.
    pub act_sub: Option<&'a str>,
    pub server: Option<&'a str>,
    pub cache: Cache,
    pub introspection: Option<Duration>,
    pub token_fp: Option<TokenFingerprint>,
}

/// How the cache took part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cache {
    /// An active answer was there.
    Hit,
    /// The authorization server was asked.
    Miss,
    /// Past its ttl, served since the server failed.
    Stale,
    /// Waited for another request's introspection.
    Coalesced,
    /// A cached answer that the token is inactive.
    Inactive,
    /// No token was looked up.
    #[default]
    None,
}

impl Cache {
    /// The word in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::Coalesced => "coalesced",
            Self::Inactive => "inactive",
            Self::None => "none",
        }
    }
}

/// A point in time, shown as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// Milliseconds since the Unix epoch.
    pub unix_millis: i64,
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = Duration::from_millis(u64::try_from(self.unix_millis).unwrap_or(0));
        humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since).fmt(f)
    }
}

/// The length of `2026-11-26T08:15:`.
const MINUTE: usize = 17;

impl Timestamp {
    /// Writes it as [`fmt::Display`] does. The part down to the minute is the same for many lines.
    fn append(self, text: &mut Vec<u8>) {
        thread_local! {
            static LAST: Cell<(u64, [u8; MINUTE])> = const { Cell::new((u64::MAX, [0; MINUTE])) };
        }
        let millis = u64::try_from(self.unix_millis).unwrap_or(0);
        let minute = millis / 60_000;
        let (mut last, mut shown) = LAST.get();
        if last != minute {
            // it fails beyond the year 9999
            let written = self.to_rfc3339();
            let Some(start) = written.as_bytes().first_chunk() else { return };
            (last, shown) = (minute, *start);
            LAST.set((last, shown));
        }
        let [_, tens, ones] = three_digits(millis / 1000 % 60);
        let [hundredth, tenth, thousandth] = three_digits(millis % 1000);
        text.extend_from_slice(&shown);
        text.extend_from_slice(&[tens, ones, b'.', hundredth, tenth, thousandth, b'Z']);
    }

    /// Empty beyond the year 9999.
    fn to_rfc3339(self) -> String {
        use fmt::Write;
        let mut text = String::new();
        let _ = write!(text, "{self}");
        text
    }
}

/// Writes the access log.
pub struct AccessLogger(Arc<Queue>);

impl AccessLogger {
    /// Lines go to standard output.
    pub fn to_stdout() -> Self {
        Self::to(std::io::stdout())
    }

    /// Lines go to `to`, written by a thread of their own.
    pub fn to(to: impl io::Write + Send + 'static) -> Self {
        Self(Queue::start(to))
    }

    /// Whether a request that was refused for `reason`, or was not, is logged.
    pub fn wants(&self, reason: Option<Reason>, settings: &LogSettings) -> bool {
        match settings.access {
            AccessLog::All => true,
            AccessLog::Denied => reason.is_some(),
            AccessLog::Off => false,
        }
    }

    /// `at`: when the request ended. Lines are written in the order of these times.
    #[inline(never)] // its code is long, and most requests have no line
    pub fn write(&self, line: &AccessLine<'_>, at: Mono, format: LogFormat) {
        self.0.push(at, |text| match format {
            LogFormat::Json => line.append::<true>(text),
            LogFormat::Text => line.append::<false>(text),
        });
    }

    /// Writes the remaining lines; lines from now on are lost.
    pub fn finish(&self) {
        self.0.finish();
    }

    /// Lines lost so far.
    pub fn dropped(&self) -> usize {
        self.0.dropped()
    }
}

impl AccessLine<'_> {
    /// The whole line, its end included: in JSON, or as `name=value`.
    pub(super) fn append<const JSON: bool>(&self, text: &mut Vec<u8>) {
        let mut line = Line::<JSON>::begin(text);
        self.write(&mut line);
        line.end();
    }

    /// All members.
    fn write<const JSON: bool>(&self, line: &mut Line<'_, JSON>) {
        line.shown(name!("ts"), Some(self.ts), Timestamp::append);
        line.word(name!("level"), Some(self.level));
        line.text(name!("request_id"), Some(self.request_id));
        line.text(name!("trace_id"), Some(self.trace_id));
        line.shown(name!("client_ip"), self.client_ip, write_address);
        line.text(name!("method"), Some(self.method));
        line.text(name!("host"), Some(self.host));
        line.text(name!("path"), Some(self.path));
        line.text(name!("route"), self.route);
        line.number(name!("status"), self.status);
        line.millis(name!("duration_ms"), Some(self.duration));
        line.text(name!("upstream"), self.upstream);
        line.millis(name!("upstream_ms"), self.upstream_took);
        line.word(name!("decision"), Some(self.decision));
        line.word(name!("reason"), self.reason);
        if !self.enforced {
            line.boolean(name!("enforced"), false);
        }
        line.text(name!("sub"), self.sub);
        line.text(name!("client_id"), self.client_id);
        // few tokens are delegated, and few routes are in shadow mode
        if self.act_sub.is_some() {
            line.text(name!("act_sub"), self.act_sub);
        }
        line.text(name!("server"), self.server);
        line.word(name!("cache"), Some(self.cache.as_str()));
        line.millis(name!("introspection_ms"), self.introspection);
        line.shown(name!("token_fp"), self.token_fp, |fingerprint, text| {
            text.extend_from_slice(&fingerprint.hex());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn appended(unix_millis: i64) -> (String, String) {
        let ts = Timestamp { unix_millis };
        let mut text = Vec::new();
        ts.append(&mut text);
        (String::from_utf8_lossy(&text).into_owned(), ts.to_rfc3339())
    }

    #[test]
    fn times_at_borders() {
        let (written, _) = appended(1_764_144_959_007);
        assert_eq!(written, "2025-11-26T08:15:59.007Z");
        for at in [
            i64::MIN,
            -1,
            0,
            59_999,
            60_000,
            951_782_399_999,
            951_782_400_000,
            253_402_300_799_999,
            253_402_300_800_000,
            i64::MAX,
        ] {
            let (written, shown) = appended(at);
            assert_eq!(written, shown, "{at}");
        }
    }

    proptest! {
        #[test]
        fn times_are_as_the_library_shows_them(at in 0..253_402_300_800_000i64, later in 0..200_000i64) {
            for at in [at, at + later] {
                let (written, shown) = appended(at);
                prop_assert_eq!(written, shown);
            }
        }
    }
}
