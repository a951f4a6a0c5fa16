//! The subject of an event (RFC 9493; complex subjects by the Shared Signals Framework 1.0 §3.2),
//! as far as cached answers can be selected by it. If they cannot, the event is refused: accepting
//! it would claim that it was carried out.

use super::{EventKind, Refusal};
use crate::cache::PurgeSelector;
use crate::introspect::jwt::RequiredIssuer;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Whose event it is.
pub struct Speaker<'a> {
    /// The authorization server's configured name.
    pub server: &'a Arc<str>,
    /// `iss` of the event.
    pub issuer: &'a str,
    /// The `iss` of the server's tokens, if known.
    pub issuers: Option<&'a RequiredIssuer>,
}

type Members = Map<String, Value>;

const NO_INDEX: Refusal = Refusal {
    code: super::Code::InvalidRequest,
    why: "its subject does not select cached answers: use iss_sub, opaque or jwt_id, or a complex subject with such a user, a session or an application",
    detail: None,
};

/// The answers that an event of this kind selects. The subject may be in the token (`sub_id`,
/// `sub`, `sid`) and in the event (`subject`, as before RFC 9493): if it is in both, both must be
/// equal.
pub fn named(
    kind: EventKind,
    claims: &Members,
    event: &Members,
    speaker: &Speaker<'_>,
) -> Result<Vec<PurgeSelector>, Refusal> {
    if kind == EventKind::Logout {
        return logout(claims, speaker).map(|named| vec![named]);
    }
    let mut said = Vec::new();
    for identifier in [claims.get("sub_id"), event.get("subject")].into_iter().flatten() {
        let identifier = identifier
            .as_object()
            .ok_or_else(|| Refusal::invalid("`sub_id` or `subject` is not an object"))?;
        said.push(speaker.identified(kind, identifier)?);
    }
    if let Some(subject) = text(claims, "sub")? {
        said.push(vec![PurgeSelector { subject: Some(subject), ..speaker.own() }]);
    }
    let first = said.first().cloned().ok_or_else(|| {
        Refusal::invalid("it names no subject: it has no `sub_id`, `subject` or `sub`")
    })?;
    if said.iter().any(|other| !same(other, &first)) {
        return Err(Refusal::invalid("it names several subjects that are not the same"));
    }
    Ok(first)
}

/// Whether both mean the same; one of them may say besides whose tokens they are.
fn same(one: &[PurgeSelector], other: &[PurgeSelector]) -> bool {
    let anybodys = |named: &[PurgeSelector]| {
        named
            .iter()
            .map(|named| PurgeSelector { issuer: None, ..named.clone() })
            .collect::<Vec<_>>()
    };
    anybodys(one) == anybodys(other)
}

/// Back-Channel Logout 1.0 §2.4: `sub`, `sid` or both.
fn logout(claims: &Members, speaker: &Speaker<'_>) -> Result<PurgeSelector, Refusal> {
    let named = PurgeSelector {
        subject: text(claims, "sub")?,
        session: text(claims, "sid")?,
        ..speaker.own()
    };
    match named {
        PurgeSelector { subject: None, session: None, .. } => {
            Err(Refusal::invalid("it names no subject: it has neither `sub` nor `sid`"))
        }
        named => Ok(named),
    }
}

