//! One integration binary: it drives the real program over real sockets.
//!
//! Each test starts its own gateway, authorization server and upstream on loopback and ends them
//! again. The README and `docs/` state the expected behaviour; a test names the promise, the
//! pitfall or the clause that it shows.

#![allow(clippy::expect_used, clippy::unwrap_used)] // a test fails by them

mod assertion;
mod beside;
mod both_ways;
mod cache;
mod chaos;
mod cli;
mod client_auth;
mod conformance;
mod edge;
mod explain;
mod fleet;
mod forwarding;
mod guard;
mod harness;
mod identity;
mod interop;
mod introspection;
mod jwt;
mod kinds;
mod kubernetes;
mod main_job;
mod operations;
mod origins;
mod packages;
mod policy;
mod policy_pages;
mod proof;
mod rate_limit;
mod readme;
mod refusals;
mod regression;
mod routing;
mod security_events;
mod shadow;
mod streams;
mod support;
mod tokens;
mod traces;
mod upgrades;
mod upstreams;
mod wire;
