//! The demands of a route on a token and its request. Only this folder can make a [`Permit`].
//!
//! A new check is a file with its [`Check`], its line in [`CHECKS`] and its settings.

mod audience;
mod authorization_details;
mod binding;
mod check;
mod claims;
mod implications;
mod issuer;
mod origins;
mod require;
mod scopes;
mod settings;
mod step_up;
mod token_type;
mod validity;
mod value;
pub use check::{Case, Check, Compared, Finding};
pub use implications::{Circle, Implications};
pub use origins::AllowedOrigin;
pub use require::Condition;
pub use settings::{
    AuthMode, BindingMode, BindingSettings, ClaimDemand, PolicySettings, ServerDemands,
};

use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::proof::dpop::{Dpop, OnceOnly};
use crate::request::RequestView;
use crate::token::{ActiveFacts, Credential};
use std::cell::Cell;
use std::sync::Arc;

/// All checks, in the order of the contract (§3): the first demand that is not met names the
/// refusal.
const CHECKS: [&dyn Check; 10] = [
    &validity::Validity,
    &token_type::TokenType,
    &issuer::Issuer,
    &audience::Audience,
    &binding::Binding,
    &scopes::Scopes,
    &claims::ClaimDemands,
    &authorization_details::AuthorizationDetails,
    &require::Require,
    &step_up::StepUp,
];

/// The proof that a request may reach its upstream. Nothing outside this folder can make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit(Admission);

/// The outcome for a request that meets every demand: a permit, once its proof of possession is
/// found to be used for the first time.
#[derive(Debug)]
#[must_use]
pub struct MetDemands {
    permit: Permit,
    to_claim: Option<OnceOnly>,
}

impl MetDemands {
    /// The proof that must be claimed; `None` for a request without one.
    pub fn to_claim(&self) -> Option<OnceOnly> {
        self.to_claim
    }

    /// `claim`: the outcome of claiming the proof.
    pub fn claimed(self, claim: Result<(), Denial>) -> Result<Permit, Denial> {
        claim.map(|()| self.permit)
    }
}

/// The identity with which the request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// None: the route checks nothing, or lets this preflight pass.
    Unchecked,
    /// None: `auth: optional`, and the request had no token; or shadow mode, and it would have been
    /// refused.
    Anonymous,
    /// That of facts which met every demand.
    Identified,
}

impl Permit {
    pub fn admission(self) -> Admission {
        self.0
    }
}

/// The demands of one route.
#[derive(Clone, Debug)]
pub struct Policy {
    auth: AuthMode,
    demands: Arc<PolicySettings>,
    dpop: Arc<Dpop>,
}

impl Policy {
    /// `dpop`: the rules for proofs of possession, the same on all routes.
    pub fn new(auth: AuthMode, demands: impl Into<Arc<PolicySettings>>, dpop: Arc<Dpop>) -> Self {
        Self { auth, demands: demands.into(), dpop }
    }

    /// Whether only tokens with a proof of possession pass (`binding: {dpop: required}`).
    pub fn requires_dpop(&self) -> bool {
        self.auth != AuthMode::None && self.demands.binding.dpop == BindingMode::Required
    }

    /// Whether a proof of possession is of use (`binding: {dpop: …}` is not `off`).
    pub fn takes_dpop(&self) -> bool {
        self.auth != AuthMode::None && self.demands.binding.dpop != BindingMode::Off
    }

    /// Whether the site that a browser calls for may call (`origins`). This is asked first, also
    /// where no token is needed.
    pub fn admit_origin(&self, request: &RequestView<'_>) -> Result<(), Denial> {
        origins::check(&self.demands.origins, request.headers)
    }

    /// The result of [`Policy::admit_origin`]; `None` where nothing is demanded.
    pub fn origin_finding(&self, request: &RequestView<'_>) -> Option<Finding> {
        origins::finding(&self.demands.origins, request.headers)
    }

    /// The permit of a request that needs no token: the route checks nothing, or the request is a
    /// preflight that the route lets pass.
    pub fn unchecked(&self, preflight_to_pass: bool) -> Option<Permit> {
        (self.auth == AuthMode::None || preflight_to_pass).then_some(Permit(Admission::Unchecked))
    }

