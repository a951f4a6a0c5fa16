//! What a route demands of the facts. Only this folder can make a [`Permit`].

mod audience;
mod claims;
mod issuer;
mod scopes;
mod settings;
mod validity;

pub use settings::{AuthMode, ClaimDemand, PolicySettings, ServerDemands};

use crate::clock::Now;
use crate::deny::{Denial, Reason};
use crate::token::{ActiveFacts, Confirmation};

/// The proof that a request may reach its upstream. Nothing outside this folder can make one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit(Admission);

/// As whom the request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The route checks nothing, or this is a preflight that it passes.
    Unchecked,
    /// `auth: optional`, and the request carried no token.
    Anonymous,
    /// With facts that met every demand.
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
    demands: PolicySettings,
}

impl Policy {
    pub fn new(auth: AuthMode, demands: PolicySettings) -> Self {
        Self { auth, demands }
    }

    /// A request that needs no token at all: the route says so, or it is a preflight to be passed.
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

    /// A request with a token that the authorization server calls active; `server`: what this
    /// server's answers must say. The order is part of the contract: the first demand that is not
    /// met names the refusal.
    pub fn evaluate(
        &self,
        facts: &ActiveFacts,
        server: &ServerDemands,
        now: Now,
    ) -> Result<Permit, Denial> {
        validity::check(facts, now)?;
        if facts.refresh_token {
            return Err(Denial::because(Reason::TokenType));
        }
        issuer::check(facts, server.issuer.as_deref(), server.require_issuer)?;
        audience::check(facts, &server.audience)?;
        audience::check_client(facts, server.client_id.as_deref())?;
        audience::check(facts, &self.demands.audience)?;
        self.binding(facts)?;
        scopes::check(facts.scopes(), &self.demands)?;
        claims::check(facts, &self.demands.claims)?;
        Ok(Permit(Admission::Identified))
    }

    /// A bound token whose proof is not checked is worth what a stolen one is: refused, unless the
    /// route says otherwise.
    fn binding(&self, facts: &ActiveFacts) -> Result<(), Denial> {
        match facts.confirmation {
            Confirmation::None => Ok(()),
            _ if self.demands.allow_unbound_use => Ok(()),
            Confirmation::Mtls => Err(Denial::because(Reason::BindingMtls)),
            Confirmation::Dpop | Confirmation::Other => Err(Denial::because(Reason::BindingDpop)),
        }
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
    use crate::token::{ClaimPath, Facts};
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
                policy.evaluate(&facts, server, NOW).map_err(|denial| denial.reason)
            }
            _ => Err(Reason::Inactive),
        }
    }

    fn policy(demands: PolicySettings) -> Policy {
        Policy::new(AuthMode::Required, demands)
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
    fn bound_tokens_are_refused_unless_the_route_says_otherwise() {
        for (cnf, reason) in [
            (json!({"jkt": "x"}), Reason::BindingDpop),
            (json!({"x5t#S256": "x"}), Reason::BindingMtls),
            (json!({"new": 1}), Reason::BindingDpop),
            (json!("odd"), Reason::BindingDpop),
        ] {
            let answer = json!({"active": true, "cnf": cnf});
            assert_eq!(outcome(&policy(PolicySettings::default()), answer.clone()), Err(reason));
            assert_eq!(
                outcome(
                    &policy(PolicySettings {
                        allow_unbound_use: true,
                        ..PolicySettings::default()
                    }),
                    answer
                ),
                PERMIT
            );
        }
    }

    #[test]
    fn no_token_is_anonymous_only_where_it_is_optional() {
        let anonymous = |auth| {
            Policy::new(auth, PolicySettings::default()).anonymous().map_err(|denial| denial.reason)
        };
        assert_eq!(anonymous(AuthMode::Required), Err(Reason::MissingToken));
        assert_eq!(anonymous(AuthMode::Optional), Ok(Permit(Admission::Anonymous)));
    }
}
