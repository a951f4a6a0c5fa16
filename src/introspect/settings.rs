//! Settings of one authorization server.

use super::jwt::{Algorithm, KeySource};
use super::{CalledUrl, ClientAuth, Profile, ProxySettings, ServerKind, TokenSelector};
use crate::policy::{Implications, ServerDemands};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// `authorization_servers.NAME`.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    pub name: Arc<str>,
    /// Its kind, with the settings that only that kind has.
    pub kind: Arc<dyn ServerKind>,
    /// Which tokens it may see.
    pub tokens: TokenSelector,
    /// The required `iss` wherever an answer carries one.
    pub issuer: Option<String>,
    pub require_issuer: bool,
    /// The whole call: waiting for its turn, all attempts, bodies included.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    /// Bytes.
    pub max_response_size: usize,
    pub max_concurrent: usize,
    pub retries: u32,
    pub circuit_breaker: BreakerSettings,
    /// PEM file with further trust roots, and its content as read at load.
    pub extra_roots: Option<(PathBuf, Vec<u8>)>,
    /// The name that is asked for and verified in TLS, in place of the URL's host.
    pub server_name: Option<String>,
    /// Which scopes a granted scope includes.
    pub implications: Arc<Implications>,
    /// The proxy through which it is called.
    pub proxy: ProxySettings,
    /// Whether calls over plain http may go directly, without the general client.
    pub fast_path: bool,
    /// The trusted sources of events about its tokens; `None`: no events are accepted.
    pub events: Option<EventSettings>,
}

/// `authorization_servers.NAME.events`.
#[derive(Clone, Debug)]
pub struct EventSettings {
    /// The exact `iss` of events.
    pub issuer: String,
    /// One of these must be in `aud`; at least one.
    pub audience: Vec<String>,
    pub keys: KeySource,
    /// At least one; none of a secret-key family.
    pub algorithms: Vec<Algorithm>,
    /// How long ago a pushed event may have been issued when it comes.
    pub max_age: Duration,
    /// How the gateway authenticates at the transmitter: a method that needs no form parameters.
    pub client_auth: ClientAuth,
    /// Of `delivery: poll`; `None`: events are pushed.
    pub poll: Option<PollSettings>,
    /// Of `transmitter`; `None`: streams are managed by hand.
    pub stream: Option<StreamSettings>,
}

/// `delivery: poll` (RFC 8936).
#[derive(Clone, Debug)]
pub struct PollSettings {
    /// `None`: found by the stream.
    pub endpoint: Option<Url>,
    /// Between two polls that the transmitter does not hold, and the longest pause after failures.
    pub interval: Duration,
}

/// `transmitter` (OpenID Shared Signals Framework 1.0).
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// As it is written, and as a URL.
    pub issuer: String,
    pub at: Url,
    /// Where pushed events go; `None`: they are polled.
    pub push_endpoint: Option<Url>,
    pub verify_every: Duration,
}

impl EventSettings {
    /// Every URL that is called for events.
    pub fn calls(&self) -> Vec<CalledUrl> {
        let keys = self.keys.call();
        let poll = self.poll.as_ref().and_then(|poll| poll.endpoint.clone()).map(CalledUrl::To);
        let stream = self.stream.as_ref().map(|stream| CalledUrl::FoundBy(stream.at.clone()));
        let token = match &self.client_auth {
            ClientAuth::ClientCredentials(own) => own.token_endpoint.clone().map(CalledUrl::To),
            _ => None,
        };
        keys.into_iter().chain(poll).chain(stream).chain(token).collect()
    }
}

#[derive(Clone, Copy, Debug)]
pub struct BreakerSettings {
    /// Consecutive failures that open it.
    pub failures: u32,
    pub open_for: Duration,
}

/// Everything of a server's settings that can change its answers or how they are read: for the key
/// of cache entries.
#[derive(Debug, PartialEq, Eq)]
pub struct SettingsFingerprint(Vec<String>);

impl SettingsFingerprint {
    pub fn named(kind: &str) -> Self {
        Self(vec![kind.to_owned()])
    }

    /// A named list. Its length is part of it, so that no two lists run together.
    pub fn list(&mut self, name: &str, items: impl IntoIterator<Item = String>) {
        let at = self.0.len();
        self.0.extend(items);
        self.0.insert(at, format!("{name} {}", self.0.len() - at));
    }

    /// One named text.
    pub fn with(mut self, name: &str, text: impl Into<String>) -> Self {
        self.list(name, [text.into()]);
        self
    }

    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl ServerSettings {
    pub fn fingerprint(&self) -> SettingsFingerprint {
        self.kind.fingerprint(self.issuer.as_deref())
    }

    pub fn profile(&self) -> Profile<'_> {
        self.kind.profile(self.issuer.as_deref())
    }

    /// The demands on every answer of the server, on every route.
    pub fn demands(&self) -> ServerDemands {
        let profile = self.profile();
        ServerDemands {
            issuer: self.issuer.clone(),
            require_issuer: self.require_issuer,
            audience: profile.audience.to_vec(),
            client_id: profile.client_id.map(str::to_owned),
            implications: self.implications.clone(),
        }
    }

    /// Whether only plain http is ever called: endpoints found by an issuer may be https.
    pub fn is_plain(&self) -> bool {
        let of_events = self.events.iter().flat_map(EventSettings::calls).collect::<Vec<_>>();
        self.profile().calls.iter().chain(&of_events).all(CalledUrl::is_plain)
    }

    /// Scheme, host and port of every URL that is named for it, each once.
    pub fn origins(&self) -> Vec<Url> {
        let mut origins = Vec::new();
        for call in self.profile().calls {
            let mut url = call.url().clone();
            url.set_path("/");
            url.set_query(None);
            if !origins.contains(&url) {
                origins.push(url);
            }
        }
        origins
    }

    /// The server once for each of its endpoints, as if that were the only one.
    pub fn one_by_one(&self) -> Vec<Self> {
        let alone = self.kind.one_by_one();
        if alone.is_empty() {
            return vec![self.clone()];
        }
        alone.into_iter().map(|kind| Self { kind, ..self.clone() }).collect()
    }
}
