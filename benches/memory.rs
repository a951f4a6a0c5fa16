//! The cost of a cached answer: resident bytes an entry at a million of them, its rendered headers
//! included, and above the answer itself.
//!
//! `cargo bench --bench memory`

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::cast_precision_loss)] // a benchmark

use introgate::parts::Clock;
use introgate::parts::Metrics;
use introgate::parts::read_answer;
use introgate::parts::{CacheSettings, Entry, Lifetime, Store};
use introgate::parts::{DigestKey, Facts};
use introgate::parts::{Identity, IdentitySettings};
use std::sync::Arc;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ENTRIES: usize = 1_000_000;

fn main() {
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
    let before = resident();
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
    let each = (resident() - before) as f64 / held as f64;
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

/// Resident bytes of this process.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
