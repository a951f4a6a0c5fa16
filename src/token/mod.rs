//! The basic terms of the crate: a token and its digest, and the facts that an authorization server
//! states about it.

mod access_token;
mod claims;
mod confirmation;
mod credential;
mod digest;
mod facts;
pub mod json;
mod scope;
pub mod shared_text;

pub use access_token::{AccessToken, Malformed};
pub use claims::{ClaimPath, Claims};
pub use confirmation::{Bound, Confirmation, Thumbprint};
pub use credential::{Credential, Scheme};
pub use digest::{DigestHasher, DigestKey, Fingerprint, TokenDigest};
pub use facts::{ActiveFacts, Facts, Refused, Stated};
pub use scope::ScopeSet;
