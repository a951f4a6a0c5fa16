//! The access log: one line a request on standard output, written by a thread of its own. When
//! its reader is too slow lines are dropped and counted; a request never waits for them.

use super::line::{Line, name};
use super::queue::Queue;
use super::{AccessLog, LogFormat, LogSettings};
use crate::deny::Reason;
use crate::token::TokenFingerprint;
use std::fmt;
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

pub struct AccessLogger(Arc<Queue>);

impl AccessLogger {
    pub fn to_stdout() -> Self {
        Self(Queue::start(std::io::stdout()))
    }

    /// Whether a request that was refused for `reason`, or was not, is logged.
    pub fn wants(&self, reason: Option<Reason>, settings: &LogSettings) -> bool {
        match settings.access {
            AccessLog::All => true,
            AccessLog::Denied => reason.is_some(),
            AccessLog::Off => false,
        }
    }

    #[inline(never)] // its code is long, and most requests have no line
    pub fn write(&self, line: &AccessLine<'_>, format: LogFormat) {
        self.0.push(&line.written(format));
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
    fn written(&self, format: LogFormat) -> Vec<u8> {
        let mut line = Line::begin(format);
        self.write(&mut line);
        line.end()
    }

    /// All members.
    pub(super) fn write(&self, line: &mut Line) {
        line.shown(name!("ts"), Some(self.ts));
        line.text(name!("level"), Some(self.level));
        line.text(name!("request_id"), Some(self.request_id));
        line.text(name!("trace_id"), Some(self.trace_id));
        line.shown(name!("client_ip"), self.client_ip);
        line.text(name!("method"), Some(self.method));
        line.text(name!("host"), Some(self.host));
        line.text(name!("path"), Some(self.path));
        line.text(name!("route"), self.route);
        line.number(name!("status"), self.status);
        line.millis(name!("duration_ms"), Some(self.duration));
        line.text(name!("upstream"), self.upstream);
        line.millis(name!("upstream_ms"), self.upstream_took);
        line.text(name!("decision"), Some(self.decision));
        line.text(name!("reason"), self.reason);
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
        line.text(name!("cache"), Some(self.cache.as_str()));
        line.millis(name!("introspection_ms"), self.introspection);
        line.shown(name!("token_fp"), self.token_fp);
    }
}
