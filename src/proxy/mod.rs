//! Carries out the gate's decisions. [`Serve`] reads a client's connection and picks one of two
//! ways for each request; the gate's decision is the same on both.
//!
//! | | |
//! |---|---|
//! | [`serve`](Serve) | the application behind the listeners: it picks the way |
//! | `fast_path` | plain requests over HTTP/1.1, with bodies or without, and without the parts of pingora that they do not need |
//! | `ext_authz` | the questions of Envoy, by gRPC |
//! | `general` | every kind of request, by pingora's proxy; its phases delegate to the files here |
//! | `client`, `connection`, `deadline`, `stopping` | the client's connection, whether it is kept, time limits on it, and whether its listener closes |
//! | `body_limit` | bodies of requests that are too large |
//! | `header_section`, `unread` | header sections that are too slow or too large |
//! | `at_work` | when an HTTP/2 connection is idle |
//! | `connectors` | new connections to upstreams |
//! | `head`, `validate`, `forwarded`, `trace` | reading of a request |
//! | `judge` | the question to the gate |
//! | `attempt` | the server that is tried next |
//! | `forward` | the upstream's request |
//! | `hop_by_hop`, `upgrade` | header fields that are about one connection, in both directions |
//! | `request_framing`, `chunks` | where a request, or a body, ends |
//! | `strict` | chunked responses that pingora reads, checked beside it |
//! | `upstream_response`, `cache_control` | what is read of a response, and changed in it |
//! | `stream`, `websocket` | responses that end with their token |
//! | `refuse` | what the client gets in place of a response |
//! | `report`, `spans` | metrics, the access log, traces |
//!
//! Both ways take upstream connections from one pool a server,
//! [`Upstream::idle`](crate::upstream::Upstream::idle), and give them back to it. pingora's
//! connector has a pool too, which stays empty: `general::lease` lends pingora a connection for one
//! exchange.
//!
//! Both ways give the client the same response, the upstream the same request and the operator the
//! same line in the log. `tests/both_ways.rs` compares them, and the integration tests run a second
//! time with every request on the general way (`FAST_PATH=off`).

mod at_work;
mod attempt;
mod body_limit;
mod cache_control;
mod chunks;
mod client;
mod client_headers;
mod connection;
mod connectors;
mod deadline;
mod delegate;
mod exchange;
mod ext_authz;
mod fast_path;
mod field_syntax;
mod forward;
mod forwarded;
mod forwarded_field;
mod general;
mod head;
mod header_section;
mod hop_by_hop;
mod judge;
mod refuse;
mod report;
mod request_framing;
mod serve;
mod spans;
mod stopping;
mod stream;
mod strict;
mod trace;
mod unread;
mod upgrade;
mod upstream_response;
mod validate;
mod websocket;

#[cfg(any(test, fuzzing))]
pub use fast_path::fuzz;
pub use serve::Serve;
pub use trace::{RequestSpans, TraceContext};
