//! The access log: one line a request on standard output, written by a thread of its own. When
//! its reader is too slow lines are dropped and counted; a request never waits for them.

use super::queue::Queue;
use super::{AccessLog, LogFormat, LogSettings};
use crate::deny::Reason;
use crate::token::Fingerprint;
use serde::Serialize;
use std::sync::Arc;

/// One request, as it is logged. No query string, no token, no header.
#[derive(Debug, Serialize)]
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
    pub duration_ms: f64,
    pub upstream: Option<&'a str>,
    pub upstream_ms: Option<f64>,
    pub decision: &'static str,
    pub reason: Option<&'static str>,
    pub sub: Option<&'a str>,
    pub client_id: Option<&'a str>,
    pub server: Option<&'a str>,
    pub cache: Cache,
    pub introspection_ms: Option<f64>,
    pub token_fp: Option<Fingerprint>,
}

/// How the cache took part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cache {
    Hit,
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

/// A point in time, shown as RFC 3339 in UTC.
#[derive(Clone, Copy, Debug)]
pub struct Timestamp {
    /// Milliseconds since the Unix epoch.
    pub unix_millis: i64,
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let since = std::time::Duration::from_millis(u64::try_from(self.unix_millis).unwrap_or(0));
        serializer.collect_str(&humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + since))
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

    pub fn write(&self, line: &AccessLine<'_>, format: LogFormat) {
        let mut text = Vec::with_capacity(1024);
        let written = match format {
            LogFormat::Json => serde_json::to_writer(&mut text, line),
            LogFormat::Text => plain(line, &mut text),
        };
        if written.is_ok() {
            text.push(b'\n');
            self.0.push(&text);
        }
    }

    /// Writes out what is left; lines from now on are lost.
    pub fn finish(&self) {
        self.0.finish();
    }

    /// Lines lost so far.
    pub fn dropped(&self) -> usize {
        self.0.dropped()
    }
}

/// `key=value` pairs in the same order.
fn plain(line: &AccessLine<'_>, text: &mut Vec<u8>) -> serde_json::Result<()> {
    let serde_json::Value::Object(members) = serde_json::to_value(line)? else { return Ok(()) };
    for (i, (name, value)) in members.iter().filter(|(_, value)| !value.is_null()).enumerate() {
        let space = if i == 0 { "" } else { " " };
        let bare = value.as_str().filter(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'='));
        let value = bare.map_or_else(|| value.to_string(), str::to_owned);
        text.extend_from_slice(format!("{space}{name}={value}").as_bytes());
    }
    Ok(())
}
