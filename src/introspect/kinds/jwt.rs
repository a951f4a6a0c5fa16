//! Tokens that are verified in the gateway itself: signed JWTs, by [`crate::introspect::jwt`].

use crate::clock::Clock;
use crate::introspect::jwt::{
    JwsHeader, JwtFlaw, JwtSettings, Keys, Opened, RequiredIssuer, Then, Unverified, claims,
};
use crate::introspect::{
    BuildParts, Credentials, Failure, Inquiry, Introspector, LocalVerification, Profile,
    ServerKind, ServerSettings, SettingsFingerprint, UnusableSettings,
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
    fn fingerprint(&self, _: Option<&str>) -> SettingsFingerprint {
        let mut fingerprint = SettingsFingerprint::named(self.word())
            .with("issuer", self.issuer.text())
            .with("leeway", format!("{:?}", self.leeway));
        if let RequiredIssuer::OfTenants { tenants, .. } = &self.issuer {
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
            verification: Some(LocalVerification {
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
    ) -> Result<Box<dyn Introspector>, UnusableSettings> {
        Ok(Box::new(Jwt {
            name: server.name.clone(),
            settings: self.clone(),
            keys: Keys::for_server(&self.keys, server, parts.documents)?,
            then: parts.then,
            clock: parts.clock,
            log: Occasionally::default(),
        }))
    }
}

impl Jwt {
    /// The claims of a valid token, the flaw of an invalid one, or a failure to get its key.
    async fn verify(&self, token: &str) -> Result<Result<Map<String, Value>, JwtFlaw>, Failure> {
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

    fn allows(&self, header: &JwsHeader) -> Result<(), JwtFlaw> {
        if !self.settings.algorithms.contains(&header.algorithm) {
            return Err(JwtFlaw::invalid("its `alg` is not among `algorithms`"));
        }
        let allowed = match (&header.typ, &*self.settings.typ) {
            (None, typ) => typ.is_empty(),
            (Some(typ), []) => ORDINARY.contains(&typ.as_str()),
            (Some(typ), allowed) => allowed.contains(typ),
        };
        if allowed {
            Ok(())
        } else {
            Err(JwtFlaw::invalid(
                "its `typ` is not that of an access token; look at `typ` of this server",
            ))
        }
    }

    /// The client learns the reason; the operator, once a minute, the cause.
    fn explain(&self, flaw: JwtFlaw) {
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