    /// A request without a token.
    pub fn anonymous(&self) -> Result<Permit, Denial> {
        match self.auth {
            AuthMode::Required => Err(Denial::because(Reason::MissingToken)),
            AuthMode::Optional | AuthMode::None => Ok(Permit(Admission::Anonymous)),
        }
    }

    /// The permit of a request that would be refused, in shadow mode alone. It carries no identity.
    /// An ambiguous request is refused all the same: the upstream could read it in another way.
    pub fn unenforced(&self, denial: &Denial) -> Option<Permit> {
        if self.demands.shadow && denial.reason != Reason::BadRequest {
            Some(Permit(Admission::Anonymous))
        } else {
            None
        }
    }

    /// `enforce: false`.
    pub fn is_shadow(&self) -> bool {
        self.demands.shadow
    }

    /// A request with a token that the authorization server calls active. `server`: the demands on
    /// each answer of that server.
    pub fn evaluate(
        &self,
        credential: Credential<'_>,
        facts: &ActiveFacts,
        request: &RequestView<'_>,
        server: &ServerDemands,
        now: Now,
    ) -> Result<MetDemands, Denial> {
        let (demands, dpop, to_claim) = (&*self.demands, &*self.dpop, &Cell::new(None));
        let case = Case { facts, request, credential, dpop, demands, server, now, to_claim };
        for check in CHECKS {
            check.check(&case)?;
        }
        Ok(MetDemands { permit: Permit(Admission::Identified), to_claim: to_claim.get() })
    }

    /// Whether a request that was permitted by `before` still meets every demand with newer facts.
    /// Its proof of possession was for its beginning (RFC 9449 §4.3): instead of a new one, the
    /// token must be bound as it was.
    pub fn still_holds(
        &self,
        before: &ActiveFacts,
        credential: Credential<'_>,
        facts: &ActiveFacts,
        request: &RequestView<'_>,
        server: &ServerDemands,
        now: Now,
    ) -> Result<(), Denial> {
        if facts.confirmation != before.confirmation {
            return Err(Denial::because(Reason::BindingDpop));
        }
        let (demands, dpop, to_claim) = (&*self.demands, &*self.dpop, &Cell::new(None));
        let case = Case { facts, request, credential, dpop, demands, server, now, to_claim };
        let mut rest = CHECKS.iter().filter(|check| check.name() != binding::Binding.name());
        rest.try_for_each(|check| check.check(&case))
    }

    /// The result of every check, in their order.
    pub fn findings(
        &self,
        credential: Credential<'_>,
        facts: &ActiveFacts,
        request: &RequestView<'_>,
        server: &ServerDemands,
        now: Now,
    ) -> Vec<Finding> {
        let (demands, dpop, to_claim) = (&*self.demands, &*self.dpop, &Cell::new(None));
        let case = Case { facts, request, credential, dpop, demands, server, now, to_claim };
        let finding = |check: &&dyn Check| Finding {
            check: check.name(),
            compared: check.compared(&case),
            outcome: check.check(&case),
        };
        CHECKS.iter().map(finding).collect()
    }

