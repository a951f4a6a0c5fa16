//! The access token as the client presented it.

use crate::secret::Secret;
use std::fmt;

/// A well-formed access token, borrowed from the request. It cannot be printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessToken<'r>(&'r str);

/// By byte: a look instead of six comparisons for each, twice on every request.
const ALLOWED: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0x21;
    while byte <= 0x7e {
        allowed[byte] = !matches!(byte as u8, b'"' | b',' | b';' | b'\\');
        byte += 1;
    }
    allowed
};

/// Not a token: empty, too long, or with a character that no token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedToken;

impl<'r> AccessToken<'r> {
    /// Takes 1 to `max_length` bytes of visible ASCII other than `"` `,` `;` `\`.
    ///
    /// That is wider than RFC 6750's b64token, because real servers use more (Amazon: `|`), and
    /// narrow enough that a token can never end a quoted string, a list or a header.
    pub fn parse(bytes: &'r [u8], max_length: usize) -> Result<Self, MalformedToken> {
        if bytes.is_empty() || bytes.len() > max_length {
            return Err(MalformedToken);
        }
        if !bytes.iter().all(|&byte| ALLOWED[usize::from(byte)]) {
            return Err(MalformedToken);
        }
        std::str::from_utf8(bytes).map(Self).map_err(|_| MalformedToken)
    }

    /// The token itself, for the digest and for the authorization server.
    pub fn expose(self) -> &'r str {
        self.0
    }

    /// An owned copy, which is zeroized when it is dropped.
    pub fn to_secret(self) -> Secret {
        Secret::new(self.0)
    }
}

impl fmt::Debug for AccessToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn real_tokens_are_well_formed() {
        for token in [
            "2YotnFZFEjr1zCsicMWpAA",
            "Atza|IQEBLjAsAhRmHjNgHpi0U-Dme37rR6CuUpSR",
            "1/fFBGRNJru1FQd44AzqT3Zg",
            "a.b.c~+/==",
        ] {
            assert!(AccessToken::parse(token.as_bytes(), 8192).is_ok(), "{token}");
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        for token in [
            "", " ", "a b", "a\tb", "a\rb", "a\nb", "a\0b", "a\"b", "a,b", "a;b", "a\\b", "é",
            "a\x7f",
        ] {
            assert_eq!(
                AccessToken::parse(token.as_bytes(), 8192),
                Err(MalformedToken),
                "{token:?}"
            );
        }
    }

    #[test]
    fn the_length_limit_is_inclusive() {
        let token = "x".repeat(8192);
        assert!(AccessToken::parse(token.as_bytes(), 8192).is_ok());
        assert!(AccessToken::parse(token.as_bytes(), 8191).is_err());
    }

    #[test]
    fn a_token_is_never_printed() {
        let token = AccessToken::parse(b"s3cr3t", 100).ok();
        assert!(!format!("{token:?}").contains("s3cr3t"));
    }
}
