//! Tokens that are checked here: JWTs (RFC 7519), signed with a key of the authorization server,
//! by the rules of RFC 8725. The cryptography is `aws-lc-rs`'s.

mod claims;
mod flaw;
mod jwe;
mod jws;
mod keys;
mod pem;
mod published;
mod settings;
mod source;
mod then;

pub use claims::{is_for, time};
pub use flaw::Flaw;
pub use jwe::{DecryptionKey, DecryptionKeys, Opened, private_keys_of_file, rsa_of_jwk};
pub use jws::{Header, Jws, media_type};
pub use keys::{Key, KeySet};
pub use pem::keys_of_file;
pub use settings::{Issuer, JwtSettings, KeySource, TENANT};
pub use source::{Keys, Unverified};
pub use then::Then;

use super::{Documents, Failure, Inquiry, Introspector, ServerSettings, Unusable};
use crate::clock::Clock;
use crate::telemetry::Occasionally;
use crate::token::Facts;
use async_trait::async_trait;
use serde_json::{Map, Value};
use std::sync::Arc;

pub struct Jwt {
    name: Arc<str>,
    settings: JwtSettings,
    keys: Keys,
    then: Option<Then>,
    clock: Clock,
    log: Occasionally,
}

/// The `typ` of ordinary access tokens, for servers whose settings name none.
const ORDINARY: [&str; 2] = ["jwt", "at+jwt"];

impl Jwt {
    pub fn new(
        server: &ServerSettings,
        jwt: &JwtSettings,
        then: Option<Then>,
        clock: Clock,
        documents: &Documents,
    ) -> Result<Self, Unusable> {
        let keys = Keys::of(&jwt.keys, server, documents)?;
        Ok(Self {
            name: server.name.clone(),
            settings: jwt.clone(),
            keys,
            then,
            clock,
            log: Occasionally::default(),
        })
    }

    /// The claims of a token that is good, what is wrong with it, or that its key cannot be had.
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

    /// The client learns the reason; the operator, once a minute, what is behind it.
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
