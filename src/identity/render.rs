//! From facts to headers, once for each answer: a cached request finds the place of each value.

use super::assertion::Statement;
use super::{AssertionSettings, Identity, IdentitySettings, encode, names};
use crate::clock::{Mono, Now};
use crate::token::shared_text::place;
use crate::token::{ActiveFacts, json};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::Map;
use std::ops::Range;
use thiserror::Error;

/// Headers that are ready to be sent, and which `Identity` made them. Most values are slices of the
/// answer's own text.
#[derive(Debug)]
pub struct Rendered {
    generation: u64,
    /// When there must be a new assertion.
    renew_at: Mono,
    values: Box<[RenderedHeader]>,
    /// Text that does not occur in the answer's text.
    own: Bytes,
}

/// One header of an answer.
#[derive(Clone, Copy, Debug)]
struct RenderedHeader {
    /// The place of its name among the `Identity`'s.
    name: u16,
    length: u16,
    /// Counted through the answer's text, and on through the added text.
    start: u32,
}

/// Why an identity cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// A value of more than 4 KiB as it would be sent.
    #[error("an identity header's value is over 4 KiB")]
    TooLarge,
    /// The assertion could not be signed.
    #[error("the assertion cannot be signed")]
    Unsigned,
}

impl Identity {
    /// Whether `rendered` can be sent `now`: it is of this `Identity`, not of an earlier
    /// configuration, and its assertion has more than half of its life before it.
    pub fn made(&self, rendered: &Rendered, now: Mono) -> bool {
        rendered.generation == self.generation && now < rendered.renew_at
    }

    /// The headers for an answer of the authorization server named `server` (RFC 7662 §2.2).
    /// A missing member gives no header.
    pub fn render(&self, facts: &ActiveFacts, server: &str, now: Now) -> Result<Rendered, Unfit> {
        self.rendered(facts, server, now, |settings, statement| settings.sign(statement))
    }

    /// The same headers for people: the assertion is not signed, so that answers which are made up
    /// make no assertion.
    pub fn show(&self, facts: &ActiveFacts, server: &str, now: Now) -> Result<Rendered, Unfit> {
        self.rendered(facts, server, now, |_, statement| Some(statement.unsigned()))
    }

    fn rendered(
        &self,
        facts: &ActiveFacts,
        server: &str,
        now: Now,
        assert: impl Fn(&AssertionSettings, &Statement) -> Option<String>,
    ) -> Result<Rendered, Unfit> {
        let claims = &self.settings.claims;
        let members = facts.claims.parse_some(|name| {
            READ.contains(&name)
                || claims
                    .iter()
                    .any(|claim| claim.steps().first().is_some_and(|first| first == name))
        });
        let mut text = String::with_capacity(facts.claims.text().len());
        let mut ends = Vec::with_capacity(self.names.len());
        for member in REGISTERED {
            registered(&mut text, member, facts, &members)?;
            ends.push(text.len());
        }
        for claim in claims {
            claim.find(&members).map_or(Ok(()), |value| encode::append(&mut text, value))?;
            ends.push(text.len());
        }
        encode::append_text(&mut text, server)?;
        let server = ends.last().map_or(0, |&start| start)..text.len();
        ends.push(text.len());
        if self.settings.all_claims {
            encode::append_text(&mut text, &URL_SAFE_NO_PAD.encode(facts.claims.text()))?;
        }
        ends.push(text.len());
        let mut renew_at = Mono::NEVER;
        if let Some(settings) = &self.settings.assertion {
            let statement = settings.state(facts, &members, claims, now);
            let assertion = assert(settings, &statement).ok_or(Unfit::Unsigned)?;
            encode::append_text(&mut text, &assertion)?;
            ends.push(text.len());
            renew_at = now.mono + statement.life / 2;
        }
        Ok(Rendered { renew_at, ..self.packed(&text, &ends, &text[server], facts) })
    }

