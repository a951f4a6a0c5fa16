//! The hot path piece by piece, without sockets: time and heap allocations of each.
//!
//! `cargo bench --bench gate`; a part of a name behind `--` picks some.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark that cannot start has to stop

mod support;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use divan::{AllocProfiler, Bencher, black_box};
use futures::FutureExt;
use http::{HeaderMap, HeaderValue, Method};
use introgate::parts::Clock;
use introgate::parts::Decisions;
use introgate::parts::read_answer;
use introgate::parts::{AccessToken, AuthScheme, Credential, DigestKey, Facts};
use introgate::parts::{AssertionKey, AssertionSettings};
use introgate::parts::{AuthMode, Condition, Policy, PolicySettings, ServerDemands};
use introgate::parts::{BatchSettings, Sampling, Share, TraceProtocol, TraceSettings, Traces};
use introgate::parts::{DPOP, Dpop, DpopSettings, Thumbprint, thumbprint};
use introgate::parts::{Forwarded, RequestView};
use introgate::parts::{Identity, IdentitySettings};
use introgate::parts::{Metrics, SpanKind, TraceContext};
use introgate::parts::{PathPattern, Reach, RouteTable};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use support::{ANSWER, TOKEN, access_line, gate, gate_with_limit, headers, view};

#[global_allocator]
static ALLOCATOR: AllocProfiler<mimalloc::MiMalloc> = AllocProfiler::new(mimalloc::MiMalloc);

fn main() {
    divan::main();
}

#[divan::bench(args = [1, 100, 10_000])]
fn route(bencher: Bencher, routes: usize) {
    let reach = |n| Reach {
        hosts: Vec::new(),
        paths: [PathPattern::parse(&format!("/service{n}/items/*")).unwrap()].into(),
        methods: Vec::new(),
        keeps_encoded_slashes: false,
    };
    let reaches: Vec<Reach> = (0..routes).map(reach).collect();
    let table = RouteTable::build(&reaches).unwrap();
    let path = format!("/service{}/items/17", routes / 2);
    bencher
        .bench_local(|| table.find(black_box("api.example.com"), black_box(&path), &Method::GET));
}

#[divan::bench]
fn digest(bencher: Bencher) {
    let key = DigestKey::random();
    bencher.bench_local(|| key.digest(black_box(TOKEN)));
}

#[divan::bench(threads = [1, 2])]
fn cache_hit(bencher: Bencher) {
    let gate = gate();
    let cached = &gate.routes[0]
        .servers
        .meant_for(AccessToken::parse(TOKEN.as_bytes(), 8192).unwrap())
        .unwrap()
        .cached;
    let (forwarded, now) = (Forwarded::default(), Clock::system().now());
    bencher.bench(|| {
        let token = AccessToken::parse(black_box(TOKEN).as_bytes(), 8192).unwrap();
        cached.find(token, &forwarded, None, now, None).now_or_never().unwrap()
    });
}

/// The cost of the list of the last decisions for each request: no allocation once the slots are
/// used.
#[divan::bench(threads = [1, 2])]
fn decision_kept(bencher: Bencher) {
    let decisions = Decisions::default();
    for _ in 0..1000 {
        decisions.push(&access_line("/items/17"));
    }
    bencher.bench(|| decisions.push(black_box(&access_line("/items/17"))));
}

#[divan::bench]
fn policy(bencher: Bencher) {
    let Ok(Facts::Active(facts)) = read_answer(ANSWER) else { return };
    let demands = PolicySettings { scopes: vec!["read".into()], ..PolicySettings::default() };
    let dpop = Arc::new(Dpop::new(DpopSettings::default(), &DigestKey::random()));
    let policy = Policy::new(AuthMode::Required, demands, dpop);
    let Ok(token) = AccessToken::parse(TOKEN.as_bytes(), 8192) else { return };
    let credential = Credential { token, scheme: AuthScheme::Bearer };
    let now = introgate::parts::Clock::system().now();
    let (headers, forwarded) = (headers(), Forwarded::default());
    let request = view(&headers, &forwarded);
    let server = ServerDemands::default();
    bencher.bench_local(|| {
        policy.evaluate(credential, black_box(&facts), &request, &server, now).is_ok()
    });
}

#[divan::bench]
fn header_rendering(bencher: Bencher) {
    let Ok(Facts::Active(facts)) = read_answer(ANSWER) else { return };
    let identity = Identity::new(IdentitySettings {
        prefix: "X-Introspected-".into(),
        claims: Vec::new(),
        all_claims: false,
        assertion: None,
    });
    let now = Clock::system().now();
    bencher.bench_local(|| identity.render(black_box(&facts), "main", now));
}

