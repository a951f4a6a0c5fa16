//! The documents that are known: one for the process. A reload finds them again, so that keys which
//! were fetched keep working when the authorization server cannot be reached just then.

use super::ServerSettings;
use super::fetched::{Fetch, Fetched};
use crate::clock::Clock;
use crate::telemetry::Metrics;
use dashmap::DashMap;
use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub struct Documents {
    clock: Clock,
    metrics: Arc<Metrics>,
    /// By all settings that determine them. Each user holds a reference: those of the last runtime
    /// live until the next one is made.
    known: DashMap<String, Weak<dyn Any + Send + Sync>>,
}

impl Documents {
    pub fn new(clock: Clock, metrics: Arc<Metrics>) -> Self {
        Self { clock, metrics, known: DashMap::new() }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The document of `server` that is found at `place`; `source` is how it is fetched.
    pub fn fetched_by<F: Fetch>(
        &self,
        server: &ServerSettings,
        what: &'static str,
        refresh: Duration,
        place: &str,
        source: impl FnOnce() -> F,
    ) -> Arc<Fetched<F>> {
        let settings = server.fetch(what, refresh);
        self.shared(server, &format!("{place:?} {settings:?}"), || {
            Fetched::new(source(), settings, self.clock.clone(), &self.metrics)
        })
    }

    /// The document of this key, fetched from `server` with its HTTP client; `make` creates it if
    /// the key is new.
    pub fn shared<T: Send + Sync + 'static>(
        &self,
        server: &ServerSettings,
        key: &str,
        make: impl FnOnce() -> Arc<T>,
    ) -> Arc<T> {
        let key = format!("{key} {}", server.way());
        self.known.retain(|_, known| known.strong_count() > 0);
        let known = self
            .known
            .get(&key)
            .and_then(|known| known.upgrade())
            .and_then(|known| known.downcast().ok());
        known.unwrap_or_else(|| {
            let made = make();
            let any: Arc<dyn Any + Send + Sync> = made.clone();
            self.known.insert(key, Arc::downgrade(&any));
            made
        })
    }
}
