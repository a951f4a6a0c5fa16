//! The gate's decision about one request, step by step, for people.

use super::limiter::{Bucket, Caller};
use super::preflight::ChosenRoute;
use super::{Gate, Route, RouteServer};
use crate::cache::{CachedFacts, Known};
use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::extract::{self, Presented};
use crate::policy::{Finding, Permit};
use crate::request::RequestView;
use crate::token::{AccessToken, ActiveFacts, AuthScheme, Credential, Facts, TokenDigest};
use std::sync::Arc;

/// A decision, and everything that led to it.
pub struct Explained<R> {
    pub route: Option<Arc<Route<R>>>,
    /// The server that was asked, or whose answer was assumed.
    pub server: Option<Arc<str>>,
    /// The token in one word. Where no checks follow, it is the reason.
    pub token: &'static str,
    /// All checks, also those behind the first one that failed.
    pub findings: Vec<Finding>,
    /// The headers that the identity makes are left to the caller.
    pub outcome: Result<Permit, Denial>,
    /// The denial that shadow mode does not enforce.
    pub unenforced: Option<Denial>,
    /// The bucket that the request would take from, where the route has a limit and the token is
    /// active.
    bucket: Option<Bucket>,
}

impl<R> Gate<R> {
    /// Decides as [`Gate::check`] does. `assumed`: an answer in place of an introspection; a request
    /// without a token is then taken for one with a token of the first server. `seen` is called
    /// with the facts of an active token.
    pub async fn explain(
        &self,
        request: &RequestView<'_>,
        assumed: Option<Facts>,
        now: Now,
        seen: &mut (dyn FnMut(&ActiveFacts, &str) + Send),
    ) -> Explained<R> {
        let mut explained = Explained {
            route: None,
            server: None,
            token: "not looked at",
            findings: Vec::new(),
            outcome: Err(Denial::because(Reason::NoRoute)),
            unenforced: None,
            bucket: None,
        };
        let ChosenRoute { route, preflight, .. } = match self.route(request) {
            Ok(Some(chosen)) => chosen,
            Ok(None) => return explained,
            Err(why) => {
                explained.outcome = Err(Denial::with_detail(Reason::BadRequest, why.sentence()));
                return explained;
            }
        };
        let unchecked = match route.policy.admit_origin(request) {
            Ok(()) => route.policy.unchecked(preflight).map(Ok),
            Err(denial) => Some(Err(denial)),
        };
        explained.outcome = match unchecked {
            Some(outcome) => outcome,
            None => self.steps(route, request, assumed, now, seen, &mut explained).await,
        };
        if let Some(limiter) = &route.rate_limit
            && (explained.outcome.is_ok() || !explained.findings.is_empty())
        {
            let nobody = Caller { client: request.forwarded.client, ..Caller::default() };
            let bucket = explained.bucket.take().unwrap_or_else(|| limiter.bucket(&nobody));
            let finding = limiter.look(&bucket).await;
            if let (Ok(_), Err(denial)) = (&explained.outcome, &finding.outcome) {
                explained.outcome = Err(denial.clone());
            }
            explained.findings.push(finding);
        }
        explained.findings.splice(0..0, route.policy.origin_finding(request));
        if let Err(denial) = &explained.outcome
            && let Some(permit) = route.policy.unenforced(denial)
        {
            explained.unenforced = Some(denial.clone());
            explained.outcome = Ok(permit);
        }
        explained.route = Some(route.clone());
        explained
    }

    async fn steps(
        &self,
        route: &Route<R>,
        request: &RequestView<'_>,
        assumed: Option<Facts>,
        now: Now,
        seen: &mut (dyn FnMut(&ActiveFacts, &str) + Send),
        explained: &mut Explained<R>,
    ) -> Result<Permit, Denial> {
        let found = extract::token(request, &self.token).map_err(Denial::because)?;
        let token = match &found {
            None if assumed.is_none() => {
                explained.token = "none";
                return route.policy.anonymous();
            }
            None => None,
            Some(Presented { token, .. }) => {
                explained.token = "malformed";
                let token = AccessToken::parse(token.as_bytes(), self.token.max_length);
                Some(token.map_err(|_| Denial::because(Reason::MalformedToken))?)
            }
        };
        explained.token = "meant for none of the route's authorization servers";
        let server = match token {
            Some(token) => route.servers.meant_for(token),
            None => route.servers.first(),
        };
        let server = server.ok_or(Denial::because(Reason::Inactive))?;
        explained.server = Some(server.cached.name().clone());
        // an answer without a token is one for a bearer token
        let some_token = AccessToken::parse(b"assumed", usize::MAX)
            .map_err(|_| Denial::because(Reason::MalformedToken))?;
        let scheme = found.as_ref().map_or(AuthScheme::Bearer, |found| found.scheme);
        let credential = Credential { token: token.unwrap_or(some_token), scheme };
        match assumed {
            Some(Facts::Active(facts)) => {
                let judged = JudgedToken { facts: &facts, digest: None, at: now };
                judge(route, request, credential, server, &judged, seen, explained)
            }
            Some(Facts::Inactive) => inactive(&mut explained.token),
            Some(Facts::Refused(refused)) => refuse(&mut explained.token, refused.into()),
            None => {
                let Some(token) = token else { return route.policy.anonymous() };
                explained.token = "not judged: the authorization server gave no answer";
                let CachedFacts { outcome, at, digest, .. } =
                    self.ask(server, token, route, request).await;
                match outcome? {
                    Known::Inactive => inactive(&mut explained.token),
                    Known::Refused(refused) => refuse(&mut explained.token, refused.into()),
                    Known::Active(entry) => {
                        let judged = JudgedToken { facts: &entry.facts, digest: Some(digest), at };
                        judge(route, request, credential, server, &judged, seen, explained)
                    }
                }
            }
        }
    }

    async fn ask(
        &self,
        server: &RouteServer,
        token: AccessToken<'_>,
        route: &Route<R>,
        request: &RequestView<'_>,
    ) -> CachedFacts {
        server.cached.find(token, request.forwarded, route.limits.max_age, request.at, None).await
    }
}

/// An active token.
struct JudgedToken<'f> {
    facts: &'f ActiveFacts,
    /// `None`: the answer was assumed.
    digest: Option<TokenDigest>,
    at: Now,
}

/// A proof of possession is checked, and not noted as used.
fn judge<R>(
    route: &Route<R>,
    request: &RequestView<'_>,
    credential: Credential<'_>,
    server: &RouteServer,
    judged: &JudgedToken<'_>,
    seen: &mut (dyn FnMut(&ActiveFacts, &str) + Send),
    explained: &mut Explained<R>,
) -> Result<Permit, Denial> {
    let JudgedToken { facts, digest, at } = *judged;
    explained.token = "active";
    let client = request.forwarded.client;
    let caller = Caller { facts: Some(facts), token: digest.as_ref(), client };
    explained.bucket = route.rate_limit.as_ref().map(|limiter| limiter.bucket(&caller));
    seen(facts, server.cached.name());
    explained.findings = route.policy.findings(credential, facts, request, &server.demands, at);
    let passed = route.policy.evaluate(credential, facts, request, &server.demands, at)?;
    passed.claimed(Ok(()))
}

fn inactive(token: &mut &'static str) -> Result<Permit, Denial> {
    *token = "inactive";
    Err(Denial::because(Reason::Inactive))
}

fn refuse(token: &mut &'static str, reason: Reason) -> Result<Permit, Denial> {
    *token = "refused without asking";
    Err(Denial::because(reason))
}
