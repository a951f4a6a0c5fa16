//! The gateway's own key pair, for servers that know it by its public half.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde_json::{Value, json};

/// ECDSA on P-256, and another one that no server knows.
pub struct GatewayKey {
    own: KeyPair,
    foreign: KeyPair,
}

impl GatewayKey {
    pub fn new() -> GatewayKey {
        let new = || KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).expect("a key pair");
        GatewayKey { own: new(), foreign: new() }
    }

    /// RFC 7518 §6.2.1; `use` is absent.
    pub fn public_jwk(&self) -> Value {
        // an uncompressed point: 04, x, y (SEC 1 §2.3.3)
        let (x, y) = self.own.der_bytes()[1..].split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": "gateway" })
    }

    /// The private halves as PEM files: the right one, and one to be refused.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        vec![("key.pem", self.own.serialize_pem()), ("foreign.pem", self.foreign.serialize_pem())]
    }
}
