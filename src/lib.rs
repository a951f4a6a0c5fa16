//! introgate: a gateway that lets a request through only while the authorization server confirms
//! its token.
//!
//! # The life of a request
//!
//! ```text
//!   proxy::Serve: fast_path or general
//!                   │  RequestView: method, host, normal path, headers        proxy::judge, route::normalise
//!                   ▼
//!            gate::Gate::check                                                START READING HERE
//!                   │  1. which route                                         route
//!                   │  2. which token                                         extract
//!                   │  3. which facts: cache, else one introspection          cache ─ introspect
//!                   │  4. does the policy hold                                policy
//!          ┌────────┴────────┐
//!        Permit           Denial
//!          │                 │  one closed set of reasons → response          deny
//!          ▼                 ▼
//!   client's identity     401, 403, 503 …
//!   headers removed,
//!   ours set              identity
//!          │
//!          ▼
//!   upstream              upstream
//! ```
//!
//! A cached request allocates next to nothing on this way: the route is found in a prebuilt table,
//! the digest is one keyed hash, a hit is an `Arc` to an entry that holds the rendered headers.
//!
//! # The rooms
//!
//! Ground floor first; a module imports only from those above it in this list.
//!
//! | module | purpose |
//! |---|---|
//! | [`secret`], [`clock`] | texts that are never printed; time, passed in |
//! | [`per_thread`], [`hex`] | values that all threads write; digits of ids |
//! | [`token`] | the vocabulary: tokens and their digests, scopes, claims, facts |
//! | [`request`] | the gate's view of a request |
//! | [`deny`] | the reasons for refusals, and the responses to the client |
//! | [`route`] | host, path and method → route; the one normal form of a path |
//! | [`extract`] | where a request carries its token |
//! | [`proof`] | proof that a client holds the key that its token is bound to |
//! | [`policy`] | the demands of a route on the facts; the only maker of permits |
//! | [`rate_limit`] | how often a route may be used: token buckets in bounded memory |
//! | [`identity`] | identity headers: strip, then set |
//! | [`telemetry`] | metrics, log, access log, traces |
//! | [`introspect`] | authorization servers: one file a kind, and the guard around every call |
//! | [`cache`] | their answers, for as long as they may be kept; one question at a time |
//! | [`security_events`] | events from authorization servers: the answers to forget |
//! | [`upstream`] | the protected services: addresses, balancing |
//! | [`listen`] | connections of clients: sockets, limits |
//! | [`gate`] | the whole product on one screen |
//! | [`resource`] | metadata by which clients find the authorization server (RFC 9728) |
//! | [`config`] | `gateway.yaml`: read, check, compile |
//! | [`runtime`] | the process, and the immutable snapshot that one configuration became |
//! | [`delivery`] | security events arrive, pushed or fetched, and take effect |
//! | [`explain`] | explains the outcome of a request |
//! | [`assemble`] | configuration → runtime: the only place that picks implementations |
//! | [`decisions`] | the questions of other proxies: may this request pass? |
//! | [`proxy`] | carries out the gate's decisions, on one of two ways |
//! | [`admin`] | health, metrics, status, purge |
//! | [`systemd`] | notifications to the service manager |
//! | [`handover`] | a running process hands over to a new one |
//! | [`reload`] | a changed configuration takes the old one's place |
//! | [`doctor`] | reaches everything once and reports the findings |
//! | [`server`] | listeners, services, shutdown |
//! | [`cli`] | the commands |

mod admin;
mod assemble;
mod cache;
mod cli;
mod clock;
mod config;
mod decisions;
mod delivery;
mod deny;
mod doctor;
mod explain;
mod extract;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod gate;
mod handover;
mod hex;
#[cfg(test)]
mod house;
mod identity;
mod introspect;
mod listen;
mod per_thread;
mod policy;
mod proof;
mod proxy;
mod rate_limit;
mod reload;
mod request;
mod resource;
mod route;
mod runtime;
mod secret;
mod security_events;
mod server;
mod systemd;
mod telemetry;
mod token;
mod upstream;

pub use cli::main;

/// The parts that benchmarks and integration tests use without a socket. Everything else is
/// private, so that the compiler finds code that nothing uses.
pub mod parts {
    pub use crate::cache::{CacheSettings, Cached, Entry, FactsSource, Lifetime, Store};
    pub use crate::clock::{Clock, Mono, Now};
    pub use crate::deny::{Challenge, Reason};
    pub use crate::extract::{TokenPlace, TokenSettings};
    pub use crate::gate::{Gate, LimitSettings, Limiter, Proofs, Route, RouteServer, Servers};
    pub use crate::identity::{AssertionKey, AssertionSettings, Identity, IdentitySettings};
    pub use crate::introspect::{
        BadAnswer, Failure, FailureKind, Inquiry, Introspector, TokenSelector, read_answer,
    };
    pub use crate::per_thread::{Counted, Handle, Living, Spread};
    pub use crate::policy::{AuthMode, Condition, Policy, PolicySettings, ServerDemands};
    pub use crate::proof::dpop::{
        DPOP, Dpop, DpopSettings, Expected, HttpUrl, Proof, ProofFlaw, thumbprint,
    };
    pub use crate::proxy::{RequestSpans, TraceContext};
    pub use crate::rate_limit::{Buckets, Per, RateLimitSettings};
    pub use crate::request::{Forwarded, RequestView};
    pub use crate::route::{PathPattern, Reach, RouteTable};
    pub use crate::telemetry::{AccessLine, AccessLogger, Cache, Decisions, LogFormat, Metrics};
    pub use crate::telemetry::{BatchSettings, TraceProtocol, TraceSettings, Tracer, Traces};
    pub use crate::telemetry::{Count, Counter, CounterVec, HistogramVec, TimeHistogram};
    pub use crate::telemetry::{Occasionally, RouteMetrics, Timestamp};
    pub use crate::telemetry::{Recorder, Sampling, Share, SpanBuilder, SpanContext, SpanKind};
    pub use crate::token::{AccessToken, AuthScheme, Credential, DigestKey, Facts, Thumbprint};
    pub use crate::upstream::Idle;
}