impl Speaker<'_> {
    /// All answers of its server, and of no other issuer there, as far as they say.
    fn own(&self) -> PurgeSelector {
        let issuer = self
            .issuers
            .filter(|issuers| issuers.is(self.issuer, None))
            .map(|_| self.issuer.to_owned());
        PurgeSelector { server: Some(self.server.clone()), issuer, ..PurgeSelector::default() }
    }

    /// The same, for an issuer that is named.
    fn selector(&self, issuer: &str) -> Result<PurgeSelector, Refusal> {
        let known = self.issuers.map_or(issuer == self.issuer, |issuers| issuers.is(issuer, None));
        if !known {
            return Err(Refusal::invalid(
                "its subject is one of another issuer than this authorization server's",
            ));
        }
        // if the answers' `iss` is unknown, it excludes none
        let issuer = self.issuers.map(|_| issuer.to_owned());
        Ok(PurgeSelector { server: Some(self.server.clone()), issuer, ..PurgeSelector::default() })
    }

    fn identified(
        &self,
        kind: EventKind,
        identifier: &Members,
    ) -> Result<Vec<PurgeSelector>, Refusal> {
        match format(identifier)?.as_str() {
            "complex" => self.complex(identifier).map(|named| vec![named]),
            // CAEP 1.0 §3.1 names sessions like that too
            "opaque" if kind == EventKind::SessionRevoked => {
                let id = needed(identifier, "id")?;
                Ok(vec![
                    PurgeSelector { subject: Some(id.clone()), ..self.own() },
                    PurgeSelector { session: Some(id), ..self.own() },
                ])
            }
            // RFC 9493 §3.2.8: several names of one subject
            "aliases" => {
                let aliases =
                    identifier.get("identifiers").and_then(Value::as_array).ok_or(MALFORMED)?;
                let mut named = Vec::new();
                for alias in aliases {
                    let alias = alias.as_object().ok_or(MALFORMED)?;
                    named.extend(self.simple(alias).ok());
                }
                if named.is_empty() { Err(NO_INDEX) } else { Ok(named) }
            }
            _ => self.simple(identifier).map(|named| vec![named]),
        }
    }

    fn simple(&self, identifier: &Members) -> Result<PurgeSelector, Refusal> {
        match format(identifier)?.as_str() {
            "iss_sub" => Ok(PurgeSelector {
                subject: Some(needed(identifier, "sub")?),
                ..self.selector(&needed(identifier, "iss")?)?
            }),
            "opaque" => {
                Ok(PurgeSelector { subject: Some(needed(identifier, "id")?), ..self.own() })
            }
            "jwt_id" => Ok(PurgeSelector {
                token_id: Some(needed(identifier, "jti")?),
                ..self.selector(&needed(identifier, "iss")?)?
            }),
            _ => Err(NO_INDEX),
        }
    }

    /// Members narrow the subject down together. Members without a counterpart in an answer
    /// (`device`, `group`, `org_unit`) may be left out, since forgetting too much does no harm,
    /// unless the event would then select all subjects.
    fn complex(&self, identifier: &Members) -> Result<PurgeSelector, Refusal> {
        let member = |name: &str| match identifier.get(name) {
            None => Ok(None),
            Some(Value::Object(member)) => Ok(Some(member)),
            Some(_) => Err(MALFORMED),
        };
        let (user, session, application, tenant) =
            (member("user")?, member("session")?, member("application")?, member("tenant")?);
        let mut named = self.own();
        if let Some(session) = session {
            match format(session)?.as_str() {
                "opaque" => {
                    let id = needed(session, "id")?;
                    if user.is_none() || id != EVERY_SESSION {
                        named.session = Some(id);
                    }
                }
                "jwt_id" => named = self.simple(session)?,
                _ if user.is_some() => {}
                _ => return Err(NO_INDEX),
            }
        }
        let by_session = named.session.is_some() || named.token_id.is_some();
        match user.map(|user| self.simple(user)) {
            Some(Ok(user)) => {
                named = PurgeSelector { session: named.session, token_id: named.token_id, ..user }
            }
            Some(Err(refusal)) if !by_session => return Err(refusal),
            _ => {}
        }
        match application.map(|application| (format(application), application)) {
            None => {}
            Some((Ok(format), application)) if format == "opaque" => {
                named.client_id = Some(needed(application, "id")?)
            }
            Some(_) if by_session || named.subject.is_some() => {}
            Some(_) => return Err(NO_INDEX),
        }
        let told_apart = by_session || named.subject.is_some() || named.client_id.is_some();
        match tenant {
            _ if told_apart => Ok(named),
            // a whole tenant is one issuer's tokens
            Some(tenant)
                if identifier.keys().all(|name| matches!(name.as_str(), "format" | "tenant")) =>
            {
                let issuer = match format(tenant)?.as_str() {
                    "opaque" => needed(tenant, "id")?,
                    "uri" => needed(tenant, "uri")?,
                    "iss_sub" => needed(tenant, "iss")?,
                    _ => return Err(NO_INDEX),
                };
                self.selector(&issuer)
            }
            _ => Err(NO_INDEX),
        }
    }
}

/// Keycloak's name for all sessions of a user (`session` of a complex subject), as after a log-out
/// by an administrator. A session that is called so ends together with the user's others.
const EVERY_SESSION: &str = "ALL";

const MALFORMED: Refusal = Refusal {
    code: super::Code::InvalidRequest,
    why: "its subject is not as RFC 9493 has subject identifiers",
    detail: None,
};

