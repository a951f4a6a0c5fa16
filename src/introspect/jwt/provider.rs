//! Lets `jsonwebtoken` verify with ring, which is in the tree for TLS anyway. Nothing is signed.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::signature as ring;
use ring::{RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: verifier,
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring the process's provider; once is enough, and more do no harm.
pub fn install() {
    let _ = RING.install_default();
}

struct Ring {
    algorithm: Algorithm,
    with: With,
    key: DecodingKey,
}

enum With {
    Rsa(&'static RsaParameters),
    Other(&'static dyn VerificationAlgorithm),
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    // RSA keys of less than 2048 bits verify nothing
    let with = match algorithm {
        Algorithm::RS256 => With::Rsa(&ring::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => With::Rsa(&ring::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => With::Rsa(&ring::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => With::Rsa(&ring::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => With::Rsa(&ring::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => With::Rsa(&ring::RSA_PSS_2048_8192_SHA512),
        Algorithm::ES256 => With::Other(&ring::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => With::Other(&ring::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => With::Other(&ring::ED25519),
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    if key.family() != algorithm.family() || key.family() == AlgorithmFamily::Hmac {
        return Err(ErrorKind::InvalidKeyFormat.into());
    }
    Ok(Box::new(Ring { algorithm: *algorithm, with, key: key.clone() }))
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match (&self.with, self.key.kind()) {
            (With::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                // some servers publish the sign's zero of DER along with the modulus
                let n = n.strip_prefix(&[0]).unwrap_or(n);
                RsaPublicKeyComponents { n, e: e.as_slice() }.verify(parameters, message, signature)
            }
            (With::Other(algorithm), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(*algorithm, key).verify(message, signature)
            }
            _ => return Err(signature::Error::new()),
        };
        verified.map_err(|_| signature::Error::new())
    }
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
