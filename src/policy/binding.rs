//! `cnf` (RFC 7800): a bound token needs the proof of its binding in each request. Without it, a
//! stolen token is worth as much as the real one.

use super::check::{Case, Check, Compared};
use super::settings::BindingMode;
use crate::deny::{Denial, Reason};
use crate::proof::dpop::{Expected, HttpUrl, OnceOnly, ProofFlaw};
use crate::proof::mtls;
use crate::token::{AuthScheme, BoundKeys, Confirmation, Thumbprint};

pub struct Binding;

impl Check for Binding {
    fn name(&self) -> &'static str {
        "binding"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        let bound = match &case.facts.confirmation {
            Confirmation::None => BoundKeys::default(),
            Confirmation::Bound(bound) => **bound,
            Confirmation::Unknown { .. } if case.demands.binding.allow_unbound_use => {
                return Ok(());
            }
            Confirmation::Unknown { certificate: true } => {
                return Err(Denial::with_detail(Reason::BindingMtls, UNKNOWN));
            }
            Confirmation::Unknown { certificate: false } => return Err(refused(UNKNOWN)),
        };
        // the cheaper one first
        certificate(case, bound.certificate)?;
        let once = dpop(case, bound.key)?;
        case.to_claim.set(once);
        Ok(())
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let binding = &case.demands.binding;
        let found = match &case.facts.confirmation {
            Confirmation::None => "a token without binding".to_owned(),
            Confirmation::Unknown { .. } => "a token with an unknown binding".to_owned(),
            Confirmation::Bound(bound) => {
                let kinds = [
                    bound.key.map(|key| format!("the DPoP key {key}")),
                    bound.certificate.map(|digest| format!("the client certificate {digest}")),
                ];
                let kinds: Vec<String> = kinds.into_iter().flatten().collect();
                format!("a token bound to {}", kinds.join(" and to "))
            }
        };
        let unbound = if binding.allow_unbound_use { ", allow_unbound_use" } else { "" };
        let demanded = format!("dpop {}, mtls {}{unbound}", binding.dpop, binding.mtls);
        Some(Compared::new(demanded, found))
    }
}

const UNKNOWN: &str = "The access token has a binding that cannot be checked.";
const UNBOUND: &str = "The access token is not bound to a DPoP key.";
const BEARER: &str = "An access token that is bound to a DPoP key needs the scheme DPoP.";
const OTHER_KEY: &str = "The DPoP proof was made with another key than the access token is for.";
const DPOP_OFF: &str = "An access token that is bound to a DPoP key is not accepted here.";

/// `key`: the one that the token is bound to. Gives the proof that must be claimed.
fn dpop(case: &Case<'_>, key: Option<Thumbprint>) -> Result<Option<OnceOnly>, Denial> {
    let binding = &case.demands.binding;
    let mode = binding.dpop;
    let Some(key) = key else {
        // RFC 9449 §7.1: the scheme claims a binding that the server does not confirm
        let claims_to_be = case.credential.scheme == AuthScheme::Dpop;
        return match mode {
            BindingMode::Required => Err(refused(UNBOUND)),
            BindingMode::Off | BindingMode::WhenBound if claims_to_be => Err(refused(UNBOUND)),
            BindingMode::Off | BindingMode::WhenBound => Ok(None),
        };
    };
    match (mode, case.credential.scheme) {
        (BindingMode::Off, _) if binding.allow_unbound_use => return Ok(None),
        (BindingMode::Off, _) => return Err(refused(DPOP_OFF)),
        (BindingMode::WhenBound, AuthScheme::Bearer) if binding.allow_unbound_use => {
            return Ok(None);
        }
        (_, AuthScheme::Bearer) => return Err(refused(BEARER)),
        (_, AuthScheme::Dpop) => {}
    }
    let url = HttpUrl::target(case.request);
    let expected = Expected {
        method: case.request.method,
        url: url.as_ref(),
        token: case.credential.token,
        now: case.now,
    };
    let proof = case.dpop.check(case.request.headers, &expected).map_err(bad_proof)?;
    if proof.thumbprint != key {
        return Err(refused(OTHER_KEY));
    }
    Ok(Some(proof.once))
}

/// The token may not be used like this (`invalid_token`).
fn refused(detail: &'static str) -> Denial {
    Denial::with_detail(Reason::BindingDpop, detail)
}

fn bad_proof(flaw: ProofFlaw) -> Denial {
    refused(flaw.sentence()).with_error(flaw.oauth_error())
}

const NOT_CERTIFIED: &str = "The access token is not bound to a client certificate.";
const MTLS_OFF: &str =
    "An access token that is bound to a client certificate is not accepted here.";
const NO_CERTIFICATE: &str = "The request does not come with a client certificate.";
const OTHER_CERTIFICATE: &str = "The access token is bound to another client certificate.";

/// `bound`: the certificate that the token is bound to (RFC 8705 §3).
fn certificate(case: &Case<'_>, bound: Option<Thumbprint>) -> Result<(), Denial> {
    let (mode, unbound) = (case.demands.binding.mtls, case.demands.binding.allow_unbound_use);
    let refused = |detail| Err(Denial::with_detail(Reason::BindingMtls, detail));
    let Some(bound) = bound else {
        return match mode {
            BindingMode::Off | BindingMode::WhenBound => Ok(()),
            BindingMode::Required => refused(NOT_CERTIFIED),
        };
    };
    if mode == BindingMode::Off {
        return if unbound { Ok(()) } else { refused(MTLS_OFF) };
    }
    match mtls::presented(case.request) {
        Some(presented) if presented == bound => Ok(()),
        Some(_) => refused(OTHER_CERTIFICATE),
        None if unbound && mode == BindingMode::WhenBound => Ok(()),
        None => refused(NO_CERTIFICATE),
    }
}
