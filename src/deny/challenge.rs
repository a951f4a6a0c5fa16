//! `WWW-Authenticate` (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3, RFC 9728 §5.1, RFC 9110 §11.6.1).

use super::{ChallengeKind, Denial, Reason};
use crate::token::AuthScheme;
use http::HeaderValue;
use std::fmt::Write as _;
use std::sync::Arc;

/// The parameters of a route's challenges, made once at load.
#[derive(Clone, Debug, Default)]
pub struct Challenge {
    realm: Box<str>,
    /// The scopes that the route needs, separated by spaces; empty: none.
    scope: Box<str>,
    login: LoginDemand,
    dpop: DpopDemand,
    /// The URL of the metadata of the route's resource; empty: it has none.
    resource_metadata: Box<str>,
}

/// The proofs of possession that a route takes (RFC 9449 §7.1).
#[derive(Clone, Debug, Default)]
pub struct DpopDemand {
    /// The algorithms that proofs may have, separated by spaces.
    pub algorithms: Arc<str>,
    /// Whether proofs are of use on the route.
    pub accepted: bool,
    /// Whether no token passes without one.
    pub required: bool,
}

/// The login that a route needs (RFC 9470 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoginDemand {
    /// `acr` must be one of these, unless empty.
    pub acr_values: Vec<String>,
    /// Seconds since the user's last login, at most.
    pub max_age: Option<u64>,
}

impl LoginDemand {
    pub fn demands_anything(&self) -> bool {
        !self.acr_values.is_empty() || self.max_age.is_some()
    }
}

impl Challenge {
    /// The arguments come from a checked configuration; characters that could end a quoted string
    /// are left out all the same.
    pub fn new<'a>(realm: &str, scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let scopes: Vec<&str> = scopes.into_iter().collect();
        Self {
            realm: quotable(realm).into(),
            scope: quotable(&scopes.join(" ")).into(),
            login: LoginDemand::default(),
            dpop: DpopDemand::default(),
            resource_metadata: Box::default(),
        }
    }

    /// With the login that the route needs.
    pub fn with_login(self, login: &LoginDemand) -> Self {
        Self { login: login.clone(), ..self }
    }

    /// With the proofs of possession that the route takes.
    pub fn with_dpop(self, dpop: DpopDemand) -> Self {
        Self { dpop, ..self }
    }

    /// With the URL of the metadata of the route's resource (RFC 9728 §5.1).
    pub fn with_resource_metadata(self, url: &str) -> Self {
        Self { resource_metadata: quotable(url).into(), ..self }
    }

    /// The header's value, where the reason wants one.
    pub fn for_denial(&self, denial: &Denial) -> Option<HeaderValue> {
        let kind = denial.reason.challenge();
        if kind == ChallengeKind::None {
            return None;
        }
        let scheme = self.scheme(denial);
        let mut value = match scheme {
            AuthScheme::Bearer => Parameters::begin("Bearer", &self.realm),
            AuthScheme::Dpop => Parameters::begin("DPoP", &self.realm),
        };
        if let Some(error) = denial.oauth_error() {
            value.add("error", error);
            value.add("error_description", denial.sentence());
        }
        if scheme == AuthScheme::Dpop {
            value.add_unless_empty("algs", &self.dpop.algorithms);
        }
        match kind {
            ChallengeKind::Invitation | ChallengeKind::Scope => {
                value.add_unless_empty("scope", &self.scope);
            }
            ChallengeKind::Login => {
                value.add_unless_empty("acr_values", &quotable(&self.login.acr_values.join(" ")));
                if let Some(max_age) = self.login.max_age {
                    value.add("max_age", &max_age.to_string());
                }
            }
            ChallengeKind::None | ChallengeKind::Error | ChallengeKind::Realm => {}
        }
        value.add_unless_empty("resource_metadata", &self.resource_metadata);
        HeaderValue::try_from(value.0).ok()
    }

    /// `DPoP` where the route demands it, where the client used it, or where the refusal is about
    /// a proof.
    fn scheme(&self, denial: &Denial) -> AuthScheme {
        let about_a_proof = denial.reason == Reason::BindingDpop;
        if self.dpop.required
            || self.dpop.accepted && (about_a_proof || denial.scheme == AuthScheme::Dpop)
        {
            AuthScheme::Dpop
        } else {
            AuthScheme::Bearer
        }
    }
}

/// A scheme and its parameters, each value in quotes.
struct Parameters(String);

impl Parameters {
    fn begin(scheme: &str, realm: &str) -> Self {
        Self(format!("{scheme} realm=\"{realm}\""))
    }

    /// `value` has no quote and no backslash.
    fn add(&mut self, name: &str, value: &str) {
        let _ = write!(self.0, ", {name}=\"{value}\""); // writing to memory does not fail
    }

    fn add_unless_empty(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.add(name, value);
        }
    }
}

