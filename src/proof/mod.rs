//! Proof that the client of a request holds the key or the certificate that its token is bound to.
//! Pure, but for the memory of proofs that were used.
//!
//! | | |
//! |---|---|
//! | [`dpop`] | a signed proof in the header `DPoP` (RFC 9449) |
//! | [`mtls`] | the client's certificate (RFC 8705) |
//!
//! A check of a binding has two halves. The first is pure and part of the route's policy: is this
//! proof good for this request and this token? The second notes the proof, so that it is good once,
//! and comes last: a proof is noted only when the request would be let through otherwise.

pub mod dpop;
pub mod mtls;
