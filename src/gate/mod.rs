//! The whole product on one screen: may this request pass?

mod explain;
mod limiter;
mod ongoing;
mod preflight;
mod proofs;
mod servers;
mod settings;

pub use explain::Explained;
pub use limiter::Limiter;
pub use proofs::Proofs;
pub use servers::{RouteServer, Servers};
pub use settings::{DemandSettings, EndWithToken, LimitSettings, RouteSettings};

use limiter::Caller;
use preflight::ChosenRoute;

use crate::cache::{CachedFacts, Entry, Known, ServerName};
use crate::deny::{Challenge, Denial, Reason};
use crate::extract::{self, Presented, TokenSettings};
use crate::policy::{Permit, Policy};
use crate::request::RequestView;
use crate::route::RouteTable;
use crate::telemetry::{Cache, Occasionally, Recorder, SpanContext};
use crate::token::{AccessToken, AuthScheme, Credential, TokenDigest};
use futures::FutureExt;
use http::HeaderValue;
use std::sync::Arc;
use std::time::Duration;

/// Everything that a decision needs, made once from one configuration. `R` is the destination of a
/// route.
pub struct Gate<R> {
    /// Finds the route of a request, as an index into `routes`.
    pub table: RouteTable,
    /// In the order of the table.
    pub routes: Vec<Arc<Route<R>>>,
    /// Where requests carry their tokens.
    pub token: TokenSettings,
    /// The proofs of possession that were used.
    pub proofs: Proofs,
}

/// One of `routes`, ready to decide.
pub struct Route<R> {
    /// Unique; the `route` label.
    pub name: Arc<str>,
    /// The demands on facts and request.
    pub policy: Policy,
    /// The authorization servers that judge this route's tokens.
    pub servers: Servers,
    /// Limits on the answers that this route accepts.
    pub limits: Arc<LimitSettings>,
    /// `rate_limit`.
    pub rate_limit: Option<Box<Limiter>>,
    /// CORS preflight goes to the upstream without a token.
    pub preflight_pass: bool,
    /// The prepared challenge of refusals.
    pub challenge: Arc<Challenge>,
    /// For causes of refusals, which happen often.
    pub log: Occasionally,
    /// Where a permitted request goes.
    pub leads_to: R,
}

/// The outcome for one request, and how it came about.
pub struct Decision {
    /// The place of the route in [`Gate::routes`]. An `Arc` of it would be counted in one place for
    /// all threads.
    pub route: Option<usize>,
    pub outcome: Result<Permit, Denial>,
    pub trail: Trail,
}

/// How a decision came about, for logs and metrics.
#[derive(Debug, Default)]
pub struct Trail {
    pub cache: Cache,
    /// The server that was asked, or whose answer was in the cache.
    pub server: Option<ServerName>,
    pub digest: Option<TokenDigest>,
    /// How long the request waited for an introspection.
    pub waited: Option<Duration>,
    /// The facts that were judged, also when they were refused.
    pub entry: Option<Arc<Entry>>,
    /// The denial that shadow mode does not enforce.
    pub unenforced: Option<Denial>,
    /// `DPoP-Nonce` of the response, with any status (RFC 9449 §8.2).
    pub nonce: Option<HeaderValue>,
    /// The introspection that the request waited for, which another one caused.
    pub awaited: Option<SpanContext>,
}

impl<R> Gate<R> {
    /// Decides about one request. Every failure on the way is a denial. `recorder`: of the request,
    /// if it is recorded.
    pub async fn check(&self, request: &RequestView<'_>, recorder: Option<&Recorder>) -> Decision {
        let mut trail = Trail::default();
        let ChosenRoute { route, place, preflight } = match self.route(request) {
            Ok(Some(chosen)) => chosen,
            Ok(None) => {
                let denial = Denial::because(Reason::NoRoute);
                return Decision { route: None, outcome: Err(denial), trail };
            }
            Err(why) => {
                let denial = Denial::with_detail(Reason::BadRequest, why.sentence());
                return Decision { route: None, outcome: Err(denial), trail };
            }
        };
        let unchecked = match route.policy.admit_origin(request) {
            Ok(()) => route.policy.unchecked(preflight).map(Ok),
            Err(denial) => Some(Err(denial)),
        };
        let mut outcome = match unchecked {
            Some(outcome) => outcome,
            None => self.admit(route, request, recorder, &mut trail).await,
        };
        // last (contract §3): a request that is refused for another reason does not count
        if let (Ok(_), Some(limiter)) = (&outcome, &route.rate_limit) {
            let caller = Caller {
                facts: trail.entry.as_ref().map(|entry| &entry.facts),
                token: trail.digest.as_ref(),
                client: request.forwarded.client,
            };
            if let Err(denial) = limiter.admit(&caller).await {
                outcome = Err(denial);
            }
        }
        if let Err(denial) = &outcome
            && let Some(permit) = route.policy.unenforced(denial)
        {
            trail.unenforced = Some(denial.clone());
            outcome = Ok(permit);
        }
        Decision { route: Some(place), outcome, trail }
    }

    async fn admit(
        &self,
        route: &Route<R>,
        request: &RequestView<'_>,
        recorder: Option<&Recorder>,
        trail: &mut Trail,
    ) -> Result<Permit, Denial> {
        let Some(Presented { token, scheme }) =
            extract::token(request, &self.token).map_err(Denial::because)?
        else {
            return route.policy.anonymous();
        };
        let token = AccessToken::parse(token.as_bytes(), self.token.max_length)
            .map_err(|_| Denial::because(Reason::MalformedToken))?;
        let credential = Credential { token, scheme };
        let outcome = self.judge(route, request, credential, recorder, trail).await;
        outcome.map_err(|denial| Denial { scheme, ..denial })
    }

    /// A request with a token.
    async fn judge(
        &self,
        route: &Route<R>,
        request: &RequestView<'_>,
        credential: Credential<'_>,
        recorder: Option<&Recorder>,
        trail: &mut Trail,
    ) -> Result<Permit, Denial> {
        let token = credential.token;
        if route.servers.is_empty() {
            return Err(Denial::because(Reason::AsUnavailable));
        }
        // a token that is meant for none of these servers is shown to none
        let Some(server) = route.servers.meant_for(token) else {
            return Err(Denial::because(Reason::Inactive));
        };
        let CachedFacts { outcome, cache, digest, waited, at, awaited } = server
            .cached
            .find(token, request.forwarded, route.limits.max_age, request.at, recorder)
            .await;
        *trail = Trail {
            cache,
            server: Some(server.cached.shown_name()),
            digest: Some(digest),
            waited,
            awaited,
            ..Trail::default()
        };
        if credential.scheme == AuthScheme::Dpop && route.policy.takes_dpop() {
            trail.nonce = self.proofs.nonce(at);
        }
        match outcome? {
            Known::Inactive => Err(Denial::because(Reason::Inactive)),
            Known::Refused(refused) => Err(Denial::because(refused.into())),
            Known::Active(entry) => {
                let entry = trail.entry.insert(entry);
                let (facts, demands) = (&entry.facts, &server.demands);
                let passed = route.policy.evaluate(credential, facts, request, demands, at)?;
                let claim = match passed.to_claim() {
                    None => Ok(()),
                    Some(proof) => {
                        self.proofs.claim(&proof, at, route.policy.requires_dpop()).boxed().await
                    }
                };
                passed.claimed(claim)
            }
        }
    }
}
