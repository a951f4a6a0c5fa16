//! Tokens that are checked here: JWTs (RFC 7519), signed with a key of the authorization server,
//! by the rules of RFC 8725. The cryptography is `aws-lc-rs`'s.

mod algorithm;
pub mod claims;
mod flaw;
mod jwe;
mod jws;
mod keys;
mod pem;
mod published;
mod settings;
mod source;
mod then;

pub use algorithm::Algorithm;
pub use claims::{is_for, time};
pub use flaw::JwtFlaw;
pub use jwe::{DecryptionKeys, Opened, private_keys_of_file, rsa_of_jwk};
pub use jws::{Jws, JwsHeader, media_type};
pub use keys::{KeySet, VerificationKey};
pub use pem::keys_of_file;
pub use settings::{JwtSettings, KeySource, RequiredIssuer, TENANT};
pub use source::{Keys, Unverified};
pub use then::Then;