#[divan::bench]
fn answer_parsing(bencher: Bencher) {
    bencher.bench_local(|| read_answer(black_box(ANSWER)));
}

/// The whole decision about a request whose token is cached.
#[divan::bench]
fn check_of_a_cached_token(bencher: Bencher) {
    let gate = gate();
    let headers: HeaderMap = headers();
    let forwarded = Forwarded::default();
    let view: RequestView<'_> = view(&headers, &forwarded);
    bencher
        .bench_local(|| gate.check(black_box(&view), None).now_or_never().unwrap().outcome.is_ok());
}

/// The same on a route with a rate limit.
#[divan::bench(threads = [1, 2])]
fn check_with_a_rate_limit(bencher: Bencher) {
    let gate = gate_with_limit();
    let headers: HeaderMap = headers();
    let forwarded = Forwarded::default();
    let view: RequestView<'_> = view(&headers, &forwarded);
    assert!(gate.check(&view, None).now_or_never().unwrap().outcome.is_ok());
    bencher.bench(|| gate.check(black_box(&view), None).now_or_never().unwrap().outcome.is_ok());
}

/// The signature of a DPoP proof and all checks of it, on a route with one scope: `policy` is the
/// same without a proof. Not the memory of proofs that were used, which takes each once.
#[divan::bench]
fn dpop_proof(bencher: Bencher) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let key = EncodingKey::from_ec_der(pair.to_pkcs8v1().unwrap().as_ref());
    let jwk = Jwk::from_encoding_key(&key, Algorithm::ES256).unwrap();
    let members = serde_json::to_value(&jwk).unwrap();
    let jkt = thumbprint(members.as_object().unwrap()).unwrap().to_string();
    let mut answer: serde_json::Value = serde_json::from_slice(ANSWER).unwrap();
    answer["cnf"] = json!({ "jkt": jkt });
    let Ok(Facts::Active(facts)) = read_answer(answer.to_string().as_bytes()) else { return };

    let now = Clock::system().now();
    let claims = json!({
        "jti": "one", "htm": "GET", "htu": "https://api.example.com/api/items",
        "iat": now.unix_seconds(), "ath": Thumbprint::hash(TOKEN.as_bytes()).to_string(),
    });
    let header = jsonwebtoken::Header {
        typ: Some("dpop+jwt".into()),
        jwk: Some(jwk),
        ..jsonwebtoken::Header::new(Algorithm::ES256)
    };
    let proof = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let mut headers = headers();
    headers.insert(DPOP, HeaderValue::try_from(proof).unwrap());
    let forwarded = Forwarded::default();
    let request =
        RequestView { public_url: Some("https://api.example.com"), ..view(&headers, &forwarded) };

    let demands = PolicySettings { scopes: vec!["read".into()], ..PolicySettings::default() };
    let dpop = Arc::new(Dpop::new(DpopSettings::default(), &DigestKey::random()));
    let policy = Policy::new(AuthMode::Required, demands, dpop);
    let token = AccessToken::parse(TOKEN.as_bytes(), 8192).unwrap();
    let credential = Credential { token, scheme: AuthScheme::Dpop };
    let server = ServerDemands::default();
    assert!(policy.evaluate(credential, &facts, &request, &server, now).is_ok());
    bencher.bench_local(|| {
        policy.evaluate(credential, black_box(&facts), &request, &server, now).is_ok()
    });
}

/// Rendering the headers with a signed assertion, once for half of its life: `header_rendering` is
/// the same without one.
#[divan::bench(args = ["ES256", "EdDSA"])]
fn header_rendering_with_an_assertion(bencher: Bencher, algorithm: &str) {
    let Ok(Facts::Active(facts)) = read_answer(ANSWER) else { return };
    let (key, algorithm) = match algorithm {
        "EdDSA" => {
            let pair = Ed25519KeyPair::generate().unwrap();
            let der = pair.to_pkcs8v1().unwrap();
            (EncodingKey::from_ed_der(der.as_ref()), Algorithm::EdDSA)
        }
        _ => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
            let der = pair.to_pkcs8v1().unwrap();
            (EncodingKey::from_ec_der(der.as_ref()), Algorithm::ES256)
        }
    };
    let identity = Identity::new(IdentitySettings {
        prefix: "X-Introspected-".into(),
        claims: Vec::new(),
        all_claims: false,
        assertion: Some(AssertionSettings {
            key: Arc::new(AssertionKey::new(key, algorithm).unwrap()),
            issuer: "introgate".into(),
            audience: "https://internal.example.com".into(),
            ttl: Duration::from_secs(60),
        }),
    });
    let now = Clock::system().now();
    bencher.bench_local(|| identity.render(black_box(&facts), "main", now));
}

