//! An access token together with the scheme by which the client presented it.

use super::AccessToken;

/// How a token was presented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AuthScheme {
    /// `Authorization: Bearer` (RFC 6750 §2.1), or a place without a scheme.
    #[default]
    Bearer,
    /// `Authorization: DPoP` (RFC 9449 §7.1).
    Dpop,
}

/// A token as it was presented.
#[derive(Clone, Copy)]
pub struct Credential<'r> {
    /// The token.
    pub token: AccessToken<'r>,
    /// The scheme in front of it.
    pub scheme: AuthScheme,
}
