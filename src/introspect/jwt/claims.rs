//! The claims of a token whose signature holds (RFC 7519 §4.1, RFC 9068 §2.2 and §4).

use super::JwtFlaw;
use super::settings::{JwtSettings, TENANT};
use crate::introspect::answer::active_facts;
use crate::token::{ActiveFacts, RefusedLocally};
use serde_json::{Map, Value};

const fn refused(refused: RefusedLocally, why: &'static str) -> JwtFlaw {
    JwtFlaw { refused, why }
}

/// Demands of the server's settings on the claims; those of routes come later, on every request.
/// `key_issuer` is the issuer whose tokens the key may sign, if its publisher restricts it.
pub fn check(
    claims: &Map<String, Value>,
    settings: &JwtSettings,
    key_issuer: Option<&str>,
    now: i64,
) -> Result<(), JwtFlaw> {
    let leeway = seconds(settings);
    if claims.contains_key("events") {
        // RFC 8417 §4.2, with any `typ`
        return Err(JwtFlaw::invalid(
            "it has `events`: it is a security event, such as a logout, and not an access token",
        ));
    }
    let expires = time(claims, "exp")?.ok_or(JwtFlaw::invalid("it has no `exp`"))?;
    let starts = time(claims, "nbf")?;
    time(claims, "iat")?;
    if settings.is_rfc9068() {
        for name in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
            if claims.get(name).is_none_or(Value::is_null) {
                return Err(JwtFlaw::invalid(
                    "it lacks a claim that RFC 9068 §2.2 requires: iss, exp, aud, sub, client_id, iat and jti",
                ));
            }
        }
    }
    for name in ["iss", "sub", "jti", "client_id", "azp", "appid", "tid"] {
        if claims.get(name).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return Err(JwtFlaw::invalid(
                "one of iss, sub, jti, client_id, azp, appid and tid is not a text",
            ));
        }
    }
    if expires.saturating_add(leeway) <= now {
        return Err(refused(RefusedLocally::Expired, "it has expired"));
    }
    if starts.is_some_and(|starts| starts.saturating_sub(leeway) > now) {
        return Err(refused(
            RefusedLocally::NotYetValid,
            "its `nbf` is in the future; look at the clocks",
        ));
    }
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let iss = text("iss").ok_or(refused(RefusedLocally::Issuer, "it has no `iss`"))?;
    if !settings.issuer.is(iss, text("tid")) {
        return Err(refused(
            RefusedLocally::Issuer,
            "its `iss` is not the configured issuer, or not one of the configured tenants",
        ));
    }
    if key_issuer.is_some_and(|wanted| {
        wanted != iss && text("tid").is_none_or(|tid| wanted.replace(TENANT, tid) != iss)
    }) {
        return Err(refused(
            RefusedLocally::Issuer,
            "the key that signed it is published for the tokens of another issuer",
        ));
    }
    audience(claims)?;
    if !settings.audience.is_empty() && !is_for(claims, &settings.audience) {
        return Err(refused(RefusedLocally::Audience, "its `aud` is none of the configured ones"));
    }
    Ok(())
}

/// The facts of the claims, as members of RFC 7662.
pub fn facts(
    claims: &mut Map<String, Value>,
    settings: &JwtSettings,
) -> Result<ActiveFacts, JwtFlaw> {
    let is_there =
        |claims: &Map<String, Value>, name: &str| claims.get(name).is_some_and(Value::is_string);
    if !is_there(claims, "client_id") {
        // OpenID Connect's name, and Microsoft's of version 1
        let client_id = ["azp", "appid"]
            .into_iter()
            .find(|name| is_there(claims, name))
            .and_then(|name| claims.get(name))
            .cloned();
        claims.extend(client_id.map(|client_id| ("client_id".to_owned(), client_id)));
    }
    let mut facts = active_facts(claims)
        .map_err(|_| JwtFlaw::invalid("`scope`, `scp` or another claim is of the wrong type"))?;
    facts.leeway = seconds(settings);
    Ok(facts)
}

fn seconds(settings: &JwtSettings) -> i64 {
    i64::try_from(settings.leeway.as_secs()).unwrap_or(i64::MAX)
}

/// RFC 7519 §2: a NumericDate is a JSON number, and never a text.
pub fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<i64>, JwtFlaw> {
    match claims.get(name) {
        None => Ok(None),
        #[allow(clippy::cast_possible_truncation)] // `as` saturates here, which is what is wanted
        Some(Value::Number(number)) => {
            Ok(number.as_i64().or_else(|| number.as_f64().map(|seconds| seconds.floor() as i64)))
        }
        Some(_) => Err(JwtFlaw::invalid("`exp`, `nbf` or `iat` is not a number")),
    }
}

/// Whether `aud` is one of these, or contains one of them; an `aud` of another type does not.
pub fn is_for(claims: &Map<String, Value>, ours: &[String]) -> bool {
    audience(claims).is_ok_and(|theirs| ours.iter().any(|ours| theirs.contains(&ours.as_str())))
}

fn audience(claims: &Map<String, Value>) -> Result<Vec<&str>, JwtFlaw> {
    const WRONG: JwtFlaw = JwtFlaw::invalid("`aud` is neither a text nor a list of texts");
    match claims.get("aud") {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(text)) => Ok(vec![text]),
        Some(Value::Array(items)) => items.iter().map(|item| item.as_str().ok_or(WRONG)).collect(),
        Some(_) => Err(WRONG),
    }
}