/// RFC 9493 §3; before it became one the member was `subject_type`, and words had hyphens. Complex
/// subjects had no format then.
fn format(identifier: &Members) -> Result<String, Refusal> {
    match (text(identifier, "format")?, text(identifier, "subject_type")?) {
        (Some(format), None) => Ok(format),
        (None, Some(format)) => Ok(format.replace('-', "_")),
        (None, None)
            if ["user", "session", "application", "tenant", "device"]
                .iter()
                .any(|name| identifier.contains_key(*name)) =>
        {
            Ok("complex".to_owned())
        }
        _ => Err(MALFORMED),
    }
}

fn needed(members: &Members, name: &str) -> Result<String, Refusal> {
    text(members, name)?.ok_or(MALFORMED)
}

fn text(members: &Members, name: &str) -> Result<Option<String>, Refusal> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(MALFORMED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const AS: &str = "https://as.test";

    /// The selection in short: the members of [`PurgeSelector`] that are set.
    fn read(kind: EventKind, claims: Value, event: Value) -> Result<Vec<String>, &'static str> {
        let issuer = RequiredIssuer::Exactly(AS.into());
        let server: Arc<str> = "main".into();
        let speaker = Speaker { server: &server, issuer: AS, issuers: Some(&issuer) };
        let (Value::Object(claims), Value::Object(event)) = (claims, event) else {
            return Err("not objects");
        };
        let named = super::named(kind, &claims, &event, &speaker).map_err(|refusal| refusal.why)?;
        assert!(
            named.iter().all(|named| named.server.as_deref() == Some("main")
                && named.issuer.as_deref() == Some(AS))
        );
        let shown = |named: &PurgeSelector| {
            let members = [
                ("sub", &named.subject),
                ("client", &named.client_id),
                ("jti", &named.token_id),
                ("sid", &named.session),
            ];
            members
                .iter()
                .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?)))
                .collect::<Vec<_>>()
                .join(" ")
        };
        Ok(named.iter().map(shown).collect())
    }

    fn subject(identifier: Value) -> Result<Vec<String>, &'static str> {
        read(EventKind::AccountDisabled, json!({"sub_id": identifier}), json!({}))
    }

    #[test]
    fn simple_subjects_of_rfc9493() {
        let alice = || Ok(vec!["sub=alice".to_owned()]);
        assert_eq!(subject(json!({"format": "iss_sub", "iss": AS, "sub": "alice"})), alice());
        assert_eq!(subject(json!({"format": "opaque", "id": "alice"})), alice());
        assert_eq!(subject(json!({"subject_type": "iss-sub", "iss": AS, "sub": "alice"})), alice());
        assert_eq!(
            subject(json!({"format": "jwt_id", "iss": AS, "jti": "1"})),
            Ok(vec!["jti=1".to_owned()])
        );
        let aliases =
            json!([{"format": "email", "email": "a@b"}, {"format": "opaque", "id": "alice"}]);
        assert_eq!(subject(json!({"format": "aliases", "identifiers": aliases})), alice());
        let opaque = json!({"sub_id": {"format": "opaque", "id": "x"}});
        assert_eq!(
            read(EventKind::SessionRevoked, opaque, json!({})),
            Ok(vec!["sub=x".to_owned(), "sid=x".to_owned()])
        );
    }

    #[test]
    fn subjects_that_the_cache_cannot_distinguish_are_refused() {
        for identifier in [
            json!({"format": "email", "email": "alice@example.com"}),
            json!({"format": "phone_number", "phone_number": "+12065550100"}),
            json!({"format": "account", "uri": "acct:alice@example.com"}),
            json!({"format": "did", "url": "did:example:123"}),
            json!({"format": "aliases", "identifiers": [{"format": "email", "email": "a@b"}]}),
            json!({"format": "complex", "device": {"format": "opaque", "id": "d"}}),
            json!({"format": "complex", "tenant": {"format": "opaque", "id": AS}, "device": {"format": "opaque", "id": "d"}}),
            json!({"format": "complex", "tenant": {"format": "opaque", "id": AS}, "user": {"format": "email", "email": "a@b"}}),
            json!({"user": {"format": "email", "email": "a@b"}}),
            json!({"user": {"format": "email", "email": "a@b"}, "session": {"format": "opaque", "id": "ALL"}}),
        ] {
            assert_eq!(subject(identifier.clone()), Err(NO_INDEX.why), "{identifier}");
        }
    }

    #[test]
    fn complex_subjects_narrow_down() {
        let (user, session) = (
            json!({"format": "iss_sub", "iss": AS, "sub": "alice"}),
            json!({"format": "opaque", "id": "s1"}),
        );
        let device = json!({"format": "opaque", "id": "d"});
        for (identifier, expected) in [
            (json!({"format": "complex", "user": user}), "sub=alice"),
            (json!({"user": user, "session": session}), "sub=alice sid=s1"),
            (json!({"format": "complex", "session": session}), "sid=s1"),
            // Keycloak: every session of this user, and never those of another one
            (
                json!({"format": "complex", "user": user, "session": {"format": "opaque", "id": "ALL"}}),
                "sub=alice",
            ),
            (json!({"format": "complex", "session": {"format": "opaque", "id": "ALL"}}), "sid=ALL"),
            (
                json!({"format": "complex", "session": session, "user": {"format": "email", "email": "a@b"}}),
                "sid=s1",
            ),
            (json!({"format": "complex", "user": user, "device": device}), "sub=alice"),
            (
                json!({"format": "complex", "application": {"format": "opaque", "id": "app"}}),
                "client=app",
            ),
            (
                json!({"format": "complex", "user": user, "application": {"format": "opaque", "id": "app"}}),
                "sub=alice client=app",
            ),
            (json!({"format": "complex", "tenant": {"format": "opaque", "id": AS}}), ""),
            (json!({"format": "complex", "tenant": {"format": "uri", "uri": AS}}), ""),
            (
                json!({"format": "complex", "session": {"format": "jwt_id", "iss": AS, "jti": "1"}, "user": user}),
                "sub=alice jti=1",
            ),
        ] {
            assert_eq!(subject(identifier.clone()), Ok(vec![expected.to_owned()]), "{identifier}");
        }
    }

    #[test]
    fn subjects_of_others_and_contradictions_are_refused() {
        for identifier in [
            json!({"format": "iss_sub", "iss": "https://other.test", "sub": "alice"}),
            json!({"format": "jwt_id", "iss": "https://other.test", "jti": "1"}),
            json!({"format": "complex", "tenant": {"format": "opaque", "id": "https://other.test"}}),
        ] {
            assert!(
                subject(identifier.clone()).is_err_and(|why| why.contains("another issuer")),
                "{identifier}"
            );
        }
        for identifier in [
            json!({}),
            json!({"format": "iss_sub", "iss": AS}),
            json!({"format": "opaque", "id": ""}),
            json!({"format": "opaque", "id": 1}),
            json!({"format": 1}),
            json!({"format": "opaque", "subject_type": "opaque", "id": "x"}),
            json!({"format": "complex", "user": "alice"}),
            json!({"format": "aliases"}),
        ] {
            assert_eq!(subject(identifier.clone()), Err(MALFORMED.why), "{identifier}");
        }
        let (alice, bob) =
            (json!({"format": "opaque", "id": "alice"}), json!({"format": "opaque", "id": "bob"}));
        let both = |one: &Value, other: &Value| {
            read(EventKind::AccountDisabled, json!({"sub_id": one}), json!({"subject": other}))
        };
        assert_eq!(both(&alice, &alice), Ok(vec!["sub=alice".to_owned()]));
        assert!(both(&alice, &bob).is_err());
        assert!(
            read(EventKind::AccountDisabled, json!({"sub_id": alice, "sub": "bob"}), json!({}))
                .is_err()
        );
        assert_eq!(
            read(EventKind::AccountDisabled, json!({"sub": "bob"}), json!({})),
            Ok(vec!["sub=bob".to_owned()])
        );
        assert!(read(EventKind::AccountDisabled, json!({}), json!({})).is_err());
    }

    #[test]
    fn logout_names_subject_session_or_both() {
        assert_eq!(
            read(EventKind::Logout, json!({"sub": "a", "sid": "s"}), json!({})),
            Ok(vec!["sub=a sid=s".to_owned()])
        );
        assert_eq!(
            read(EventKind::Logout, json!({"sid": "s"}), json!({})),
            Ok(vec!["sid=s".to_owned()])
        );
        assert!(
            read(EventKind::Logout, json!({"sub_id": {"format": "opaque", "id": "a"}}), json!({}))
                .is_err()
        );
    }
}