    /// The scopes that a client should ask for to get in.
    pub fn wanted_scopes(&self) -> impl Iterator<Item = &str> {
        self.demands.scopes.iter().chain(&self.demands.scopes_any).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;
    use crate::introspect::read_answer;
    use crate::proof::dpop::DpopSettings;
    use crate::request::Forwarded;
    use crate::token::{AccessToken, AuthScheme, ClaimPath, DigestKey, Facts};
    use http::HeaderMap;
    use serde_json::json;

    const NOW: Now = Now { wall: 1_000_000_000_000, mono: Mono::ZERO };

    fn outcome(policy: &Policy, answer: serde_json::Value) -> Result<Permit, Reason> {
        outcome_of(policy, &ServerDemands::default(), answer)
    }

    fn outcome_of(
        policy: &Policy,
        server: &ServerDemands,
        answer: serde_json::Value,
    ) -> Result<Permit, Reason> {
        match read_answer(answer.to_string().as_bytes()) {
            Ok(Facts::Active(facts)) => {
                let (headers, forwarded) = (HeaderMap::new(), Forwarded::default());
                let request = RequestView::bare(&headers, &forwarded);
                let token = AccessToken::parse(b"t", 1).map_err(|_| Reason::MalformedToken)?;
                let credential = Credential { token, scheme: AuthScheme::Bearer };
                policy
                    .evaluate(credential, &facts, &request, server, NOW)
                    .and_then(|passed| passed.claimed(Ok(())))
                    .map_err(|denial| denial.reason)
            }
            _ => Err(Reason::Inactive),
        }
    }

    fn policy(demands: PolicySettings) -> Policy {
        Policy::new(AuthMode::Required, demands, dpop())
    }

    fn dpop() -> Arc<Dpop> {
        Arc::new(Dpop::new(DpopSettings::default(), &DigestKey::random()))
    }

    const PERMIT: Result<Permit, Reason> = Ok(Permit(Admission::Identified));

    #[test]
    fn an_active_token_without_demands_is_permitted() {
        assert_eq!(outcome(&policy(PolicySettings::default()), json!({"active": true})), PERMIT);
    }

    #[test]
    fn the_first_unmet_demand_names_the_refusal() {
        let demands = PolicySettings {
            scopes: vec!["read".into()],
            audience: vec!["me".into()],
            claims: ClaimPath::parse("tier")
                .map(|path| ClaimDemand { path, allowed: vec!["gold".into()] })
                .into_iter()
                .collect(),
            ..PolicySettings::default()
        };
        let policy = policy(demands);
        let server = ServerDemands {
            issuer: Some("https://as".into()),
            require_issuer: true,
            audience: vec!["app".into()],
            client_id: Some("app".into()),
            ..ServerDemands::default()
        };
        let mut answer = json!({"active": true, "exp": 1, "token_type": "refresh_token", "iss": "https://other", "cnf": {"jkt": "x"}});
        for (member, good, reason) in [
            ("exp", json!(2_000_000_000), Reason::Expired),
            ("token_type", json!("Bearer"), Reason::TokenType),
            ("iss", json!("https://as"), Reason::Issuer),
            ("aud", json!(["you", "app"]), Reason::Audience),
            ("client_id", json!("app"), Reason::Audience),
            ("aud", json!(["app", "me"]), Reason::Audience),
            ("cnf", json!(null), Reason::BindingDpop),
            ("scope", json!("read write"), Reason::InsufficientScope),
            ("tier", json!("gold"), Reason::Claim),
        ] {
            assert_eq!(outcome_of(&policy, &server, answer.clone()), Err(reason), "{member}");
            answer[member] = good;
        }
        assert_eq!(outcome_of(&policy, &server, answer), PERMIT);
    }

    #[test]
    fn bound_tokens_are_refused_unless_the_route_permits_them() {
        const THUMBPRINT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
        let off = BindingMode::Off;
        let allowed = BindingSettings { dpop: off, mtls: off, allow_unbound_use: true };
        for (cnf, reason) in [
            (json!({"jkt": THUMBPRINT}), Reason::BindingDpop),
            (json!({"x5t#S256": THUMBPRINT}), Reason::BindingMtls),
            (json!({"new": 1}), Reason::BindingDpop),
            (json!({"jkt": THUMBPRINT, "new": 1}), Reason::BindingDpop),
            (json!("odd"), Reason::BindingDpop),
        ] {
            let answer = json!({"active": true, "cnf": cnf});
            assert_eq!(outcome(&policy(PolicySettings::default()), answer.clone()), Err(reason));
            assert_eq!(
                outcome(
                    &policy(PolicySettings { binding: allowed, ..PolicySettings::default() }),
                    answer
                ),
                PERMIT
            );
        }
    }

    #[test]
    fn no_token_is_anonymous_only_where_it_is_optional() {
        let anonymous = |auth| {
            let policy = Policy::new(auth, PolicySettings::default(), dpop());
            policy.anonymous().map_err(|denial| denial.reason)
        };
        assert_eq!(anonymous(AuthMode::Required), Err(Reason::MissingToken));
        assert_eq!(anonymous(AuthMode::Optional), Ok(Permit(Admission::Anonymous)));
    }
}
