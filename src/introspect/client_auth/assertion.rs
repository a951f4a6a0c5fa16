//! A signed statement of who the gateway is (RFC 7523 §2.2): a new one for every attempt, since
//! servers take each only once.

use super::signing_key::{Signer, SigningKey};
use crate::introspect::jwt::Algorithm;
use crate::introspect::{Failure, FailureKind};
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;
use serde::Serialize;
use url::Url;

/// The value of `client_assertion_type`.
pub const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long one is good, in seconds: it is used at once.
const LIFETIME: i64 = 60;

#[derive(Debug)]
pub struct SignedAssertion {
    client_id: String,
    algorithm: Algorithm,
    key_id: Option<String>,
    signer: Signer,
    key_digest: String,
    /// `None`: the endpoint that is called.
    audience: Option<String>,
}

/// RFC 7515 §4.1.
#[derive(Serialize)]
struct Header<'a> {
    typ: &'static str,
    alg: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

/// RFC 7523 §3; `iat` and `jti` as OpenID Connect Core §9 has them.
#[derive(Serialize)]
struct AssertionClaims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: i64,
    exp: i64,
}

impl SignedAssertion {
    /// `private_key_jwt`. The algorithm is one that the key is for.
    pub fn by_key(
        client_id: String,
        key: SigningKey,
        algorithm: Algorithm,
        key_id: Option<String>,
        audience: Option<String>,
    ) -> Self {
        let SigningKey { signer, digest: key_digest, .. } = key;
        Self { client_id, algorithm, key_id, signer, key_digest, audience }
    }

    /// `client_secret_jwt`: an HMAC.
    pub fn by_secret(
        client_id: String,
        secret: &Secret,
        algorithm: Algorithm,
        audience: Option<String>,
    ) -> Self {
        let secret = secret.expose().as_bytes();
        Self {
            client_id,
            algorithm,
            key_id: None,
            signer: Signer::Known(EncodingKey::from_secret(secret)),
            key_digest: blake3::hash(secret).to_string(),
            audience,
        }
    }

    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    pub fn method(&self) -> &'static str {
        if self.is_by_secret() { "client_secret_jwt" } else { "private_key_jwt" }
    }

    fn is_by_secret(&self) -> bool {
        self.algorithm.is_by_secret()
    }

    /// Advice for a server that does not accept an assertion.
    pub fn advice(&self) -> &'static str {
        if self.is_by_secret() {
            "check client_auth: client_id, client_secret, algorithm and audience, and both clocks"
        } else {
            "check client_auth: client_id, private_key, key_id, algorithm and audience, that the server has the public key, and both clocks"
        }
    }

    pub fn key_digest(&self) -> &str {
        &self.key_digest
    }

    /// A new one, for a single call of `endpoint` at `now` (seconds since the Unix epoch).
    pub fn mint(&self, endpoint: &Url, now: i64) -> Result<Secret, Failure> {
        let claims = AssertionClaims {
            iss: &self.client_id,
            sub: &self.client_id,
            aud: self.audience.as_deref().unwrap_or(endpoint.as_str()),
            jti: format!("{:032x}", rand::random::<u128>()),
            iat: now,
            exp: now + LIFETIME,
        };
        self.signed(&claims).map(Secret::new).map_err(|error| {
            Failure::new(
                FailureKind::RejectedUs,
                format!("no assertion can be signed with the key of client_auth: {error}"),
            )
        })
    }

    /// In compact form (RFC 7515 §7.1).
    fn signed(&self, claims: &AssertionClaims<'_>) -> Result<String, String> {
        let header = Header { typ: "JWT", alg: self.algorithm.name(), kid: self.key_id.as_deref() };
        let header = serde_json::to_vec(&header).map_err(|error| error.to_string())?;
        let claims = serde_json::to_vec(claims).map_err(|error| error.to_string())?;
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let mut token = format!("{header}.{claims}");
        let signature = self.signer.sign(token.as_bytes(), self.algorithm)?;
        token.push('.');
        token.push_str(&signature);
        Ok(token)
    }
}
