//! Events that are both counted and logged.

use super::{Metrics, Occasionally};
use crate::clock::Mono;
use std::net::IpAddr;
use std::time::Duration;

/// The configuration was read again.
pub struct Reloaded<'a> {
    pub file: &'a str,
    /// Settings that need a restart to take effect, or the errors of the file.
    pub outcome: Result<&'a [&'static str], &'a [String]>,
    /// The names of the routes in shadow mode.
    pub shadow: &'a [&'a str],
    /// Seconds since the Unix epoch.
    pub at: i64,
}

impl Reloaded<'_> {
    pub fn emit(self, metrics: &Metrics) {
        let result = if self.outcome.is_ok() { "success" } else { "failure" };
        metrics.config_reloads.with_label_values(&[result]).inc();
        match self.outcome {
            Ok(needs_restart) => {
                metrics.config_in_force(self.at);
                tracing::info!(file = self.file, "configuration in force");
                for route in self.shadow {
                    tracing::warn!(
                        route,
                        "this route is in shadow mode: requests that would be refused are forwarded"
                    );
                }
                for part in needs_restart {
                    tracing::warn!(
                        file = self.file,
                        part,
                        "this part of the configuration changed and needs a restart to take effect"
                    );
                }
            }
            Err(problems) => {
                metrics.config_last_reload_success.set(0);
                for problem in problems {
                    tracing::error!(
                        file = self.file,
                        problem,
                        "configuration not reloaded; the old one stays in force"
                    );
                }
            }
        }
    }
}

/// A peer asked for a decision although it may not.
pub struct Stranger<'a> {
    listener: &'a str,
    peer: Option<IpAddr>,
    now: Mono,
}

impl<'a> Stranger<'a> {
    /// `listener`: the address of the listener that it asked.
    pub fn at(listener: &'a str, peer: Option<IpAddr>, now: Mono) -> Self {
        Self { listener, peer, now }
    }

    pub fn emit(self, log: &Occasionally) {
        if let Some(skipped) = log.now("stranger", self.now) {
            tracing::warn!(
                listener = self.listener,
                peer = self.peer.map(tracing::field::display),
                not_logged_since = skipped.count(),
                "a peer that is not in trusted_proxies asked for a decision, and was refused; if it is your proxy, add its address there"
            );
        }
    }
}

/// An event from an authorization server, or from a sender in its name.
pub struct Received<'a> {
    /// `None`: it is not known whose event it was.
    pub server: Option<&'a str>,
    /// From a closed set.
    pub result: &'static str,
    /// The outcome, or the reason for the refusal.
    pub outcome: Result<CarriedOut<'a>, &'a str>,
    pub now: Mono,
}

pub struct CarriedOut<'a> {
    /// The events, in words of a closed set.
    pub events: &'a [&'a str],
    /// Answers that were forgotten.
    pub purged: usize,
}

impl Received<'_> {
    pub fn emit(self, metrics: &Metrics, log: &Occasionally) {
        let (server, result) = (self.server.unwrap_or("-"), self.result);
        metrics.events.with_label_values(&[server, result]).inc();
        match self.outcome {
            Ok(CarriedOut { events, purged }) => tracing::info!(
                server,
                result,
                events = events.join(","),
                purged,
                "a security event came"
            ),
            Err(detail) => {
                if let Some(skipped) = log.now(result, self.now) {
                    tracing::warn!(
                        server,
                        result,
                        detail,
                        not_logged_since = skipped.count(),
                        "a security event was refused"
                    );
                }
            }
        }
    }
}

/// Events that were fetched together.
pub struct ReceivedTogether<'a> {
    pub server: &'a str,
    /// The events, in words of a closed set.
    pub events: &'a [&'a str],
    pub count: usize,
    /// Answers that were forgotten.
    pub purged: usize,
}

impl ReceivedTogether<'_> {
    pub fn emit(self) {
        let (server, count, purged) = (self.server, self.count, self.purged);
        let events = self.events.join(",");
        tracing::info!(server, events, count, purged, "security events were fetched");
    }
}

/// The transmitter was asked for events.
pub struct Polled<'a> {
    pub server: &'a str,
    /// From a closed set.
    pub result: &'static str,
    /// Why it did not answer.
    pub outcome: Result<(), &'a str>,
    pub now: Mono,
}

impl Polled<'_> {
    pub fn emit(self, metrics: &Metrics, log: &Occasionally) {
        let (server, result) = (self.server, self.result);
        metrics.event_polls.with_label_values(&[server, result]).inc();
        match self.outcome {
            Ok(()) => {
                if log.over() {
                    tracing::info!(server, "security events are fetched again");
                }
            }
            Err(detail) => {
                if let Some(skipped) = log.now(result, self.now) {
                    tracing::warn!(
                        server,
                        result,
                        detail,
                        not_logged_since = skipped.count(),
                        "security events cannot be fetched"
                    );
                }
            }
        }
    }
}

/// A stream's transmitter reported that it sends events, or does not.
pub struct StreamChanged<'a> {
    pub server: &'a str,
    /// From a closed set.
    pub status: &'static str,
    pub meaning: &'static str,
    /// The transmitter's words.
    pub reason: Option<String>,
}

impl StreamChanged<'_> {
    pub fn emit(self) {
        let Self { server, status, meaning, reason } = self;
        if status == "enabled" {
            tracing::info!(server, status, reason, meaning, "the event stream changed its status");
        } else {
            tracing::warn!(server, status, reason, meaning, "the event stream changed its status");
        }
    }
}

/// Another gateway calls the transmitter than before.
pub struct StreamRole<'a> {
    pub server: &'a str,
    pub meaning: &'static str,
}

impl StreamRole<'_> {
    pub fn emit(self) {
        tracing::info!(server = self.server, meaning = self.meaning, "event delivery");
    }
}

/// A stream does not deliver.
pub struct VerificationMissing<'a> {
    pub server: &'a str,
    /// How long it had time.
    pub within: Duration,
}

impl VerificationMissing<'_> {
    pub fn emit(self) {
        let within_seconds = self.within.as_secs_f64();
        tracing::warn!(
            server = self.server,
            within_seconds,
            "the event stream did not deliver its verification event: events may be lost"
        );
    }
}

/// A call that sets up a stream or asks about it failed.
pub struct StreamFailed<'a> {
    pub server: &'a str,
    pub detail: &'a str,
    pub now: Mono,
}

impl StreamFailed<'_> {
    pub fn emit(self, log: &Occasionally) {
        let (server, detail) = (self.server, self.detail);
        if let Some(skipped) = log.now("stream", self.now) {
            tracing::warn!(
                server,
                detail,
                not_logged_since = skipped.count(),
                "the event stream cannot be managed"
            );
        }
    }
}
