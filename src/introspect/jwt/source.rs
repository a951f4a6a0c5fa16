//! An authorization server's public keys, wherever they are from.

use super::jws::Jws;
use super::keys::{KeySet, Verdict};
use super::published::{self, KeySetLocation, PublishedKeySet};
use super::{JwtFlaw, KeySource};
use crate::introspect::discovery::{Discovery, WantedEndpoint};
use crate::introspect::fetched::Fetched;
use crate::introspect::http_client::HttpClient;
use crate::introspect::{Documents, Failure, ServerSettings, UnusableSettings};
use std::sync::Arc;

pub enum Keys {
    Held(Arc<KeySet>),
    Published(Arc<Fetched<PublishedKeySet>>),
}

/// Why a signature is not known to hold.
pub enum Unverified {
    /// It does not.
    Flaw(JwtFlaw),
    /// The keys cannot be had.
    Failure(Failure),
}

impl From<JwtFlaw> for Unverified {
    fn from(flaw: JwtFlaw) -> Self {
        Self::Flaw(flaw)
    }
}

impl From<Failure> for Unverified {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl Keys {
    pub fn for_server(
        source: &KeySource,
        server: &ServerSettings,
        documents: &Documents,
    ) -> Result<Self, UnusableSettings> {
        let published = |place: &str, client: Arc<HttpClient>, at: KeySetLocation| {
            Self::Published(documents.fetched_by(server, "jwks", published::REFRESH, place, || {
                PublishedKeySet { client, at }
            }))
        };
        Ok(match source {
            KeySource::Files { keys, .. } => Self::Held(keys.clone()),
            KeySource::At(url) => {
                let client = Arc::new(HttpClient::new(server, documents.clock().clone())?);
                published(url.as_str(), client, KeySetLocation::Url(url.clone()))
            }
            KeySource::Issuer(issuer, at) => {
                let client = Arc::new(HttpClient::new(server, documents.clock().clone())?);
                let discovery = Discovery::for_issuer(
                    documents,
                    WantedEndpoint::Member("jwks_uri"),
                    (issuer, at),
                    &client,
                    server,
                );
                published(&format!("of {issuer} at {at}"), client, KeySetLocation::Found(discovery))
            }
            KeySource::Transmitter(issuer, at) => {
                let client = Arc::new(HttpClient::new(server, documents.clock().clone())?);
                let discovery =
                    Discovery::of_transmitter_keys(documents, (issuer, at), &client, server);
                let place = format!("of the transmitter {issuer} at {at}");
                published(&place, client, KeySetLocation::Found(discovery))
            }
        })
    }

    /// That there are keys, in a file or where they are published.
    pub async fn available(&self) -> Result<(), Failure> {
        match self {
            Self::Held(_) => Ok(()),
            Self::Published(published) => published.get().await.map(drop),
        }
    }

    /// Verifies the signature. Returns the issuer that the key is restricted to, if its publisher
    /// names one. For an unknown key, the published keys are fetched again, unless that was done
    /// just now.
    pub async fn verify(&self, jws: &Jws<'_>, now: i64) -> Result<Option<String>, Unverified> {
        let keys = match self {
            Self::Held(keys) => keys.clone(),
            Self::Published(published) => {
                let keys = published.get().await?;
                match keys.verify(jws, now) {
                    Verdict::Unknown => published.after(&keys).await?.unwrap_or(keys),
                    _ => keys,
                }
            }
        };
        match keys.verify(jws, now) {
            Verdict::Holds(key) => Ok(key.issuer.clone()),
            Verdict::Bad(flaw) => Err(flaw.into()),
            Verdict::Unknown if jws.header.has_nonce => Err(JwtFlaw::GRAPH.into()),
            Verdict::Unknown => Err(JwtFlaw::UNKNOWN_KEY.into()),
        }
    }
}
