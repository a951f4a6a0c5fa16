//! Settings of the places of tokens.

use http::HeaderName;

/// `token`.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    /// In order; at least one.
    pub from: Vec<TokenPlace>,
    /// Bytes.
    pub max_length: usize,
    /// The upstream gets the token too.
    pub forward: bool,
}

/// A place where a request may carry its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer …` (RFC 6750 §2.1).
    Authorization,
    /// A header whose whole value is the token.
    Header(HeaderName),
    /// A query parameter (RFC 6750 §2.3).
    Query(String),
    /// A cookie of this name.
    Cookie(String),
    /// The field `access_token` of a form-encoded body (RFC 6750 §2.2).
    Form,
}
