//! Tokens that are bound to a key or to a certificate, and the proofs that they need.

mod bad_proofs;
mod client;
mod dpop;
mod fleet;
mod mtls;
mod nonces;

pub use client::{Client, ORIGIN, send};