    /// The parts of `text` that end at `ends`, each as a place in the answer's text if it occurs
    /// there, which is usual.
    fn packed(&self, text: &str, ends: &[usize], server: &str, facts: &ActiveFacts) -> Rendered {
        let answer = facts.claims.shared().as_bytes();
        let mut own = String::new();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let parts = (0..)
            .zip(starts.zip(ends))
            .filter_map(|(name, (start, &end))| Some((name, text.get(start..end)?)));
        let parts = parts.filter(|(_, part)| !part.is_empty());
        // room for as many as there are: it is kept for as long as the answer
        let mut values = Vec::with_capacity(parts.clone().count());
        values.extend(parts.filter_map(|(name, part)| {
            let start = place(answer, part.as_bytes()).unwrap_or_else(|| {
                own.push_str(part);
                answer.len() + own.len() - part.len()
            });
            Some(RenderedHeader {
                name,
                length: part.len().try_into().ok()?,
                start: start.try_into().ok()?,
            })
        }));
        // mostly nothing but the server's name, which all its answers share
        let own = if own == server {
            Bytes::from_static(names::intern_text(server).as_bytes())
        } else {
            Bytes::copy_from_slice(own.as_bytes())
        };
        let values = values.into_boxed_slice();
        Rendered { generation: self.generation, renew_at: Mono::NEVER, values, own }
    }

    /// The headers that this `Identity` rendered from these facts.
    pub fn headers<'r>(
        &'r self,
        rendered: &'r Rendered,
        facts: &'r ActiveFacts,
    ) -> impl Iterator<Item = (&'r HeaderName, HeaderValue)> {
        let value = |(name, text, place): (_, &Bytes, Range<usize>)| {
            Some((name, HeaderValue::from_maybe_shared(text.slice(place)).ok()?))
        };
        self.places(rendered, facts).filter_map(value)
    }

    /// The same as bytes.
    pub fn parts<'r>(
        &'r self,
        rendered: &'r Rendered,
        facts: &'r ActiveFacts,
    ) -> impl Iterator<Item = (&'r HeaderName, &'r [u8])> {
        self.places(rendered, facts)
            .filter_map(|(name, text, place)| Some((name, text.get(place)?)))
    }

    /// Each name with the text that contains its value, and the place.
    fn places<'r>(
        &'r self,
        rendered: &'r Rendered,
        facts: &'r ActiveFacts,
    ) -> impl Iterator<Item = (&'r HeaderName, &'r Bytes, Range<usize>)> {
        let answer = facts.claims.shared().as_bytes();
        rendered.values.iter().filter_map(move |value| {
            let (start, length) = (value.start as usize, usize::from(value.length));
            let (text, start) = start
                .checked_sub(answer.len())
                .map_or((answer, start), |start| (&rendered.own, start));
            let name = self.names.get(usize::from(value.name))?.as_ref()?;
            (start + length <= text.len()).then_some((name, text, start..start + length))
        })
    }

    /// The names of all headers that there can be, in the order in which they are rendered; `None`
    /// where a claim's path makes no name.
    pub(super) fn names(settings: &IdentitySettings) -> Box<[Option<HeaderName>]> {
        let of = |member: &str| Self::header_name(&settings.prefix, &[member.to_owned()]);
        let claims =
            settings.claims.iter().map(|claim| Self::header_name(&settings.prefix, claim.steps()));
        let names = REGISTERED.into_iter().map(of).chain(claims).chain(LAST.map(of));
        names.map(|name| name.map(|name| names::intern(&name))).collect()
    }
}

/// The names behind those of claims.
const LAST: [&str; 3] = ["server", "claims", "assertion"];

/// The members that RFC 7662 §2.2 defines, `active` aside.
pub const REGISTERED: [&str; 13] = [
    "sub",
    "username",
    "client_id",
    "scope",
    "aud",
    "iss",
    "exp",
    "iat",
    "nbf",
    "jti",
    "token_type",
    ACT_SUB,
    ACT_CLIENT_ID,
];