/// A condition over claims and the request: what a route with `require` pays for each request.
#[divan::bench(args = [
    "request.method == 'GET'",
    "'read' in scopes",
    "claims.client_id == 'l238j323ds-23ij4' && !has(claims.act)",
])]
fn require(bencher: Bencher, source: &str) {
    let Ok(Facts::Active(facts)) = read_answer(ANSWER) else { return };
    let condition = Condition::compile(source, None).unwrap();
    let demands =
        PolicySettings { require: Some(Arc::new(condition)), ..PolicySettings::default() };
    let dpop = Arc::new(Dpop::new(DpopSettings::default(), &DigestKey::random()));
    let policy = Policy::new(AuthMode::Required, demands, dpop);
    let Ok(token) = AccessToken::parse(TOKEN.as_bytes(), 8192) else { return };
    let credential = Credential { token, scheme: AuthScheme::Bearer };
    let now = introgate::parts::Clock::system().now();
    let (headers, forwarded) = (headers(), Forwarded::default());
    let request = view(&headers, &forwarded);
    let server = ServerDemands::default();
    bencher.bench_local(|| {
        policy.evaluate(credential, black_box(&facts), &request, &server, now).is_ok()
    });
}

/// The sampled flag is not set.
const UNSAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
const SAMPLED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// `sample: parent`, and a queue of one span: it is always full.
fn trace_settings() -> TraceSettings {
    TraceSettings {
        endpoint: "http://127.0.0.1:4318/v1/traces".parse().unwrap(),
        protocol: TraceProtocol::HttpProtobuf,
        headers: Vec::new(),
        sampling: Sampling { heeds_parent: true, share: Share::NONE },
        timeout: Duration::from_secs(10),
        batch: BatchSettings {
            schedule_delay: Duration::from_secs(5),
            export_timeout: Duration::from_secs(30),
            max_queue_size: 1,
            max_export_batch_size: 1,
        },
        resource: Vec::new(),
    }
}

/// The place of a request in its trace: with traces off, with traces on and the request not
/// recorded, with traces on and the request recorded. In a request that is not recorded, nothing
/// else depends on traces.
#[divan::bench(args = ["off", "not recorded", "recorded"])]
fn trace_context(bencher: Bencher, traces: &str) {
    let settings = (traces != "off").then(trace_settings);
    let metrics = Metrics::new().unwrap();
    let held = Traces::default();
    let tracer = held.tracer(settings.as_ref(), &metrics);
    let given = if traces == "recorded" { SAMPLED } else { UNSAMPLED };
    let mut headers = headers();
    headers.insert("traceparent", HeaderValue::from_static(given));
    let now = Clock::system().now();
    let context = || {
        TraceContext::from_headers(
            black_box(&headers),
            tracer.as_ref(),
            now,
            http::Version::HTTP_11,
        )
    };
    assert_eq!(context().spans.is_some(), traces == "recorded");
    bencher.bench_local(context);
}

/// The span of a recorded request, with as many attributes as most have.
#[divan::bench]
fn span(bencher: Bencher) {
    let metrics = Metrics::new().unwrap();
    let held = Traces::default();
    let tracer = held.tracer(Some(&trace_settings()), &metrics);
    let mut headers = headers();
    headers.insert("traceparent", HeaderValue::from_static(SAMPLED));
    let now = Clock::system().now();
    let context =
        TraceContext::from_headers(&headers, tracer.as_ref(), now, http::Version::HTTP_11);
    let recorder = context.recorder().unwrap();
    bencher.bench_local(|| {
        let name = "GET /items/*".to_owned();
        let mut span = recorder.begin(recorder.span(), SpanKind::Server, name, now);
        for name in [
            "http.request.method",
            "url.path",
            "http.route",
            "introgate.route",
            "url.scheme",
            "server.address",
            "client.address",
            "network.protocol.version",
            "introgate.decision",
            "introgate.cache",
            "introgate.authorization_server",
        ] {
            span.text(name, black_box("some value"));
        }
        span.number("http.response.status_code", 200);
        recorder.end(span, now);
    });
}
