//! What the configuration says about identity headers.

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
}

/// What a claim's header is called behind the prefix, in lower case: `extension_field` gives
/// `extension-field`, `realm_access.roles` gives `realm-access-roles`. `None`: no header can be
/// called so.
pub fn header_suffix(claim: &ClaimPath) -> Option<String> {
    let name = claim.steps().join("-").to_ascii_lowercase().replace(['_', '.', ':', '/'], "-");
    let valid = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') && name.bytes().any(|b| b.is_ascii_alphanumeric());
    valid.then_some(name)
}
