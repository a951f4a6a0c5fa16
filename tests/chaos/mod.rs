//! Clients that never stop, tokens that are revoked and purged, a configuration that is reloaded,
//! and an authorization server that dies, hangs, lies and comes back: no answer may be wrong. A few
//! seconds in every test run; for a minute or more, with the figures printed, `make chaos`. Alone,
//! and in a fleet that shares a Redis. A third scene has responses that go on ([`streams`]).

mod changes;
mod replays;
mod streams;
mod trouble;
mod truth;

use crate::support::{
    AuthorizationServer, Connection, Gateway, REDIS_KEY, Redis, Upstream, request_bytes, wait_until,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use trouble::Trouble;
use truth::{Seen, Token, Truth};

const CLIENTS: u64 = 6;

/// The ttl is short, so that expiry, refreshing ahead and stale answers all happen many times.
const CONFIGURATION: &str = "
authorization_servers:
  main: { introspection_endpoint: '@AS@', timeout: 1s, circuit_breaker: { failures: 3, open_for: 300ms } }
cache: { ttl: 500ms, inactive_ttl: 200ms, stale_if_error: 1s@REDIS@ }
log: { level: error, access: off }
routes:
  - { name: all, path: /*, upstream: '@UPSTREAM@', scopes: [read] }
";

/// How long after its revocation a token may still pass: an introspection that was under way, then
/// the ttl, then the time for which answers serve while the server fails, and a moment for a
/// machine that is busy.
const LONGEST_PASS: Duration = Duration::from_millis(1000 + 500 + 1000 + 500);

#[test]
fn no_answer_is_wrong_whatever_the_server_does() {
    stir(1, None);
}

/// Gateways that share a Redis, which is stopped, hangs and drops connections too.
#[test]
fn no_answer_of_a_fleet_is_wrong() {
    if let Some(redis) = Redis::start() {
        stir(2, Some(redis));
    }
}

fn stir(gateways: usize, redis: Option<Redis>) {
    let seconds = std::env::var("CHAOS_SECONDS")
        .map_or(4, |text| text.parse().expect("CHAOS_SECONDS is a number of seconds"));
    let seed: u64 = std::env::var("CHAOS_SEED")
        .map_or_else(|_| rand::random(), |text| text.parse().expect("CHAOS_SEED is a number"));
    let shared = redis
        .as_ref()
        .map(|redis| format!(", redis: {{ url: '{}', key: '{REDIS_KEY}' }}", redis.url()));
    let with_redis = CONFIGURATION.replace("@REDIS@", &shared.unwrap_or_default());
    let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
    let configuration =
        with_redis.replace("@AS@", &server.url()).replace("@UPSTREAM@", &upstream.url());
    let gateways: Vec<Gateway> = (0..gateways).map(|_| Gateway::start(&configuration)).collect();
    let truth = Truth::new(server, LONGEST_PASS);
    let (tally, done) = (Tally::default(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for (client, gateway) in (1..=CLIENTS).zip(gateways.iter().cycle()) {
            let (truth, tally, done, port) = (&truth, &tally, &done, gateway.port());
            scope.spawn(move || {
                keep_asking(
                    port,
                    truth,
                    tally,
                    done,
                    StdRng::seed_from_u64(seed.wrapping_add(client)),
                )
            });
        }
        // the clients stop also when this fails
        let _stop = Stop(&done);
        let mut trouble = Trouble {
            random: StdRng::seed_from_u64(seed),
            truth: &truth,
            gateways: &gateways,
            redis,
            configuration,
        };
        trouble.stir(Duration::from_secs(seconds));
    });
    wait_until("every good token passes again", || {
        let passes = |number| {
            gateways
                .iter()
                .all(|gateway| gateway.get_with("/", &Token::Steady(number).text()).status == 200)
        };
        (0..Token::STEADY).all(passes)
    });
    for metrics in gateways.iter().map(Gateway::metrics) {
        tally
            .introspections
            .fetch_add(total(&metrics, "introgate_introspections_total"), Ordering::Relaxed);
        tally.stale.fetch_add(total(&metrics, "introgate_stale_served_total"), Ordering::Relaxed);
    }
    println!("{} gateways, {seconds} s, CHAOS_SEED={seed}\n{tally}", gateways.len());
    let wrong = std::mem::take(&mut *tally.wrong.lock().expect("the list"));
    assert!(
        wrong.is_empty(),
        "CHAOS_SEED={seed}, {} wrong answers, the first: {:#?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    let count = |status| -> u64 {
        let outcomes = tally.outcomes.lock().expect("the counts");
        outcomes.iter().filter(|((of, _), _)| *of == status).map(|(_, count)| count).sum()
    };
    let (passed, unknown, refused) = (count(200), count(503), count(401));
    assert!(passed > 100 && unknown > 0 && refused > 0, "too little happened: {tally}");
}

/// One client: one request after the other, over connections that it keeps.
fn keep_asking(port: u16, truth: &Truth, tally: &Tally, done: &AtomicBool, mut random: StdRng) {
    let mut connection = Connection::open(port);
    while !done.load(Ordering::Relaxed) {
        let token = truth.pick(&mut random);
        let authorization = format!("Bearer {}", token.text());
        let headers = [("Authorization", authorization.as_str())];
        if random.random_ratio(1, 50) {
            // a client that goes away in the middle
            let mut gone = Connection::open(port);
            let _ = gone.send(&request_bytes("GET", "/", &headers, b""));
            tally.gone.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let sent = Instant::now();
        match connection.request("GET", "/", &headers, b"") {
            Ok(response) => {
                let seen = Seen {
                    token,
                    sent,
                    received: Instant::now(),
                    status: response.status,
                    reason: response.reason(),
                    subject: truth::subject(&response),
                };
                *tally
                    .outcomes
                    .lock()
                    .expect("the counts")
                    .entry((seen.status, seen.reason.clone()))
                    .or_default() += 1;
                if let Some(why) = truth.wrong(&seen) {
                    tally.wrong.lock().expect("the list").push(format!("{why}: {seen:?}"));
                }
            }
            Err(error) => {
                tally.wrong.lock().expect("the list").push(format!("no answer: {error}"));
                connection = Connection::open(port);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[derive(Default)]
struct Tally {
    /// By status and reason.
    outcomes: Mutex<BTreeMap<(u16, String), u64>>,
    /// Requests whose client did not wait for the answer.
    gone: AtomicU64,
    introspections: AtomicU64,
    /// Answers that served past their ttl.
    stale: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcomes = self.outcomes.lock().expect("the counts");
        let line =
            |f: &mut fmt::Formatter<'_>, what: &str, count: u64| writeln!(f, "{count:>9}  {what}");
        line(f, "requests answered", outcomes.values().sum())?;
        for ((status, reason), count) in &*outcomes {
            line(
                f,
                &format!("  {status} {}", if reason.is_empty() { "passed" } else { reason }),
                *count,
            )?;
        }
        line(f, "requests whose client went away", self.gone.load(Ordering::Relaxed))?;
        line(
            f,
            "passed by answers past their ttl (stale_if_error)",
            self.stale.load(Ordering::Relaxed),
        )?;
        line(f, "introspections", self.introspections.load(Ordering::Relaxed))?;
        line(f, "wrong answers", self.wrong.lock().expect("the list").len() as u64)
    }
}

/// The sum over all labels.
fn total(metrics: &str, name: &str) -> u64 {
    let samples = metrics.lines().filter(|line| line.split('{').next() == Some(name));
    samples.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
}

struct Stop<'d>(&'d AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
