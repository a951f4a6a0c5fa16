//! The token that carries an event (RFC 8417 §2.2), apart from its signature.

use super::kind::EventKind;
use super::streams::StreamStatus;
use super::subject::{self, Speaker};
use super::{Code, Delivery, LEEWAY, Notice, Refusal};
use crate::cache::PurgeSelector;
use crate::introspect::EventSettings;
use crate::introspect::jwt::{JwsHeader, is_for, time};
use serde_json::{Map, Value};

/// RFC 8417 §2.3: an event declares its type. Logout tokens should, and older providers do not;
/// they are known by their `events`.
pub fn check_type(header: &JwsHeader, delivery: Delivery) -> Result<(), Refusal> {
    match (delivery, header.typ.as_deref()) {
        (Delivery::Push | Delivery::Poll, Some("secevent+jwt"))
        | (Delivery::Logout, None | Some("logout+jwt" | "jwt")) => Ok(()),
        (Delivery::Push | Delivery::Poll, _) => {
            Err(Refusal::invalid("its `typ` is not `secevent+jwt`"))
        }
        (Delivery::Logout, _) => Err(Refusal::invalid("its `typ` is not `logout+jwt`")),
    }
}

/// Demands on the claims that every event has.
pub fn check_claims(
    claims: &Map<String, Value>,
    settings: &EventSettings,
    delivery: Delivery,
    now: i64,
) -> Result<(), Refusal> {
    let leeway = seconds(LEEWAY.as_secs());
    let time = |name: &str| time(claims, name).map_err(|flaw| Refusal::invalid(flaw.why));
    if !is_for(claims, &settings.audience) {
        return Err(Refusal::new(Code::InvalidAudience, "its `aud` is not this gateway"));
    }
    if claims.get("jti").and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(Refusal::invalid("it has no `jti`"));
    }
    let issued = time("iat")?.ok_or_else(|| Refusal::invalid("it has no `iat`"))?;
    if issued.saturating_sub(leeway) > now {
        return Err(Refusal::invalid("its `iat` is in the future; look at the clocks"));
    }
    // a transmitter keeps events for a poller that was away, and they are still true; who sent a
    // polled event is known without its age
    if delivery != Delivery::Poll
        && issued.saturating_add(seconds(settings.max_age.as_secs())).saturating_add(leeway) < now
    {
        return Err(Refusal::invalid("it was issued too long ago"));
    }
    if time("exp")?.is_some_and(|ends| ends.saturating_add(leeway) <= now) {
        return Err(Refusal::invalid("it has expired"));
    }
    if time("nbf")?.is_some_and(|starts| starts.saturating_sub(leeway) > now) {
        return Err(Refusal::invalid("its `nbf` is in the future; look at the clocks"));
    }
    Ok(())
}

/// The events that the token states.
pub struct StatedEvents<'c>(Vec<(EventKind, &'c Map<String, Value>)>);

pub fn stated_events(
    claims: &Map<String, Value>,
    delivery: Delivery,
) -> Result<StatedEvents<'_>, Refusal> {
    let events = claims.get("events").ok_or_else(|| Refusal::invalid("it has no `events`"))?;
    let events = events.as_object().filter(|events| !events.is_empty());
    let events = events
        .ok_or_else(|| Refusal::invalid("`events` is not an object with at least one member"))?;
    let read = |(uri, payload): (&String, _)| {
        let payload = Value::as_object(payload)?;
        Some((EventKind::from_uri(uri, payload), payload))
    };
    let stated: Option<Vec<_>> = events.iter().map(read).collect();
    let stated = StatedEvents(
        stated.ok_or_else(|| Refusal::invalid("a member of `events` is not an object"))?,
    );
    let logout = stated.kinds().contains(&EventKind::Logout);
    if delivery == Delivery::Logout && !logout {
        return Err(Refusal::invalid("`events` has no member for back-channel logout"));
    }
    // Back-Channel Logout 1.0 §2.4: so that no ID token is taken for a logout token, nor the other
    // way
    if logout && claims.contains_key("nonce") {
        return Err(Refusal::invalid("it has a `nonce`, which a logout token must not"));
    }
    Ok(stated)
}

impl StatedEvents<'_> {
    pub fn kinds(&self) -> Vec<EventKind> {
        self.0.iter().map(|(kind, _)| *kind).collect()
    }

    /// Statements about the stream itself. A status outside SSF 1.0 §8.1.2 is ignored.
    pub fn notices(&self) -> Vec<Notice> {
        let text = |payload: &Map<String, Value>, name: &str| {
            payload.get(name).and_then(Value::as_str).map(printable)
        };
        let notice = |(kind, payload): &(EventKind, &Map<String, Value>)| match kind {
            EventKind::Verification => Some(Notice::Verified { state: text(payload, "state") }),
            EventKind::StreamUpdated => {
                let status = StreamStatus::from_word(payload.get("status")?.as_str()?)?;
                Some(Notice::Updated { status, reason: text(payload, "reason") })
            }
            _ => None,
        };
        self.0.iter().filter_map(notice).collect()
    }

    /// Whose answers are to be forgotten. Several events in one token are about the same subject
    /// (RFC 8417 §2.2).
    pub fn named(
        &self,
        claims: &Map<String, Value>,
        speaker: &Speaker<'_>,
    ) -> Result<Vec<PurgeSelector>, Refusal> {
        let mut named: Option<Vec<PurgeSelector>> = None;
        for (kind, payload) in self.0.iter().filter(|(kind, _)| kind.forgets()) {
            let of_event = subject::named(*kind, claims, payload, speaker)?;
            if named.as_ref().is_some_and(|named| *named != of_event) {
                return Err(Refusal::invalid("it names several subjects that are not the same"));
            }
            named = Some(of_event);
        }
        Ok(named.unwrap_or_default())
    }
}

/// A transmitter's text as a log may show it.
pub fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// `jti` of an event whose claims are checked.
pub fn token_id(claims: &Map<String, Value>) -> String {
    claims.get("jti").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// RFC 8417 §2.2: a `jti` is unique for its issuer.
pub fn id(issuer: &str, claims: &Map<String, Value>) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(issuer.len() as u64).to_le_bytes()).update(issuer.as_bytes());
    hasher.update(claims.get("jti").and_then(Value::as_str).unwrap_or_default().as_bytes());
    *hasher.finalize().as_bytes()
}

fn seconds(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
