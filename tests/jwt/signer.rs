//! A key pair of an authorization server.

use aws_lc_rs::encoding::{AsBigEndian, AsDer, EcPrivateKeyRfc5915Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};
use rsa::traits::{PrivateKeyParts, PublicKeyParts};
use serde_json::{Value, json};
use std::sync::OnceLock;

#[derive(Clone)]
pub struct Signer {
    pub kid: Option<String>,
    /// Its default.
    pub alg: &'static str,
    pkcs8: Vec<u8>,
    public: Value,
}

impl Signer {
    pub fn rsa(kid: &str) -> Signer {
        // finding primes takes a while: two keys do for all tests
        static KEYS: OnceLock<[rsa::RsaPrivateKey; 2]> = OnceLock::new();
        let new =
            |bits| rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, bits).expect("an RSA key");
        let keys = KEYS.get_or_init(|| [new(2048), new(2048)]);
        Signer::of_rsa(kid, &keys[usize::from(kid.contains("other"))])
    }

    /// Too short to be believed.
    pub fn short_rsa(kid: &str) -> Signer {
        Signer::of_rsa(
            kid,
            &rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).expect("an RSA key"),
        )
    }

    fn of_rsa(kid: &str, key: &rsa::RsaPrivateKey) -> Signer {
        let part = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        let public = json!({ "kty": "RSA", "n": part(key.n()), "e": part(key.e()) });
        let pkcs8 = key.to_pkcs8_der().expect("PKCS#8").as_bytes().to_vec();
        Signer { kid: Some(kid.to_owned()), alg: "RS256", pkcs8, public }
    }

    pub fn p256(kid: &str) -> Signer {
        Signer::ec(kid, "ES256", "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    pub fn p384(kid: &str) -> Signer {
        Signer::ec(kid, "ES384", "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    pub fn p521(kid: &str) -> Signer {
        Signer::ec(kid, "ES512", "P-521", &ECDSA_P521_SHA512_FIXED_SIGNING)
    }

    fn ec(
        kid: &str,
        alg: &'static str,
        curve: &str,
        algorithm: &'static EcdsaSigningAlgorithm,
    ) -> Signer {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new())
            .expect("an EC key")
            .as_ref()
            .to_vec();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8).expect("the same key");
        let point = pair.public_key().as_ref()[1..].to_vec();
        let (x, y) = point.split_at(point.len() / 2);
        let public = json!({ "kty": "EC", "crv": curve, "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
        Signer { kid: Some(kid.to_owned()), alg, pkcs8, public }
    }

    pub fn ed25519(kid: &str) -> Signer {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .expect("an Ed25519 key")
            .as_ref()
            .to_vec();
        let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).expect("the same key");
        let public = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(pair.public_key()) });
        Signer { kid: Some(kid.to_owned()), alg: "EdDSA", pkcs8, public }
    }

    /// The same key under another name.
    pub fn named(&self, kid: Option<&str>) -> Signer {
        Signer { kid: kid.map(str::to_owned), ..self.clone() }
    }

    /// The same key with members of its JWK changed.
    pub fn with(&self, changes: Value) -> Signer {
        let mut public = self.public.clone();
        for (name, value) in changes.as_object().expect("an object") {
            public[name] = value.clone();
        }
        Signer { public, ..self.clone() }
    }

    pub fn jwk(&self) -> Value {
        let mut jwk = self.public.clone();
        if let Some(kid) = &self.kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }

    pub fn public_pem(&self) -> String {
        if self.alg == "RS256" {
            let key =
                <rsa::RsaPrivateKey as rsa::pkcs8::DecodePrivateKey>::from_pkcs8_der(&self.pkcs8)
                    .expect("an RSA key");
            return key.to_public_key().to_public_key_pem(rsa::pkcs8::LineEnding::LF).expect("PEM");
        }
        if self.alg == "ES512" {
            let pair = self.ec_pair(self.alg);
            let der: PublicKeyX509Der = pair.public_key().as_der().expect("SPKI");
            return pem("PUBLIC KEY", der.as_ref());
        }
        self.pair().public_key_pem()
    }

    /// A self-signed certificate that is valid from and until these years.
    pub fn certificate(&self, from: i32, until: i32) -> String {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        parameters.not_before = rcgen::date_time_ymd(from, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(until, 1, 1);
        parameters.self_signed(&self.pair()).expect("a certificate").pem()
    }

    pub fn private_pem(&self) -> String {
        pem("PRIVATE KEY", &self.pkcs8)
    }

    /// PKCS#1 or SEC1, as `openssl … -traditional` writes them.
    pub fn traditional_pem(&self) -> String {
        let (label, der) = match self.alg {
            "RS256" => ("RSA", self.rsa_key().to_pkcs1_der().expect("PKCS#1").as_bytes().to_vec()),
            alg => {
                let der: EcPrivateKeyRfc5915Der =
                    self.ec_pair(alg).private_key().as_der().expect("SEC1");
                ("EC", der.as_ref().to_vec())
            }
        };
        pem(&format!("{label} PRIVATE KEY"), &der)
    }

    /// The JWK with its private members.
    pub fn private_jwk(&self) -> Value {
        let mut jwk = self.jwk();
        let mut set = |name: &str, bytes: &[u8]| jwk[name] = json!(URL_SAFE_NO_PAD.encode(bytes));
        match self.alg {
            "RS256" => {
                let key = self.rsa_key();
                let [p, q] = key.primes() else { panic!("two primes") };
                set("d", &key.d().to_bytes_be());
                set("p", &p.to_bytes_be());
                set("q", &q.to_bytes_be());
                set("dp", &key.dp().expect("precomputed").to_bytes_be());
                set("dq", &key.dq().expect("precomputed").to_bytes_be());
                set("qi", &key.qinv().expect("precomputed").to_bytes_be().1);
            }
            "EdDSA" => {
                let pair = Ed25519KeyPair::from_pkcs8(&self.pkcs8).expect("the key");
                set("d", pair.seed().expect("its seed").as_be_bytes().expect("its bytes").as_ref());
            }
            alg => {
                set("d", self.ec_pair(alg).private_key().as_be_bytes().expect("its bytes").as_ref())
            }
        }
        jwk
    }

    fn rsa_key(&self) -> rsa::RsaPrivateKey {
        let mut key =
            <rsa::RsaPrivateKey as rsa::pkcs8::DecodePrivateKey>::from_pkcs8_der(&self.pkcs8)
                .expect("an RSA key");
        key.precompute().expect("a good key");
        key
    }

    fn ec_pair(&self, alg: &str) -> EcdsaKeyPair {
        let algorithm = match alg {
            "ES256" => &ECDSA_P256_SHA256_FIXED_SIGNING,
            "ES384" => &ECDSA_P384_SHA384_FIXED_SIGNING,
            _ => &ECDSA_P521_SHA512_FIXED_SIGNING,
        };
        EcdsaKeyPair::from_pkcs8(algorithm, &self.pkcs8).expect("the key")
    }

    fn pair(&self) -> rcgen::KeyPair {
        rcgen::KeyPair::try_from(self.pkcs8.as_slice()).expect("a key pair")
    }

    /// A token of these claims, with `alg` and `kid` in its header.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(self.alg, claims)
    }

    pub fn sign_as(&self, alg: &str, claims: &Value) -> String {
        self.sign_with(json!({ "alg": alg }), claims)
    }

    /// The same with further members in the header; `alg` among them decides.
    pub fn sign_with(&self, members: Value, claims: &Value) -> String {
        let mut header = json!({ "typ": "JWT", "alg": self.alg });
        if let Some(kid) = &self.kid {
            header["kid"] = json!(kid);
        }
        for (name, value) in members.as_object().expect("an object") {
            header[name] = value.clone();
        }
        header.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A good signature over these texts, with any content.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let alg = serde_json::from_str::<Value>(header)
            .ok()
            .and_then(|header| header["alg"].as_str().map(str::to_owned));
        let signature = self.signature(alg.as_deref().unwrap_or(self.alg), signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn signature(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self.alg {
            "EdDSA" => Ed25519KeyPair::from_pkcs8(&self.pkcs8)
                .expect("the key")
                .sign(message)
                .as_ref()
                .to_vec(),
            "RS256" => {
                let pair = RsaKeyPair::from_pkcs8(&self.pkcs8).expect("the key");
                let mut signature = vec![0; pair.public_modulus_len()];
                let encoding: &dyn aws_lc_rs::signature::RsaEncoding = match alg {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                pair.sign(encoding, &random, message, &mut signature).expect("a signature");
                signature
            }
            own => {
                let pair = self.ec_pair(own);
                pair.sign(&random, message).expect("a signature").as_ref().to_vec()
            }
        }
    }
}

pub fn encode(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(text)
}

pub fn decode(text: &str) -> String {
    String::from_utf8(URL_SAFE_NO_PAD.decode(text).expect("base64url")).expect("UTF-8")
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}
