//! Flaws of a token that is checked here.

use crate::token::RefusedLocally;

/// Two readers, two texts: the client gets the reason, the operator gets to know why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwtFlaw {
    pub refused: RefusedLocally,
    /// From a fixed vocabulary: nothing of the token.
    pub why: &'static str,
}

impl JwtFlaw {
    /// Not a JWT that can be verified.
    pub const fn invalid(why: &'static str) -> Self {
        Self { refused: RefusedLocally::InvalidJwt, why }
    }

    pub const UNKNOWN_KEY: Self = Self {
        refused: RefusedLocally::UnknownKey,
        why: "signed with a key that the authorization server does not publish: a forged token, one of another server, or a key that is newer than the last look at the key set",
    };
    pub const TOO_LARGE: Self = Self::invalid("larger than 64 KiB");
    pub const ENCRYPTED: Self =
        Self::invalid("an encrypted token (JWE), and there are no `decryption_keys`");
    /// Any flaw of an encrypted token: RFC 7516 §11.5.
    pub const CLOSED: Self = Self::invalid(
        "an encrypted token (JWE) that cannot be opened with `decryption_keys`: encrypted for another key, or changed on its way",
    );
    /// Encryption does not authenticate the token's sender.
    pub const TWICE: Self = Self::invalid(
        "the content of the encrypted token (JWE) is encrypted again; it must be a signed JWT",
    );
    pub const SIGNATURE: Self = Self::invalid("the signature does not hold");
    /// Microsoft signs these over another header than the one that it sends.
    pub const GRAPH: Self = Self::invalid(
        "a token for Microsoft Graph (its header has a `nonce`), which only Graph can verify; the client must ask for a token for this API: `scope=api://…/.default` or a scope that this API exposes",
    );
}
