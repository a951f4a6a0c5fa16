//! The statements of an authorization server about a token.

use super::json::member;
use super::shared_text::Span;
use super::{Claims, Confirmation, ScopeSet};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// The outcome of one introspection.
#[derive(Debug)]
pub enum Facts {
    /// The token is good; its members.
    Active(Box<ActiveFacts>),
    /// Expired, revoked, never issued: the server does not say (RFC 7662 §2.2).
    Inactive,
    /// Rejected here, without a call.
    Refused(RefusedLocally),
}

/// Why a token that is checked here is worth nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusedLocally {
    /// Not a JWT that can be verified.
    InvalidJwt,
    /// Signed, if at all, with a key that is not known: it may become known.
    UnknownKey,
    Expired,
    NotYetValid,
    Issuer,
    Audience,
}

impl RefusedLocally {
    /// Whether the same token will be refused for as long as the settings are the same.
    pub fn is_lasting(self) -> bool {
        !matches!(self, Self::UnknownKey | Self::NotYetValid)
    }
}

/// The members that decisions need, read once (RFC 7662 §2.2), and the whole answer. Texts in them
/// are slices of the answer's own text: a cache keeps a million of these.
#[derive(Debug)]
pub struct ActiveFacts {
    scopes: Option<Span>,
    subject: Option<Span>,
    client_id: Option<Span>,
    issuer: Option<Span>,
    token_id: Option<Span>,
    actor: Option<Span>,
    audience: Box<[Span]>,
    /// `exp`, seconds since the Unix epoch.
    pub expires_at: Option<i64>,
    /// `nbf`, seconds since the Unix epoch.
    pub not_before: Option<i64>,
    /// `iat`, seconds since the Unix epoch.
    pub issued_at: Option<i64>,
    /// Seconds by which the clock of the issuer of `exp` and `nbf` may differ from ours.
    pub leeway: i64,
    /// This is a refresh token by the answer's `token_type` or `token_use`.
    pub refresh_token: bool,
    pub confirmation: Confirmation,
    pub claims: Claims,
}

/// The values read from an answer's members.
#[derive(Debug, Default)]
pub struct StatedValues<'a> {
    /// As [`ScopeSet::joined`] or [`ScopeSet::of_members`] makes it.
    pub scopes: Cow<'a, str>,
    pub subject: Option<Cow<'a, str>>,
    pub client_id: Option<Cow<'a, str>>,
    pub issuer: Option<Cow<'a, str>>,
    pub token_id: Option<Cow<'a, str>>,
    pub audience: Vec<&'a str>,
    pub expires_at: Option<i64>,
    pub not_before: Option<i64>,
    pub issued_at: Option<i64>,
    pub leeway: i64,
    pub refresh_token: bool,
    pub confirmation: Confirmation,
}

impl ActiveFacts {
    /// `stated` was read from `members`.
    pub fn new(members: &Map<String, Value>, stated: &StatedValues<'_>) -> Self {
        let (claims, (texts, audience)) = Claims::new(members, |draft| {
            let mut keep =
                |text: &Option<Cow<'_, str>>| text.as_deref().and_then(|text| draft.keep(text));
            let actor =
                member(members, "act").and_then(|act| act.get("sub")).and_then(Value::as_str);
            let texts = [
                keep(&stated.subject),
                keep(&stated.client_id),
                keep(&stated.issuer),
                keep(&stated.token_id),
                keep(&actor.map(Cow::Borrowed)),
            ];
            let scopes = draft.keep(&stated.scopes);
            (
                (scopes, texts),
                stated.audience.iter().filter_map(|audience| draft.keep(audience)).collect(),
            )
        });
        let (scopes, [subject, client_id, issuer, token_id, actor]) = texts;
        Self {
            scopes,
            subject,
            client_id,
            issuer,
            token_id,
            actor,
            audience,
            expires_at: stated.expires_at,
            not_before: stated.not_before,
            issued_at: stated.issued_at,
            leeway: stated.leeway,
            refresh_token: stated.refresh_token,
            confirmation: stated.confirmation.clone(),
            claims,
        }
    }

    /// Everything but the members themselves: the input from which [`ActiveFacts::new`] makes the
    /// same facts.
    pub fn stated(&self) -> StatedValues<'_> {
        StatedValues {
            scopes: self.scopes().text().into(),
            subject: self.subject().map(Cow::Borrowed),
            client_id: self.client_id().map(Cow::Borrowed),
            issuer: self.issuer().map(Cow::Borrowed),
            token_id: self.token_id().map(Cow::Borrowed),
            audience: self.audience().collect(),
            expires_at: self.expires_at,
            not_before: self.not_before,
            issued_at: self.issued_at,
            leeway: self.leeway,
            refresh_token: self.refresh_token,
            confirmation: self.confirmation.clone(),
        }
    }

    pub fn scopes(&self) -> ScopeSet<'_> {
        ScopeSet::parse(self.text(self.scopes).unwrap_or_default())
    }

    pub fn subject(&self) -> Option<&str> {
        self.text(self.subject)
    }

    pub fn client_id(&self) -> Option<&str> {
        self.text(self.client_id)
    }

    pub fn issuer(&self) -> Option<&str> {
        self.text(self.issuer)
    }

    /// `jti`.
    pub fn token_id(&self) -> Option<&str> {
        self.text(self.token_id)
    }

    /// `sub` of the outermost `act` (RFC 8693 §4.1): who acts for the subject.
    pub fn actor(&self) -> Option<&str> {
        self.text(self.actor)
    }

    /// `aud`; nothing when there was none.
    pub fn audience(&self) -> impl Iterator<Item = &str> {
        self.audience.iter().map(|audience| audience.within(self.claims.shared()))
    }

    fn text(&self, span: Option<Span>) -> Option<&str> {
        span.map(|span| span.within(self.claims.shared()))
    }
}
