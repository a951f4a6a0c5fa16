//! Tokens that are verified in the gateway itself: signed JWTs, by [`crate::introspect::jwt`].

use crate::clock::Clock;
use crate::introspect::jwt::{
    Flaw, Header, Issuer, JwtSettings, Keys, Opened, Then, Unverified, claims,
};
use crate::introspect::{
    BuildParts, Credentials, Failure, Fingerprint, Inquiry, Introspector, Profile, ServerKind,
    ServerSettings, Unusable, Verification,
};
use crate::telemetry::Occasionally;
use crate::token::Facts;
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::sync::Arc;

struct Jwt {
    name: Arc<str>,
    settings: JwtSettings,
    keys: Keys,
    then: Option<Then>,
    clock: Clock,
    log: Occasionally,
}

/// The `typ` of ordinary access tokens, for servers whose settings name none.
const ORDINARY: [&str; 2] = ["jwt", "at+jwt"];

impl ServerKind for JwtSettings {
    fn word(&self) -> &'static str {
        "jwt"
    }

    /// Without the part of the server of `then`, which has a fingerprint of its own.
    fn fingerprint(&self, _: Option<&str>) -> Fingerprint {
        let mut fingerprint = Fingerprint::of(self.word())
            .with("issuer", self.issuer.text())
            .with("leeway", format!("{:?}", self.leeway));
        if let Issuer::OfTenants { tenants, .. } = &self.issuer {
            fingerprint.list("tenants", tenants.clone());
        }
        fingerprint.list("keys", self.keys.fingerprint());
        fingerprint.list("audience", self.audience.clone());
        fingerprint
            .list("algorithms", self.algorithms.iter().map(|algorithm| format!("{algorithm:?}")));
        fingerprint.list("typ", self.typ.clone());
        fingerprint.list(
            "decryption_keys",
            self.decryption_keys.iter().map(|keys| keys.digest().to_owned()),
        );
        fingerprint
    }

    fn profile<'k>(&'k self, _: Option<&str>) -> Profile<'k> {
        Profile {
            calls: self.keys.call().into_iter().collect(),
            credentials: Credentials::NotNeeded,
            auth_method: None,
            client_auth: None,
            certificate: None,
            forward_host: false,
            // `aud` was checked together with the signature
            audience: &[],
            client_id: None,
            verification: Some(Verification {
                issuer: &self.issuer,
                keys: &self.keys,
                audience: &self.audience,
                algorithms: &self.algorithms,
                typ: &self.typ,
            }),
            then: self.then.as_ref(),
        }
    }

    fn one_by_one(&self) -> Vec<Arc<dyn ServerKind>> {
        Vec::new()
    }

    fn build(
        &self,
        server: &ServerSettings,
        parts: BuildParts<'_>,
    ) -> Result<Box<dyn Introspector>, Unusable> {
        Ok(Box::new(Jwt {
            name: server.name.clone(),
            settings: self.clone(),
            keys: Keys::of(&self.keys, server, parts.documents)?,
            then: parts.then,
            clock: parts.clock,
            log: Occasionally::default(),
        }))
    }
}

impl Jwt {
    /// The claims of a valid token, the flaw of an invalid one, or a failure to get its key.
    async fn verify(&self, token: &str) -> Result<Result<Map<String, Value>, Flaw>, Failure> {
        let checked = async {
            let opened = Opened::new(token, self.settings.decryption_keys.as_deref())?;
            let jws = opened.signed()?;
            self.allows(&jws.header)?;
            let now = self.clock.now().unix_seconds();
            let key_issuer = self.keys.verify(&jws, now).await?;
            let members = jws.claims()?;
            claims::check(&members, &self.settings, key_issuer.as_deref(), now)?;
            Ok(members)
        };
        match checked.await {
            Ok(members) => Ok(Ok(members)),
            Err(Unverified::Flaw(flaw)) => Ok(Err(flaw)),
            Err(Unverified::Failure(failure)) => Err(failure),
        }
    }

    fn allows(&self, header: &Header) -> Result<(), Flaw> {
        if !self.settings.algorithms.contains(&header.algorithm) {
            return Err(Flaw::invalid("its `alg` is not among `algorithms`"));
        }
        let allowed = match (&header.typ, &*self.settings.typ) {
            (None, typ) => typ.is_empty(),
            (Some(typ), []) => ORDINARY.contains(&typ.as_str()),
            (Some(typ), allowed) => allowed.contains(typ),
        };
        if allowed {
            Ok(())
        } else {
            Err(Flaw::invalid(
                "its `typ` is not that of an access token; look at `typ` of this server",
            ))
        }
    }

    /// The client learns the reason; the operator, once a minute, the cause.
    fn explain(&self, flaw: Flaw) {
        if let Some(skipped) = self.log.now(flaw.why, self.clock.now().mono) {
            tracing::info!(
                server = &*self.name,
                detail = flaw.why,
                not_logged_since = skipped.count(),
                "a token was refused"
            );
        }
    }
}

#[async_trait]
impl Introspector for Jwt {
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        let outcome = match self.verify(inquiry.token.expose()).await? {
            Ok(members) => match &self.then {
                Some(then) => return then.ask(inquiry, members, &self.settings).await,
                None => {
                    let mut members = members;
                    claims::facts(&mut members, &self.settings)
                }
            },
            Err(flaw) => Err(flaw),
        };
        Ok(match outcome {
            Ok(facts) => Facts::Active(Box::new(facts)),
            Err(flaw) => {
                self.explain(flaw);
                Facts::Refused(flaw.refused)
            }
        })
    }
}
