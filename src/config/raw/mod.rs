//! The keys of `gateway.yaml`: their types, and the defaults of those that are left out. Their
//! comments become the descriptions of the JSON Schema.
//!
//! Every key has a default, so that a document with mistakes can still be read for further ones.
//! The schema alone names the keys that are required.

mod cache;
mod client_auth;
mod events;
mod fields;
mod identity;
mod kinds;
mod listener;
mod log;
mod route;
mod scalar;
mod server;
mod token;
mod traces;
mod upstream;

pub use cache::{Cache, Redis};
pub use client_auth::{ClientAuth, Method, TokenEndpointAuth};
pub use events::{Delivery, Events};
pub use identity::{Assertion, Identity};
pub(in crate::config) use kinds::for_each_kind;
pub use kinds::*;
pub use listener::{
    Admin, ClientCertificates, Listener, ListenerLimits, ListenerTls, Serves, TlsVersion,
};
pub use log::{Access, Format, Level, Log};
pub use route::{
    Auth, Binding, Defaults, Demands, Destination, EncodedSlashes, EndWithToken, Limits, Per,
    Preflight, Proof, RateLimit, Route, StepUp,
};
pub use scalar::{
    Allowed, Detail, OneOrMany, Period, Scalar, SecretText, Size, SizeLimit, Threads,
};
pub use server::{Server, ServerCommon};
pub use token::Token;
pub use traces::{Sample, TraceProtocol, Traces};
pub use upstream::{HealthCheck, Protocol, Upstream, UpstreamServer, UpstreamTls};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The configuration of introgate: a gateway that lets a request through only while the
/// authorization server confirms its token. In any text, `${NAME}` and `${NAME:-default}` are replaced
/// from the environment, and `$${` is a literal `${`.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["authorization_servers", "routes"]))]
pub struct Gateway {
    /// The version of this file's form.
    #[schemars(extend("enum" = [1]))]
    pub version: u8,
    /// Worker threads; `auto`: one for each CPU that the process may use, cgroup limits counted.
    pub threads: Threads,
    /// How long requests in flight may take after SIGTERM.
    pub shutdown_timeout: Period,
    /// Whether plain requests (HTTP/1.1) skip the general proxy code, which costs them more; the
    /// decision, the forwarded request and the response are the same. So do calls to authorization
    /// servers over plain http without a proxy, which skip the general HTTP client. `false` is for
    /// finding out whether a problem comes from there. Upgrades have one way only, with either
    /// value.
    pub fast_path: bool,
    /// Where the gateway listens.
    #[schemars(length(min = 1))]
    pub listeners: Vec<Listener>,
    /// Scheme and host that clients call, when TLS ends elsewhere: `https://api.example.com`. The
    /// `htu` of DPoP proofs is compared with it, and resource metadata is found there. Otherwise they are those of the connection and of
    /// trusted proxies.
    pub public_url: String,
    /// Networks (CIDR) or addresses of proxies whose `X-Forwarded-*` and `Forwarded` are believed;
    /// those of all others are replaced.
    pub trusted_proxies: Vec<String>,
    /// Health, metrics, status and cache purge, on a listener of their own.
    pub admin: Admin,
    /// The authorization servers, each under a name of your choice.
    #[schemars(extend("minProperties" = 1))]
    pub authorization_servers: BTreeMap<String, Server>,
    /// How long answers are reused, and how many are kept.
    pub cache: Cache,
    /// The `realm` of challenges.
    pub realm: String,
    /// Metadata by which clients find the authorization server (RFC 9728), served at
    /// `/.well-known/oauth-protected-resource`, and named in challenges. Off unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protected_resource: Option<ProtectedResource>,
    /// Where a request's token is.
    pub token: Token,
    /// The headers by which upstreams learn who calls.
    pub identity: Identity,
    /// The protected services, by a name of your choice.
    pub upstreams: BTreeMap<String, Upstream>,
    /// Keys of routes, from `auth` on, for all routes that do not write them themselves.
    pub defaults: Defaults,
    /// Which requests go where, and their demands. Matched by specificity, never by order.
    #[schemars(length(min = 1))]
    pub routes: Vec<Route>,
    /// How DPoP proofs (RFC 9449) are checked.
    pub dpop: Dpop,
    /// The logs: level, format and access log.
    pub log: Log,
    /// Traces for an OpenTelemetry collector. Off unless written (`traces: {}` is enough), or
    /// `OTEL_EXPORTER_OTLP_ENDPOINT` or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traces: Option<Traces>,
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            version: 1,
            threads: Threads::Auto,
            shutdown_timeout: Period(Duration::from_secs(30)),
            fast_path: true,
            listeners: vec![Listener::default()],
            public_url: String::new(),
            trusted_proxies: Vec::new(),
            admin: Admin::default(),
            authorization_servers: BTreeMap::new(),
            cache: Cache::default(),
            realm: "introgate".into(),
            protected_resource: None,
            token: Token::default(),
            identity: Identity::default(),
            upstreams: BTreeMap::new(),
            defaults: Defaults::default(),
            routes: Vec::new(),
            dpop: Dpop::default(),
            log: Log::default(),
            traces: None,
        }
    }
}

/// RFC 9728.
#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["resource"]))]
pub struct ProtectedResource {
    /// The resource's identifier, an https URL without query and fragment:
    /// `https://api.example.com`, or with a path, `https://api.example.com/mcp`.
    pub resource: String,
}

/// RFC 9449.
#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dpop {
    /// Signature algorithms that proofs may have: ES256, ES384, EdDSA, PS256, PS384, PS512, RS256,
    /// RS384 and RS512.
    #[schemars(length(min = 1))]
    pub algorithms: Vec<String>,
    /// How old a proof may be, and how far in the future; whole seconds, at most 1h.
    pub window: Period,
    /// `true`: each proof needs a nonce of the gateway, which it hands out in `DPoP-Nonce`.
    pub nonce: bool,
}

impl Default for Dpop {
    fn default() -> Self {
        Self {
            algorithms: ["ES256", "ES384", "EdDSA", "PS256", "RS256"].map(str::to_owned).into(),
            window: Period(Duration::from_secs(60)),
            nonce: false,
        }
    }
}
