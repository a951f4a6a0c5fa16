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

pub use access_token::{AccessToken, MalformedToken};
pub use claims::{ClaimPath, Claims};
pub use confirmation::{BoundKeys, Confirmation, Thumbprint};
pub use credential::{AuthScheme, Credential};
pub use digest::{DigestHasher, DigestKey, TokenDigest, TokenFingerprint};
pub use facts::{ActiveFacts, Facts, RefusedLocally, StatedValues};
pub use scope::ScopeSet;
