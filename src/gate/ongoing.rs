//! A permitted request whose response goes on, and the moment when its permit ends.

use super::{Gate, Route, Trail};
use crate::cache::{Entry, News, StreamEnd, WatchedStream};
use crate::clock::Clock;
use crate::deny::Reason;
use crate::extract::{self, Presented};
use crate::request::{KeptRequest, RequestView};
use crate::secret::Secret;
use crate::token::{AccessToken, AuthScheme, Credential};
use std::sync::Arc;

/// Everything that is needed to judge the request again with each renewed answer.
pub struct Ongoing<R> {
    route: Arc<Route<R>>,
    request: KeptRequest,
    token: Secret,
    scheme: AuthScheme,
    /// The answer by which the request was permitted.
    before: Arc<Entry>,
    watched: WatchedStream,
    clock: Clock,
}

impl<R> Gate<R> {
    /// Watches the token of a request that was permitted on `route`. `request` is that request,
    /// `trail` came with its decision. `None` where nothing is to be watched: there was no token,
    /// or the route is in shadow mode.
    pub fn watch(
        &self,
        route: &Arc<Route<R>>,
        request: &RequestView<'_>,
        trail: &Trail,
        clock: &Clock,
    ) -> Option<Ongoing<R>> {
        if route.policy.is_shadow() {
            return None;
        }
        let (before, digest) = trail.entry.as_ref().zip(trail.digest)?;
        let Ok(Some(Presented { token, scheme })) = extract::token(request, &self.token) else {
            return None;
        };
        let parsed = AccessToken::parse(token.as_bytes(), self.token.max_length).ok()?;
        let server = route.servers.meant_for(parsed)?;
        let watched = server.cached.watch(digest, before.clone(), parsed, request.forwarded);
        Some(Ongoing {
            route: route.clone(),
            request: request.keep(),
            token: parsed.to_secret(),
            scheme,
            before: before.clone(),
            watched,
            clock: clock.clone(),
        })
    }
}

impl<R> Ongoing<R> {
    /// Waits until the request would not be permitted any more.
    pub async fn ended(mut self) -> StreamEnd {
        loop {
            match self.watched.news().await {
                News::Ended(end) => return end,
                News::Renewed(entry) => {
                    if let Err(end) = self.judge(&entry) {
                        return end;
                    }
                }
            }
        }
    }

    fn judge(&self, entry: &Entry) -> Result<(), StreamEnd> {
        let token = self.token.expose();
        let Ok(token) = AccessToken::parse(token.as_bytes(), token.len()) else {
            return Err(StreamEnd::Inactive);
        };
        let Some(server) = self.route.servers.meant_for(token) else {
            return Err(StreamEnd::Inactive);
        };
        let credential = Credential { token, scheme: self.scheme };
        let now = self.clock.now();
        let request = self.request.view(now);
        let (policy, before) = (&self.route.policy, &self.before.facts);
        let outcome =
            policy.still_holds(before, credential, &entry.facts, &request, &server.demands, now);
        outcome.map_err(|denial| match denial.reason {
            Reason::Expired => StreamEnd::Expired,
            _ => StreamEnd::Inactive,
        })
    }
}