/// The outermost actor (RFC 8693 §4.1), by whom the client of this request is known.
const ACT_SUB: &str = "act_sub";
const ACT_CLIENT_ID: &str = "act_client_id";

/// Those of them that are shown as they are written in the answer.
const READ: [&str; 4] = ["username", "aud", "token_type", "act"];

fn registered(
    to: &mut String,
    member: &str,
    facts: &ActiveFacts,
    members: &Map<String, serde_json::Value>,
) -> Result<(), Unfit> {
    match member {
        "scope" => encode::append_text(to, &facts.scopes().shown()),
        "sub" => encode::append_text(to, facts.subject().unwrap_or_default()),
        "client_id" => encode::append_text(to, facts.client_id().unwrap_or_default()),
        "iss" => encode::append_text(to, facts.issuer().unwrap_or_default()),
        "jti" => encode::append_text(to, facts.token_id().unwrap_or_default()),
        "exp" => append_time(to, facts.expires_at),
        "iat" => append_time(to, facts.issued_at),
        "nbf" => append_time(to, facts.not_before),
        ACT_SUB => append_actor(to, members, "sub"),
        ACT_CLIENT_ID => append_actor(to, members, "client_id"),
        member => json::member(members, member).map_or(Ok(()), |value| encode::append(to, value)),
    }
}

/// Only a text names an actor; anything else gives no header.
fn append_actor(
    to: &mut String,
    members: &Map<String, serde_json::Value>,
    name: &str,
) -> Result<(), Unfit> {
    let named =
        json::member(members, "act").and_then(|act| act.get(name)).and_then(|name| name.as_str());
    named.map_or(Ok(()), |named| encode::append_text(to, named))
}

