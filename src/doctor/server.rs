//! Authorization servers: whether they can be reached, accept our credentials, agree with our
//! clock, and call a made-up token inactive.

use super::token_kind::suspicion;
use super::upstream::rounded;
use super::{DoctorReport, made_up, metadata};
use crate::introspect::{Credentials, Failure, FailureKind, Inquiry, ServerSettings, reach};
use crate::policy::{AuthMode, BindingMode, BindingSettings, Policy, PolicySettings};
use crate::proof::dpop::{Dpop, DpopSettings};
use crate::request::{Forwarded, RequestView};
use crate::runtime::CarriedOver;
use crate::secret::Secret;
use crate::token::{AccessToken, ActiveFacts, AuthScheme, Credential, Facts};
use http::HeaderMap;
use std::sync::Arc;
use std::time::Instant;
use url::Url;

/// Every endpoint is examined for itself, also those that are only asked when others fail.
pub async fn examine(
    server: &ServerSettings,
    parts: &CarriedOver,
    token: Option<AccessToken<'_>>,
    report: &mut DoctorReport<'_>,
) {
    let mut reached = true;
    for origin in server.origins() {
        reached &= examine_origin(server, &origin, parts, report).await;
    }
    if !reached {
        return report.note("its credentials were not tried, because it cannot be reached");
    }
    metadata::examine(server, parts, report).await;
    for one in server.one_by_one() {
        examine_answers(&one, parts, report).await;
    }
    if let Some(token) = token.filter(|token| server.tokens.takes(*token)) {
        examine_token(server, parts, token, report).await;
    }
}

/// Whether an HTTP server answers there, and its time.
async fn examine_origin(
    server: &ServerSettings,
    origin: &Url,
    parts: &CarriedOver,
    report: &mut DoctorReport<'_>,
) -> bool {
    let started = Instant::now();
    match reach(server, origin, &parts.clock).await {
        Ok(reached) => {
            report.good(format_args!("{origin}: reached in {:?}", rounded(started.elapsed())));
            match reached.ahead {
                None => report.note("clock: the server does not send its time"),
                Some(-2..=2) => report.good("clock: the server's and ours agree"),
                Some(ahead) => {
                    let (by, which) =
                        (ahead.unsigned_abs(), if ahead > 0 { "ahead of" } else { "behind" });
                    report.wrong(format_args!(
                        "clock: the server's is {by} s {which} ours; tokens end too early or too late by as much; let both machines keep time by NTP"
                    ));
                }
            }
            true
        }
        Err(failure) => {
            report.wrong(format_args!("{}", message(&failure)));
            false
        }
    }
}

async fn examine_answers(
    server: &ServerSettings,
    parts: &CarriedOver,
    report: &mut DoctorReport<'_>,
) {
    let profile = server.profile();
    match ask(server, parts, made_up::token(server)).await {
        Ok(Facts::Inactive) if profile.credentials == Credentials::Missing => report.note(
            "credentials: none are configured, and the server answers anyway: anyone who reaches it can test tokens (RFC 7662 §2.1 wants a client_auth)",
        ),
        Ok(Facts::Inactive) if profile.credentials == Credentials::NotNeeded => {
            report.good("it answers; a made-up token is inactive");
        }
        Ok(Facts::Inactive) => report.good("credentials: accepted; a made-up token is inactive"),
        Ok(Facts::Refused(_)) if profile.verification.is_some() => report.good("keys: there; a made-up token is refused"),
        Ok(Facts::Refused(refused)) => report.note(format_args!("a made-up token is refused without asking: {refused:?}")),
        Ok(Facts::Active(_)) => {
            report.wrong("it calls a made-up token active: it checks nothing, and every request would pass; is this the introspection endpoint?");
        }
        Err(failure) => report.wrong(message(&failure)),
    }
}

async fn examine_token(
    server: &ServerSettings,
    parts: &CarriedOver,
    token: AccessToken<'_>,
    report: &mut DoctorReport<'_>,
) {
    match ask(server, parts, token.to_secret()).await {
        Ok(Facts::Active(facts)) => {
            if let Some(why) = suspicion(server, &facts.claims.parse()) {
                report.note(format_args!(
                    "your token: this looks like a refresh or ID token ({why}); the server calls it active, and so a route keeps it out only by `scopes`, `audience` or `claims`"
                ));
            }
            // the token is not used here, so that nothing needs to prove its binding
            let (dpop, mtls) = (BindingMode::Off, BindingMode::Off);
            let binding = BindingSettings { dpop, mtls, allow_unbound_use: true };
            let proofs = Arc::new(Dpop::new(DpopSettings::default(), &parts.digest_key));
            let demanded = PolicySettings { binding, ..PolicySettings::default() };
            let policy = Policy::new(AuthMode::Required, demanded, proofs);
            let (headers, forwarded) = (HeaderMap::new(), Forwarded::default());
            let request = RequestView::bare(&headers, &forwarded);
            let credential = Credential { token, scheme: AuthScheme::Bearer };
            let (demands, now) = (server.demands(), parts.clock.now());
            match policy.evaluate(credential, &facts, &request, &demands, now) {
                Ok(_) => report.good(format_args!("your token: active; {}", shown(&facts, parts))),
                Err(denial) => {
                    let reason = denial.reason.as_str();
                    report.wrong(format_args!("your token: active, and yet refused on every route: {reason}; {}", shown(&facts, parts)));
                }
            }
        }
        Ok(Facts::Inactive) => {
            report.wrong("your token: inactive: expired, revoked, of another server, or the server does not let us see it")
        }
        Ok(Facts::Refused(refused)) => report.wrong(format_args!("your token: refused: {refused:?}")),
        Err(failure) => report.wrong(format_args!("your token: {}", message(&failure))),
    }
}

async fn ask(
    server: &ServerSettings,
    parts: &CarriedOver,
    token: Secret,
) -> Result<Facts, Failure> {
    let unusable = |error: crate::introspect::UnusableSettings| {
        Failure::new(FailureKind::Unavailable, error.to_string())
    };
    let introspector = parts.introspector(server, None).map_err(unusable)?;
    let inquiry = Inquiry { token, forwarded: None };
    let late = || {
        Failure::new(
            FailureKind::Timeout,
            format!("no answer within timeout ({:?})", server.timeout),
        )
    };
    tokio::time::timeout(server.timeout, introspector.introspect(&inquiry))
        .await
        .unwrap_or_else(|_| Err(late()))
}

fn message(failure: &Failure) -> String {
    format!("{}: {}", failure.kind.reason().as_str(), failure.detail)
}

/// The facts that routes may demand, as text.
fn shown(facts: &ActiveFacts, parts: &CarriedOver) -> String {
    let text = |name: &str, value: Option<&str>| value.map(|value| format!("{name} {value:?}"));
    let ends = facts.expires_at.map_or("without exp".to_owned(), |at| {
        match at - parts.clock.now().unix_seconds() {
            left if left > 0 => format!("ends in {left} s"),
            past => format!("ended {} s ago", -past),
        }
    });
    let list = |name: &str, items: Vec<&str>| {
        (!items.is_empty()).then(|| format!("{name} {:?}", items.join(" ")))
    };
    [
        text("sub", facts.subject()),
        text("client_id", facts.client_id()),
        text("iss", facts.issuer()),
        list("aud", facts.audience().collect()),
        list("scope", facts.scopes().iter().collect()),
        Some(ends),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(", ")
}
