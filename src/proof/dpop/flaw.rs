//! The mistakes of a proof.

/// Why a proof is refused. The sentences are for the client; nothing in them comes from the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProofFlaw {
    /// The request has no proof.
    Missing,
    /// It has several.
    Several,
    /// Not a JWS in compact form with JSON inside.
    Malformed,
    /// `typ`.
    Type,
    /// `alg`.
    Algorithm,
    /// `jwk` has a member of a private or secret key.
    PrivateKey,
    /// `jwk` is not a public key for the algorithm.
    Key,
    /// A claim is missing or has the wrong type.
    Claims,
    /// `htm`.
    Method,
    /// `htu`.
    Url,
    /// `iat`.
    Time,
    /// `ath`.
    TokenHash,
    /// `nonce`.
    Nonce,
    /// The signature does not hold.
    Signature,
}

impl ProofFlaw {
    /// The text for the client.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "The request has no DPoP proof.",
            Self::Several => "The request has more than one DPoP proof.",
            Self::Malformed => "The DPoP proof is not a signed JWT.",
            Self::Type => "The typ of the DPoP proof is not dpop+jwt.",
            Self::Algorithm => "The algorithm of the DPoP proof is not accepted.",
            Self::PrivateKey => "The jwk of the DPoP proof has private members.",
            Self::Key => "The jwk of the DPoP proof is not a public key for its algorithm.",
            Self::Claims => "The DPoP proof lacks a claim, or one has the wrong type.",
            Self::Method => "The htm of the DPoP proof is not the method of the request.",
            Self::Url => "The htu of the DPoP proof is not the URL of the request.",
            Self::Time => "The iat of the DPoP proof is too long ago or in the future.",
            Self::TokenHash => "The ath of the DPoP proof is not the hash of the access token.",
            Self::Nonce => "The DPoP proof needs the nonce of the DPoP-Nonce header.",
            Self::Signature => "The signature of the DPoP proof is not valid.",
        }
    }

    /// The OAuth error code (RFC 9449 §7.1, §9).
    pub fn oauth_error(self) -> &'static str {
        match self {
            Self::Nonce => "use_dpop_nonce",
            _ => "invalid_dpop_proof",
        }
    }
}