fn quotable(text: &str) -> String {
    text.chars().filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(reason: Reason) -> Option<String> {
        let login =
            LoginDemand { acr_values: vec!["gold".into(), "silver".into()], max_age: Some(300) };
        let challenge = Challenge::new("introgate", ["read", "write"]).with_login(&login);
        let value = challenge.for_denial(&Denial::because(reason))?;
        value.to_str().map(str::to_owned).ok()
    }

    #[test]
    fn rfc6750_section_3() {
        assert_eq!(
            value(Reason::MissingToken).as_deref(),
            Some(r#"Bearer realm="introgate", scope="read write""#)
        );
        assert_eq!(
            value(Reason::InsufficientScope).as_deref(),
            Some(concat!(
                r#"Bearer realm="introgate", error="insufficient_scope", "#,
                r#"error_description="The access token does not have the required scope.", scope="read write""#
            ))
        );
        assert_eq!(value(Reason::Claim).as_deref(), Some(r#"Bearer realm="introgate""#));
        assert_eq!(value(Reason::AsUnavailable), None);
        assert_eq!(value(Reason::NoRoute), None);
    }

    #[test]
    fn rfc9470_section_3() {
        assert_eq!(
            value(Reason::StepUp).as_deref(),
            Some(concat!(
                r#"Bearer realm="introgate", error="insufficient_user_authentication", "#,
                r#"error_description="A stronger or more recent login is required.", "#,
                r#"acr_values="gold silver", max_age="300""#
            ))
        );
    }

    #[test]
    fn every_refusal_of_a_token_is_a_challenge_with_a_realm() {
        for reason in Reason::ALL {
            let challenged =
                value(reason).is_some_and(|value| value.starts_with("Bearer realm=\"introgate\""));
            let of_a_token = reason.oauth_error().is_some()
                || matches!(
                    reason,
                    Reason::MissingToken
                        | Reason::Claim
                        | Reason::AuthorizationDetails
                        | Reason::Require
                );
            assert_eq!(challenged, of_a_token, "{reason:?}");
        }
    }

    #[test]
    fn rfc9449_section_7_1() {
        let challenge = |accepted, required| {
            let dpop = DpopDemand { algorithms: "ES256 PS256".into(), accepted, required };
            Challenge::new("introgate", ["read"]).with_dpop(dpop)
        };
        let value = |challenge: &Challenge, denial: &Denial| {
            challenge.for_denial(denial).and_then(|value| value.to_str().map(str::to_owned).ok())
        };
        let missing = Denial::because(Reason::MissingToken);
        let dpop = r#"DPoP realm="introgate", algs="ES256 PS256", scope="read""#;
        assert_eq!(value(&challenge(true, true), &missing).as_deref(), Some(dpop));
        let bearer = r#"Bearer realm="introgate", scope="read""#;
        assert_eq!(value(&challenge(true, false), &missing).as_deref(), Some(bearer));

        let proof = Denial::with_detail(Reason::BindingDpop, "No.").with_error("use_dpop_nonce");
        let refused = r#"DPoP realm="introgate", error="use_dpop_nonce", error_description="No.", algs="ES256 PS256""#;
        assert_eq!(value(&challenge(true, false), &proof).as_deref(), Some(refused));
        let inactive = Denial { scheme: AuthScheme::Dpop, ..Denial::because(Reason::Inactive) };
        for (challenge, scheme) in [
            (challenge(true, true), "DPoP realm"),
            (challenge(true, false), "DPoP realm"),
            (challenge(false, false), "Bearer realm"),
        ] {
            assert!(value(&challenge, &inactive).is_some_and(|value| value.starts_with(scheme)));
        }
    }

    #[test]
    fn rfc9728_section_5_1_in_every_challenge() {
        let url = "https://a/.well-known/oauth-protected-resource";
        let dpop = DpopDemand { accepted: true, ..DpopDemand::default() };
        let challenge = Challenge::new("r", ["read"]).with_dpop(dpop).with_resource_metadata(url);
        for reason in Reason::ALL {
            for scheme in [AuthScheme::Bearer, AuthScheme::Dpop] {
                let denial = Denial { scheme, ..Denial::because(reason) };
                let Some(value) = challenge.for_denial(&denial) else { continue };
                let value = value.to_str().map(str::to_owned).unwrap_or_default();
                let parameter = format!(", resource_metadata=\"{url}\"");
                assert!(value.ends_with(&parameter), "{reason:?}: {value}");
            }
        }
    }

    #[test]
    fn nothing_ends_the_quoted_string() {
        let login = LoginDemand { acr_values: vec!["g\"o\\ld".into()], max_age: None };
        let challenge = Challenge::new("a\"b\\c\r\nd\u{e9}", ["x\"y"]).with_login(&login);
        let of = |reason| {
            let value = challenge.for_denial(&Denial::because(reason))?;
            value.to_str().map(str::to_owned).ok()
        };
        assert_eq!(of(Reason::MissingToken).as_deref(), Some(r#"Bearer realm="abcd", scope="xy""#));
        assert!(of(Reason::StepUp).is_some_and(|value| value.ends_with(r#", acr_values="gold""#)));
    }
}
