//! The cost of a cached answer: resident bytes an entry at a million of them, its rendered headers
//! included, and above the answer itself. The cost of a route that no request has used: resident
//! bytes of the program with many routes, beside one with one.
//!
//! `cargo bench --bench memory`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)] // a benchmark

use introgate::parts::Clock;
use introgate::parts::Metrics;
use introgate::parts::read_answer;
use introgate::parts::{CacheSettings, Entry, Lifetime, Store};
use introgate::parts::{DigestKey, Facts};
use introgate::parts::{Identity, IdentitySettings};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ENTRIES: usize = 1_000_000;

fn main() {
    routes();
    let settings = CacheSettings {
        max_entries: ENTRIES + ENTRIES / 10,
        ttl: Duration::from_secs(3600),
        inactive_ttl: Duration::from_secs(10),
        inactive_max_entries: 10_000,
        refresh_ahead: 0.8,
        stale_if_error: Duration::ZERO,
        guard: None,
    };
    let (clock, key) = (Clock::system(), DigestKey::random());
    let identity = Identity::new(IdentitySettings {
        prefix: "X-Introspected-".into(),
        claims: Vec::new(),
        all_claims: false,
        assertion: None,
    });
    let server: Arc<str> = "main".into();
    let before = resident("self");
    let store = Store::new(&settings, Arc::new(Metrics::new().expect("metrics")));
    let mut answers = 0;
    for n in 0..ENTRIES {
        let answer = answer(n);
        answers += answer.len();
        let Ok(Facts::Active(facts)) = read_answer(answer.as_bytes()) else {
            panic!("not an active answer")
        };
        let now = clock.now();
        let life = Lifetime::of_active(now, facts.expires_at, &settings, 0.0);
        let entry = Arc::new(Entry::new(*facts, server.clone(), life, store.purges()));
        // as a hit does
        let rendered = entry.headers(&identity, Clock::system().now()).expect("headers");
        assert_eq!(identity.headers(&rendered, &entry.facts).count(), 10);
        store.keep_active(key.digest(&format!("token{n}")), entry, now);
    }
    let (held, _) = store.held();
    let each = (resident("self") - before) as f64 / held as f64;
    let answer = answers as f64 / ENTRIES as f64;
    println!(
        "{held} entries: {each:.0} bytes each; the answer itself {answer:.0}, above it {:.0}",
        each - answer
    );
    drop(store);
}

/// RFC 7662 §2.2's example with values that differ from token to token.
fn answer(n: usize) -> String {
    format!(
        r#"{{"active":true,"client_id":"l238j323ds-{:05}","username":"user{n}","scope":"read write dolphin","sub":"Z5O3upPC88QrAjx{n:07}","aud":"https://protected.example.net/resource","iss":"https://server.example.com/","exp":4102444800,"iat":{},"jti":"{n:032x}"}}"#,
        n % 1000,
        1_419_350_238 + n
    )
}

const ROUTES: usize = 10_000;

fn routes() {
    let (one, many) = (with_routes(1), with_routes(ROUTES));
    let each = many.saturating_sub(one) as f64 / (ROUTES - 1) as f64;
    println!(
        "{ROUTES} routes: {:.1} MiB, one: {:.1} MiB; {each:.0} bytes for each",
        mebibytes(many),
        mebibytes(one)
    );
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// Resident bytes of a gateway with so many routes that has answered one request.
fn with_routes(count: usize) -> u64 {
    let port = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port")
        .port();
    let routes: String = (1..count)
        .map(|n| format!("  - {{ name: r{n}, path: /service{n}/items/*, upstream: backend }}\n"))
        .collect();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("gateway.yaml");
    let yaml = format!(
        "listeners: [{{ address: '127.0.0.1:{port}' }}]\n\
         admin: {{ address: 'off' }}\n\
         authorization_servers: {{ main: {{ introspection_endpoint: 'http://127.0.0.1:9/' }} }}\n\
         log: {{ level: error, access: off }}\n\
         upstreams: {{ backend: {{ servers: ['http://127.0.0.1:9'] }} }}\n\
         defaults: {{ scopes: [read] }}\n\
         routes:\n  - {{ path: /*, upstream: backend }}\n{routes}"
    );
    std::fs::write(&file, yaml).expect("write");
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_introgate"))
        .args(["run", "-c"])
        // the memory of loading is given back at once, and not with later traffic
        .env("MIMALLOC_PURGE_DELAY", "0")
        .arg(&file)
        .spawn()
        .expect("the gateway");
    let began = Instant::now();
    let answered = loop {
        let mut answer = [0; 12];
        let asked = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")?;
            stream.read_exact(&mut answer)
        });
        if asked.is_ok() || began.elapsed() > Duration::from_secs(60) {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    std::thread::sleep(Duration::from_millis(500));
    let resident = resident(&gateway.id().to_string());
    gateway.kill().and_then(|()| gateway.wait()).expect("its end");
    assert_eq!(&answered, b"HTTP/1.1 401", "a request without a token");
    resident
}

/// Resident bytes of a process.
fn resident(process: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
