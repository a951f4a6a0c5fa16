//! One introspection for a token at a time, however many requests wait for it.

use super::Known;
use crate::introspect::{Failure, FailureKind};
use crate::telemetry::SpanContext;
use crate::token::{DigestHasher, TokenDigest};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

pub type Outcome = Result<Known, Failure>;
type Landing = watch::Receiver<Option<Landed>>;

/// The outcome of a flight, and the span of its introspection where that is recorded.
#[derive(Clone, Debug)]
pub struct Landed {
    pub outcome: Outcome,
    pub span: Option<SpanContext>,
}

/// The introspections under way, for all authorization servers and all configurations.
#[derive(Clone, Debug)]
pub struct Flights(Arc<DashMap<TokenDigest, Landing, DigestHasher>>);

pub enum Boarding {
    /// No flight exists yet: the holder of this must ask, and publish the outcome.
    Lead(Lead, Passenger),
    Join(Passenger),
    /// Somebody would have to ask, and this request may not: it is to come again after so long.
    Refused(Duration),
}

/// The duty to ask. Dropped without an outcome (a panic), its passengers get a failure.
pub struct Lead {
    flights: Flights,
    digest: TokenDigest,
    outcome: watch::Sender<Option<Landed>>,
    landing: Landing,
}

/// The right to receive the outcome.
pub struct Passenger(Landing);

impl Flights {
    /// `may_ask` is called only if no flight exists yet.
    pub fn board(
        &self,
        digest: TokenDigest,
        may_ask: impl FnOnce() -> Result<(), Duration>,
    ) -> Boarding {
        match self.0.entry(digest) {
            Entry::Occupied(flight) => Boarding::Join(Passenger(flight.get().clone())),
            Entry::Vacant(place) => {
                if let Err(wait) = may_ask() {
                    return Boarding::Refused(wait);
                }
                let (outcome, landing) = watch::channel(None);
                place.insert(landing.clone());
                let passenger = Passenger(landing.clone());
                Boarding::Lead(Lead { flights: self.clone(), digest, outcome, landing }, passenger)
            }
        }
    }

    /// Closes the flights under way to newcomers; their passengers stay.
    pub fn forget(&self) {
        self.0.clear();
    }
}

impl Default for Flights {
    fn default() -> Self {
        Self(Arc::new(DashMap::with_hasher(DigestHasher::default())))
    }
}

impl Lead {
    /// Publishes the outcome. An answer to be cached must be in the cache by now, or a request
    /// could come between and ask again. `span`: that of the introspection, where it is recorded.
    pub fn land(self, outcome: Outcome, span: Option<SpanContext>) {
        // first of all: a passenger that retries after a failure must not board this flight again
        self.leave();
        self.outcome.send_replace(Some(Landed { outcome, span }));
    }

    fn leave(&self) {
        self.flights.0.remove_if(&self.digest, |_, landing| landing.same_channel(&self.landing));
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.leave();
    }
}

impl Passenger {
    pub async fn landed(mut self) -> Landed {
        match self.0.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or_else(lost),
            Err(_) => lost(),
        }
    }
}

fn lost() -> Landed {
    let failure = Failure::new(
        FailureKind::Unavailable,
        "the introspection ended without an outcome; this is a defect of the gateway",
    );
    Landed { outcome: Err(failure), span: None }
}
