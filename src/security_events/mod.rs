//! Events that authorization servers send: security events (RFC 8417) and logout tokens (OpenID
//! Connect Back-Channel Logout 1.0), read as selectors of the answers to forget.
//!
//! The signature is all the authentication there is, so nothing of an event is believed before it
//! holds, and an event speaks for the tokens of the authorization server that it came from alone.

#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod kind;
mod refusal;
mod streams;
mod subject;
mod subscription;
mod taken;
mod token;

pub use kind::{EventKind, REQUESTED};
pub use refusal::{Code, Refusal};
pub use streams::{EventStreams, Role, StreamStatus};
pub use subscription::Subscription;
pub use taken::TakenEvents;
pub use token::printable;

use crate::cache::PurgeSelector;
use crate::clock::{Clock, Mono};
use crate::introspect::jwt::{Jws, Keys, RequiredIssuer};
use crate::introspect::{Documents, EventSettings, ServerSettings, UnusableSettings};
use serde_json::{Map, Value};
use std::sync::Arc;
use std::time::Duration;
use subject::Speaker;

/// By how much a transmitter's clock may differ from ours.
const LEEWAY: Duration = Duration::from_secs(10);

/// Everybody whose events are believed.
pub struct Events {
    transmitters: Vec<Transmitter>,
    clock: Clock,
}

struct Transmitter {
    /// Of the authorization server whose tokens it speaks of.
    server: Arc<str>,
    settings: EventSettings,
    /// The `iss` of those tokens, if known.
    issuers: Option<RequiredIssuer>,
    keys: Keys,
}

/// How an event came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// RFC 8935.
    Push,
    /// RFC 8936.
    Poll,
    /// OpenID Connect Back-Channel Logout 1.0 §2.5.
    Logout,
}

/// An event that is believed.
#[derive(Debug)]
pub struct SecurityEvent {
    /// The authorization servers that it is about.
    pub servers: Vec<Arc<str>>,
    /// The kinds in the order of the event, including those without effect on a cache.
    pub kinds: Vec<EventKind>,
    /// Whose answers are to be forgotten; empty when nothing is asked for.
    pub named: Vec<PurgeSelector>,
    /// Its statements about the stream that it came by.
    pub notices: Vec<Notice>,
    /// `jti`.
    pub token_id: String,
    /// Covers `iss` and `jti`: by this a repetition is known.
    pub id: [u8; 32],
    /// Until when a repetition would be believed.
    pub until: Mono,
}

/// A statement of an event about the stream that it came by (SSF 1.0 §8.1.4 and §8.1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Verified { state: Option<String> },
    Updated { status: StreamStatus, reason: Option<String> },
}

impl Events {
    pub fn new(
        servers: &[ServerSettings],
        documents: &Documents,
        clock: Clock,
    ) -> Result<Self, UnusableSettings> {
        let transmitters =
            servers.iter().filter_map(|server| Some((server, server.events.as_ref()?)));
        let transmitters = transmitters.map(|(server, settings)| {
            let issuers = match server.profile().verification {
                Some(verification) => Some(verification.issuer.clone()),
                None => server.issuer.clone().map(RequiredIssuer::Exactly),
            };
            let keys = Keys::for_server(&settings.keys, server, documents)?;
            Ok(Transmitter {
                server: server.name.clone(),
                settings: settings.clone(),
                issuers,
                keys,
            })
        });
        Ok(Self { transmitters: transmitters.collect::<Result<_, UnusableSettings>>()?, clock })
    }

    /// Whether no events are accepted.
    pub fn is_off(&self) -> bool {
        self.transmitters.is_empty()
    }

    /// Reads one event token. Where several authorization servers of the configuration take the
    /// issuer's events, the event is about all of those by whose settings it is good.
    pub async fn read_token(
        &self,
        token: &str,
        delivery: Delivery,
    ) -> Result<SecurityEvent, (Option<Arc<str>>, Refusal)> {
        let unknown = |refusal| (None, refusal);
        let jws = Jws::parse(token).map_err(|flaw| unknown(Refusal::unreadable(flaw)))?;
        token::check_type(&jws.header, delivery).map_err(unknown)?;
        let claims = jws.claims().map_err(|flaw| unknown(Refusal::unreadable(flaw)))?;
        // not believed yet: it only chooses whose keys decide
        let issuer = claims
            .get("iss")
            .and_then(Value::as_str)
            .ok_or_else(|| unknown(Refusal::invalid("it has no `iss`")))?;
        let mut good = Vec::new();
        let mut refused = None;
        for transmitter in
            self.transmitters.iter().filter(|transmitter| transmitter.settings.issuer == issuer)
        {
            match self.check(transmitter, &jws, &claims, delivery).await {
                Ok(()) => good.push(transmitter),
                Err(refusal) if refusal.code == Code::Unavailable => {
                    return Err((Some(transmitter.server.clone()), refusal));
                }
                Err(refusal) => {
                    refused = refused.or(Some((Some(transmitter.server.clone()), refusal)))
                }
            }
        }
        let Some(first) = good.first() else {
            let stranger =
                Refusal::new(Code::InvalidIssuer, "events of this `iss` are not taken here");
            return Err(refused.unwrap_or((None, stranger)));
        };
        let at = |refusal| (Some(first.server.clone()), refusal);
        let stated = token::stated_events(&claims, delivery).map_err(at)?;
        // one transmitter may speak for several servers, and the subject be one of a single one
        let (mut servers, mut named, mut foreign) = (Vec::new(), Vec::new(), None);
        for transmitter in &good {
            match stated.named(&claims, &transmitter.speaker(issuer)) {
                Ok(of_server) => {
                    servers.push(transmitter.server.clone());
                    named.extend(of_server);
                }
                Err(refusal) => foreign = foreign.or(Some(refusal)),
            }
        }
        if let (true, Some(refusal)) = (servers.is_empty(), foreign) {
            return Err(at(refusal));
        }
        let max_age =
            good.iter().map(|transmitter| transmitter.settings.max_age).max().unwrap_or_default();
        let until = self.clock.now().mono + max_age + 2 * LEEWAY;
        Ok(SecurityEvent {
            servers,
            kinds: stated.kinds(),
            named,
            notices: stated.notices(),
            token_id: token::token_id(&claims),
            id: token::id(issuer, &claims),
            until,
        })
    }

    async fn check(
        &self,
        transmitter: &Transmitter,
        jws: &Jws<'_>,
        claims: &Map<String, Value>,
        delivery: Delivery,
    ) -> Result<(), Refusal> {
        let settings = &transmitter.settings;
        if !settings.algorithms.contains(&jws.header.algorithm) {
            return Err(Refusal::new(Code::InvalidKey, "its `alg` is not among `algorithms`"));
        }
        let now = self.clock.now().unix_seconds();
        let key_issuer = transmitter.keys.verify(jws, now).await.map_err(Refusal::of_signature)?;
        if key_issuer.is_some_and(|issuer| issuer != settings.issuer) {
            return Err(Refusal::new(
                Code::InvalidKey,
                "the key that signed it is published for another issuer",
            ));
        }
        token::check_claims(claims, settings, delivery, now)
    }
}

impl Transmitter {
    fn speaker<'a>(&'a self, issuer: &'a str) -> Speaker<'a> {
        Speaker { server: &self.server, issuer, issuers: self.issuers.as_ref() }
    }
}