fn append_time(to: &mut String, seconds: Option<i64>) -> Result<(), Unfit> {
    seconds.map_or(Ok(()), |seconds| encode::append_text(to, &seconds.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::read_answer;
    use crate::token::{ClaimPath, Facts};
    use serde_json::{Value, json};

    const NOW: Now = Now { wall: 1_000_000_000_000, mono: Mono::START };

    fn rendered(answer: Value, claims: &[&str], all_claims: bool) -> Result<Vec<String>, Unfit> {
        let claims = claims.iter().filter_map(|claim| ClaimPath::parse(claim)).collect();
        let identity = Identity::new(IdentitySettings {
            prefix: "X-Introspected-".into(),
            claims,
            all_claims,
            assertion: None,
        });
        let Ok(Facts::Active(facts)) = read_answer(answer.to_string().as_bytes()) else {
            return Ok(Vec::new());
        };
        let rendered = identity.render(&facts, "main", NOW)?;
        let line = |(name, value): (&HeaderName, HeaderValue)| {
            format!("{name}: {}", value.to_str().unwrap_or_default())
        };
        Ok(identity.headers(&rendered, &facts).map(line).collect())
    }

    #[test]
    fn rfc7662_example_answer() {
        let answer = json!({"active": true, "client_id": "l238j323ds-23ij4", "username": "jdoe", "scope": "read  write dolphin", "sub": "Z5O3upPC88QrAjx00dis",
            "aud": "https://protected.example.net/resource", "iss": "https://server.example.com/", "exp": 1419356238, "iat": "1419350238", "extension_field": "twenty-seven"});
        assert_eq!(
            rendered(answer, &["extension_field"], false).unwrap_or_default(),
            [
                "x-introspected-sub: Z5O3upPC88QrAjx00dis",
                "x-introspected-username: jdoe",
                "x-introspected-client-id: l238j323ds-23ij4",
                "x-introspected-scope: read write dolphin",
                "x-introspected-aud: https://protected.example.net/resource",
                "x-introspected-iss: https://server.example.com/",
                "x-introspected-exp: 1419356238",
                "x-introspected-iat: 1419350238",
                "x-introspected-extension-field: twenty-seven",
                "x-introspected-server: main",
            ]
        );
    }

    /// RFC 8693 §4.1, figure 7: of a chain of delegation the outermost actor is the current one.
    #[test]
    fn rfc8693_section_4_1() {
        let answer = json!({"active": true, "sub": "user@example.com", "act": {"sub": "https://service16.example.com", "client_id": "s16", "act": {"sub": "https://service77.example.com"}}});
        assert_eq!(
            rendered(answer, &[], false).unwrap_or_default(),
            [
                "x-introspected-sub: user@example.com",
                "x-introspected-act-sub: https://service16.example.com",
                "x-introspected-act-client-id: s16",
                "x-introspected-server: main",
            ]
        );
    }

    #[test]
    fn an_actor_is_named_by_a_text_alone() {
        let nested = (0..10).fold(json!({"sub": "innermost"}), |act, _| json!({"act": act}));
        for act in [
            json!(null),
            json!("alice"),
            json!(["alice"]),
            json!({}),
            json!({"sub": null}),
            json!({"sub": 1}),
            json!({"sub": {"sub": "alice"}}),
            json!({"sub": ["alice"], "client_id": true}),
            json!({"sub": "", "client_id": ""}),
            nested,
        ] {
            let answer = json!({"active": true, "act": act});
            assert_eq!(
                rendered(answer, &[], false).unwrap_or_default(),
                ["x-introspected-server: main"],
                "{act}"
            );
        }
        let long = json!({"active": true, "act": {"sub": "x".repeat(5000)}});
        assert_eq!(rendered(long, &[], false), Err(Unfit::TooLarge));
    }

    #[test]
    fn a_missing_empty_or_null_member_gives_no_header() {
        for empty in [json!(null), json!(""), json!([]), json!({}), json!([""])] {
            let own = if empty == json!([""]) { json!("") } else { empty.clone() };
            let answer = json!({
                "active": true, "sub": null, "username": own, "scope": "", "iss": "", "jti": null,
                "aud": if empty == json!({}) { json!([]) } else { own.clone() }, "client_id": "",
                "token_type": own, "groups": own, "deep": {"er": own},
            });
            assert_eq!(
                rendered(answer, &["missing", "groups", "deep.er"], false).unwrap_or_default(),
                ["x-introspected-server: main"],
                "{empty}"
            );
        }
        let answer = json!({"active": true, "groups": false, "level": 0, "deep": [[]]});
        assert_eq!(
            rendered(answer, &["groups", "level", "deep"], false).unwrap_or_default().len(),
            4,
            "a value that is there"
        );
    }

    #[test]
    fn arrays_and_objects_are_json() {
        let answer = json!({"active": true, "aud": ["a", "b"], "scope": ["r", "w"], "realm": {"roles": ["x", "ü"]}, "admin": true});
        assert_eq!(
            rendered(answer, &["realm", "realm.roles", "admin"], false).unwrap_or_default(),
            [
                "x-introspected-scope: r w",
                r#"x-introspected-aud: ["a","b"]"#,
                r#"x-introspected-realm: {"roles":["x","%C3%BC"]}"#,
                r#"x-introspected-realm-roles: ["x","%C3%BC"]"#,
                "x-introspected-admin: true",
                "x-introspected-server: main",
            ]
        );
    }

    #[test]
    fn all_claims_can_be_read_back() {
        let answer = json!({"active": true, "sub": "é"});
        let lines = rendered(answer.clone(), &[], true).unwrap_or_default();
        let carried = lines
            .last()
            .and_then(|line| line.strip_prefix("x-introspected-claims: "))
            .unwrap_or_default();
        let decoded = URL_SAFE_NO_PAD.decode(carried).unwrap_or_default();
        assert_eq!(serde_json::from_slice::<Value>(&decoded).unwrap_or_default(), answer);
    }

    #[test]
    fn a_value_that_does_not_fit_is_an_error() {
        assert_eq!(
            rendered(json!({"active": true, "sub": "x".repeat(65_536)}), &[], false),
            Err(Unfit::TooLarge)
        );
    }
}
