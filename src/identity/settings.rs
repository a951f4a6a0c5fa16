//! Settings of identity headers.

use super::AssertionSettings;
use crate::token::ClaimPath;

/// `identity`.
#[derive(Clone, Debug)]
pub struct IdentitySettings {
    /// As written, e.g. `X-Introspected-`; a valid header name prefix that ends in `-`.
    pub prefix: String,
    /// Extension members to forward besides the registered ones.
    pub claims: Vec<ClaimPath>,
    /// Forward the whole answer, base64url(JSON).
    pub all_claims: bool,
    /// A signed statement of the facts.
    pub assertion: Option<AssertionSettings>,
}
