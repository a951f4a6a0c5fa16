//! A key pair of the gateway, and the encryption of tokens to its public half.

use super::encode;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The keys and tokens that another implementation made.
pub fn fixtures() -> Value {
    serde_json::from_str(include_str!("../../src/introspect/jwt/jwe/fixtures.json")).expect("JSON")
}

pub struct Sealer {
    /// `rsa` or `p256`.
    name: &'static str,
    fixtures: Value,
}

impl Sealer {
    /// RSA-OAEP-256.
    pub fn rsa() -> Sealer {
        Sealer { name: "rsa", fixtures: fixtures() }
    }

    /// ECDH-ES.
    pub fn p256() -> Sealer {
        Sealer { name: "p256", fixtures: fixtures() }
    }

    /// The gateway's file, without a `kid`.
    pub fn pem(&self) -> String {
        self.fixtures["files"][self.name]["pkcs8"].as_str().expect("a PEM file").to_owned()
    }

    /// The gateway's file, with a `kid`.
    pub fn jwk(&self) -> Value {
        self.fixtures["jwks"][self.name].clone()
    }

    /// Encrypts with A256GCM.
    pub fn seal(&self, content: &str) -> String {
        self.seal_with(json!({}), content)
    }

    /// The same with other members in the header; `null` takes one away.
    pub fn seal_with(&self, members: Value, content: &str) -> String {
        let (name, jwk) = (self.name, self.jwk());
        let part = |name: &str| {
            URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect("a text")).expect("base64url")
        };
        let alg = if name == "rsa" { "RSA-OAEP-256" } else { "ECDH-ES" };
        let mut header = json!({ "alg": alg, "enc": "A256GCM", "kid": name, "cty": "JWT" });
        let (key, encrypted_key) = if name == "rsa" {
            // SubjectPublicKeyInfo of the key pair
            let pair =
                <rsa::RsaPrivateKey as rsa::pkcs8::DecodePrivateKey>::from_pkcs8_pem(&self.pem())
                    .expect("an RSA key");
            let public = rsa::pkcs8::EncodePublicKey::to_public_key_der(&pair.to_public_key())
                .expect("its public half");
            let public = OaepPublicEncryptingKey::new(
                PublicEncryptingKey::from_der(public.as_bytes()).expect("a key"),
            )
            .expect("a key");
            let (key, mut out) = (rand::random::<[u8; 32]>(), vec![0; 256]);
            let encrypted = public
                .encrypt(&OAEP_SHA256_MGF1SHA256, &key, &mut out, None)
                .expect("an encrypted key")
                .to_vec();
            (key, encrypted)
        } else {
            let mine = PrivateKey::generate(&ECDH_P256).expect("a key");
            let point = mine.compute_public_key().expect("its public half").as_ref()[1..].to_vec();
            header["epk"] = json!({
                "kty": "EC", "crv": "P-256",
                "x": URL_SAFE_NO_PAD.encode(&point[..32]), "y": URL_SAFE_NO_PAD.encode(&point[32..]),
            });
            let theirs =
                UnparsedPublicKey::new(&ECDH_P256, [vec![4], part("x"), part("y")].concat());
            // RFC 7518 §4.6.2: one round, without parties
            let info = [&[0, 0, 0, 7], b"A256GCM".as_slice(), &[0; 8], &[0, 0, 1, 0]].concat();
            let derive = |secret: &[u8]| {
                Ok(digest(&SHA256, &[&[0, 0, 0, 1], secret, &info].concat()).as_ref().to_vec())
            };
            let key = agree(&mine, theirs, (), derive).expect("an agreement");
            (key.try_into().expect("32 bytes"), Vec::new())
        };
        for (name, value) in members.as_object().expect("an object") {
            header[name] = value.clone();
        }
        header.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        let protected = encode(&header.to_string());
        let (iv, mut sealed) = (rand::random::<[u8; 12]>(), content.as_bytes().to_vec());
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).expect("a key"));
        let nonce = Nonce::assume_unique_for_key(iv);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(protected.as_bytes()), &mut sealed)
            .expect("a tag");
        let [encrypted_key, iv, sealed, tag] = [&encrypted_key, &iv[..], &sealed, tag.as_ref()]
            .map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{protected}.{encrypted_key}.{iv}.{sealed}.{tag}")
    }
}
