//! A gate over an authorization server that answers at once, with one token in its cache.

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, header};
use introgate::parts::Challenge;
use introgate::parts::Clock;
use introgate::parts::{AccessLine, Cache, Timestamp};
use introgate::parts::{AuthMode, Policy, PolicySettings, ServerDemands};
use introgate::parts::{
    BadAnswer, Failure, FailureKind, Inquiry, Introspector, TokenSelector, read_answer,
};
use introgate::parts::{Buckets, Per, RateLimitSettings};
use introgate::parts::{CacheSettings, Cached, FactsSource, Store};
use introgate::parts::{DigestKey, Facts};
use introgate::parts::{Dpop, DpopSettings};
use introgate::parts::{Forwarded, RequestView};
use introgate::parts::{Gate, Limiter, Proofs, Route, RouteServer, Servers};
use introgate::parts::{Metrics, Occasionally};
use introgate::parts::{PathPattern, Reach, RouteTable};
use introgate::parts::{TokenPlace, TokenSettings};
use std::sync::Arc;
use std::time::Duration;

pub const TOKEN: &str = "tok000000000000000000000000000001ab";

/// RFC 7662 §2.2's example, with times that hold.
pub const ANSWER: &[u8] = br#"{"active":true,"client_id":"l238j323ds-23ij4","username":"jdoe","scope":"read write dolphin","sub":"Z5O3upPC88QrAjx00dis","aud":"https://protected.example.net/resource","iss":"https://server.example.com/","exp":4102444800,"iat":1419350238}"#;

pub const SETTINGS: CacheSettings = CacheSettings {
    max_entries: 100_000,
    ttl: Duration::from_secs(3600),
    inactive_ttl: Duration::from_secs(10),
    inactive_max_entries: 10_000,
    refresh_ahead: 0.8,
    stale_if_error: Duration::ZERO,
    guard: None,
};

struct AtOnce;

#[async_trait]
impl Introspector for AtOnce {
    async fn introspect(&self, _: &Inquiry) -> Result<Facts, Failure> {
        read_answer(ANSWER)
            .map_err(|error: BadAnswer| Failure::new(FailureKind::BadResponse, error.to_string()))
    }
}

/// One route with a scope.
pub fn gate() -> Gate<()> {
    gate_with(None)
}

/// The same with a rate limit, which is never reached.
pub fn gate_with_limit() -> Gate<()> {
    let settings = RateLimitSettings {
        per: Per::ClientId,
        requests: 1_000_000_000,
        window: Duration::from_secs(3600),
    };
    let buckets = (Arc::new(Buckets::default()), 1 << 20);
    let key = DigestKey::random();
    gate_with(Some(Limiter::new("all", settings, &key, buckets, Clock::system(), None)))
}

fn gate_with(rate_limit: Option<Limiter>) -> Gate<()> {
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let store = Arc::new(Store::new(&SETTINGS, metrics.clone()));
    let source = FactsSource {
        server: "main".into(),
        key: DigestKey::random(),
        told_hosts: None,
        address: None,
        introspector: Arc::new(AtOnce),
    };
    let clock = Clock::system();
    let cached = Arc::new(Cached::new(source, SETTINGS, store, clock, &metrics));
    let demands = PolicySettings { scopes: vec!["read".into()], ..PolicySettings::default() };
    let reach = Reach {
        hosts: Vec::new(),
        paths: [PathPattern::parse("/*").expect("a path")].into(),
        methods: Vec::new(),
        keeps_encoded_slashes: false,
    };
    let dpop = Arc::new(Dpop::new(DpopSettings::default(), &DigestKey::random()));
    let route = Route {
        name: "all".into(),
        policy: Policy::new(AuthMode::Required, demands, dpop.clone()),
        servers: Servers::new(vec![Arc::new(RouteServer {
            cached,
            tokens: TokenSelector::default(),
            demands: ServerDemands::default(),
        })]),
        limits: Arc::default(),
        rate_limit: rate_limit.map(Box::new),
        preflight_pass: false,
        challenge: Challenge::new("introgate", ["read"]).into(),
        log: Occasionally::default(),
        leads_to: (),
    };
    let gate = Gate {
        table: RouteTable::build(&[reach]).expect("a table"),
        routes: vec![Arc::new(route)],
        token: TokenSettings {
            from: vec![TokenPlace::Authorization],
            max_length: 8192,
            forward: false,
        },
        proofs: Proofs { dpop, seen: Arc::default(), shared: None },
    };
    let (headers, forwarded) = (headers(), Forwarded::default());
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    assert!(runtime.block_on(gate.check(&view(&headers, &forwarded), None)).outcome.is_ok());
    gate
}

pub fn headers() -> HeaderMap {
    headers_with(TOKEN)
}

#[allow(dead_code)] // not of every benchmark
pub fn headers_with(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("bench/1"));
    headers.insert(
        header::AUTHORIZATION,
        HeaderValue::try_from(format!("Bearer {token}")).expect("a header"),
    );
    headers
}

pub fn view<'r>(headers: &'r HeaderMap, forwarded: &'r Forwarded) -> RequestView<'r> {
    RequestView {
        host: "127.0.0.1",
        path: "/api/items",
        query: Some("page=1"),
        ..RequestView::bare(headers, forwarded)
    }
}

/// The access log's line of a permitted request.
#[allow(dead_code)] // not of every benchmark
pub fn access_line(path: &str) -> AccessLine<'_> {
    AccessLine {
        ts: Timestamp { unix_millis: 1_700_000_000_000 },
        level: "info",
        request_id: "0af7651916cd43dd8448eb211c80319c",
        trace_id: "0af7651916cd43dd8448eb211c80319c",
        client_ip: Some([192, 0, 2, 1].into()),
        method: "GET",
        host: "api.example.com",
        path,
        route: Some("items"),
        status: 200,
        duration: Duration::from_micros(700),
        upstream: Some("api"),
        upstream_took: Some(Duration::from_micros(500)),
        decision: "allow",
        reason: None,
        enforced: true,
        sub: Some("alice"),
        client_id: Some("app"),
        act_sub: None,
        server: Some("main"),
        cache: Cache::Hit,
        introspection: None,
        token_fp: None,
    }
}
