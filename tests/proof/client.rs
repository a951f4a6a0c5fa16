//! A client with a key pair, which makes DPoP proofs as it should, and as it should not.

use crate::jwt::Signer;
use crate::support::{AuthorizationServer, Gateway, Response, active, now};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use introgate::parts::Thumbprint;
use introgate::parts::thumbprint;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};

pub struct Client {
    pub signer: Signer,
}

impl Client {
    pub fn new() -> Client {
        Client::of(Signer::p256(""))
    }

    pub fn of(signer: Signer) -> Client {
        Client { signer: signer.named(None) }
    }

    /// The thumbprint of its key.
    pub fn jkt(&self) -> String {
        let jwk = self.signer.jwk();
        thumbprint(jwk.as_object().expect("an object")).expect("a thumbprint").to_string()
    }

    /// Makes the authorization server know this token, bound to the client's key.
    pub fn own(&self, server: &AuthorizationServer, token: &str) {
        let members = json!({ "sub": "alice", "scope": "read", "cnf": { "jkt": self.jkt() } });
        server.answer(token, active(members));
    }

    pub fn header(&self) -> Value {
        json!({ "typ": "dpop+jwt", "alg": self.signer.alg, "jwk": self.signer.jwk() })
    }

    /// The claims of a good proof, made now.
    pub fn claims(&self, method: &str, url: &str, token: &str) -> Value {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = format!("{:x}-{}", rand::random::<u64>(), NEXT.fetch_add(1, Ordering::Relaxed));
        let hash = Thumbprint::hash(token.as_bytes()).to_string();
        json!({ "jti": id, "htm": method, "htu": url, "iat": now(), "ath": hash })
    }

    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.signer.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A good proof for one request.
    pub fn proof(&self, method: &str, url: &str, token: &str) -> String {
        self.sign(&self.header(), &self.claims(method, url, token))
    }

    /// GET of `/` at this gateway with a good proof.
    #[track_caller]
    pub fn get(&self, gateway: &Gateway, token: &str) -> Response {
        send(gateway, token, &self.proof("GET", ORIGIN, token))
    }
}

/// GET of `/` with this proof.
#[track_caller]
pub fn send(gateway: &Gateway, token: &str, proof: &str) -> Response {
    gateway.get("/", &[("Authorization", &format!("DPoP {token}")), ("DPoP", proof)])
}

/// The URL of `/` as the tests' client calls it, whose `Host` is the same for all gateways.
pub const ORIGIN: &str = "http://gateway.test/";

/// The text as a part of a JWT.
pub fn part(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}
