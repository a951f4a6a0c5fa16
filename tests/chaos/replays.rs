//! Proofs of possession that are sent again and again, to every gateway of a fleet whose Redis
//! hangs and loses its connections: none is accepted twice.

use crate::jwt::Signer;
use crate::proof::{Client, ORIGIN};
use crate::support::{AuthorizationServer, Gateway, REDIS_KEY, Redis, Upstream, wait_until};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const CONFIGURATION: &str = "
authorization_servers: { main: { introspection_endpoint: '@AS@' } }
cache: { redis: { url: '@REDIS@', key: '@KEY@' } }
log: { level: error, access: off }
routes:
  - { name: all, path: /*, upstream: '@UPSTREAM@', binding: { dpop: required } }
";

const GATEWAYS: usize = 3;
const CLIENTS: u64 = 4;

/// Proofs of a client that are replayed later; all are within `dpop.window`.
const REMEMBERED: usize = 50;

#[derive(Default)]
struct Tally {
    accepted: AtomicU64,
    /// Proofs that no gateway accepted, while Redis could not say whether they were used.
    closed: AtomicU64,
    replays_refused: AtomicU64,
    replays_accepted: AtomicU64,
}

/// The trouble that was made.
#[derive(Default)]
struct Made {
    hangs: u64,
    lost_connections: u64,
    reloads: u64,
}

#[test]
fn no_replay_is_accepted_while_redis_hangs() {
    let Some(redis) = Redis::start() else { return };
    let seconds = std::env::var("CHAOS_SECONDS")
        .map_or(4, |text| text.parse().expect("CHAOS_SECONDS is a number of seconds"));
    let seed: u64 = std::env::var("CHAOS_SEED")
        .map_or_else(|_| rand::random(), |text| text.parse().expect("CHAOS_SEED is a number"));
    let (server, upstream, owner) =
        (AuthorizationServer::start(), Upstream::start(), Client::of(Signer::p256("")));
    owner.own(&server, "bound");
    let yaml = CONFIGURATION
        .replace("@AS@", &server.url())
        .replace("@UPSTREAM@", &upstream.url())
        .replace("@REDIS@", &redis.url())
        .replace("@KEY@", REDIS_KEY);
    let gateways: Vec<Gateway> = (0..GATEWAYS).map(|_| Gateway::start(&yaml)).collect();
    let all_pass = || gateways.iter().all(|gateway| owner.get(gateway, "bound").status == 200);
    wait_until("Redis is in use", all_pass);
    let before = upstream.count() as u64;

    let (tally, done) = (Tally::default(), AtomicBool::new(false));
    let made = std::thread::scope(|scope| {
        for client in 1..=CLIENTS {
            let (tally, done, gateways, owner) = (&tally, &done, &gateways, &owner);
            let random = StdRng::seed_from_u64(seed.wrapping_add(client));
            scope.spawn(move || keep_replaying(gateways, owner, tally, done, random));
        }
        let _stop = Stop(&done);
        stir(&redis, &gateways, Duration::from_secs(seconds), StdRng::seed_from_u64(seed))
    });
    let forwarded = upstream.count() as u64 - before;
    wait_until("all is well again", all_pass);

    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let (accepted, closed) = (count(&tally.accepted), count(&tally.closed));
    let (refused, twice) = (count(&tally.replays_refused), count(&tally.replays_accepted));
    println!(
        "{GATEWAYS} gateways that demand DPoP, {seconds} s, CHAOS_SEED={seed}\n\
         {:>9}  times Redis hung\n{:>9}  times it lost its connections\n{:>9}  reloads\n\
         {accepted:>9}  proofs accepted\n{closed:>9}  proofs refused everywhere\n\
         {refused:>9}  replays refused\n{twice:>9}  replays accepted",
        made.hangs, made.lost_connections, made.reloads
    );
    assert_eq!(twice, 0, "CHAOS_SEED={seed}");
    assert_eq!(forwarded, accepted, "CHAOS_SEED={seed}: one request for each accepted proof");
    assert!(accepted > 50 && closed > 0 && refused > 100, "too little happened");
}

/// It hangs, or loses its connections, while the gateways read their configuration again. It is not
/// emptied: that a Redis which forgets takes the memory of proofs along is documented.
fn stir(redis: &Redis, gateways: &[Gateway], how_long: Duration, mut random: StdRng) -> Made {
    let mut made = Made::default();
    let end = Instant::now() + how_long;
    let mut first = true;
    while first || Instant::now() < end {
        let pause = |random: &mut StdRng| {
            std::thread::sleep(Duration::from_millis(random.random_range(200..1000)));
        };
        if first || random.random_ratio(2, 3) {
            made.hangs += 1;
            redis.pause();
            pause(&mut random);
            redis.resume();
        } else {
            made.lost_connections += 1;
            let _: i64 = redis.command("CLIENT KILL TYPE normal SKIPME yes");
        }
        first = false;
        if random.random_ratio(1, 3) {
            made.reloads += 1;
            gateways[random.random_range(0..gateways.len())].sighup();
        }
        // long enough for the gateways to find it again
        std::thread::sleep(Duration::from_millis(random.random_range(1200..2000)));
    }
    made
}

/// One client: each proof goes to several gateways, at once or one after the other, and older ones
/// are sent again.
fn keep_replaying(
    gateways: &[Gateway],
    owner: &Client,
    tally: &Tally,
    done: &AtomicBool,
    mut random: StdRng,
) {
    let accepts = |gateway: usize, proof: &str| {
        let headers = [("Authorization", "DPoP bound"), ("DPoP", proof)];
        let response = gateways[gateway].get("/", &headers);
        assert!([200, 401].contains(&response.status), "{response:?}");
        response.status == 200
    };
    let mut remembered: VecDeque<(String, bool)> = VecDeque::new();
    while !done.load(Ordering::Relaxed) {
        let proof = owner.proof("GET", ORIGIN, "bound");
        let targets: Vec<usize> = (0..random.random_range(2..5))
            .map(|_| random.random_range(0..gateways.len()))
            .collect();
        let outcomes: Vec<bool> = if random.random_ratio(1, 2) {
            std::thread::scope(|scope| {
                let sent: Vec<_> = targets
                    .iter()
                    .map(|&target| {
                        let (accepts, proof) = (&accepts, &proof);
                        scope.spawn(move || accepts(target, proof))
                    })
                    .collect();
                sent.into_iter().map(|thread| thread.join().expect("an answer")).collect()
            })
        } else {
            targets.iter().map(|&target| accepts(target, &proof)).collect()
        };
        let accepted = outcomes.iter().filter(|accepted| **accepted).count() as u64;
        let refused = outcomes.len() as u64 - accepted;
        let add = |counter: &AtomicU64, count| counter.fetch_add(count, Ordering::Relaxed);
        match accepted {
            0 => add(&tally.closed, 1),
            _ => add(&tally.accepted, 1),
        };
        add(&tally.replays_accepted, accepted.saturating_sub(1));
        add(&tally.replays_refused, refused.saturating_sub(u64::from(accepted == 0)));
        remembered.push_back((proof, accepted > 0));
        if remembered.len() > REMEMBERED {
            remembered.pop_front();
        }
        // a proof that was refused everywhere may pass yet, once
        let older = random.random_range(0..remembered.len());
        if let Some((proof, was_accepted)) = remembered.get_mut(older) {
            let accepted = accepts(random.random_range(0..gateways.len()), proof);
            match (accepted, *was_accepted) {
                (true, true) => add(&tally.replays_accepted, 1),
                (true, false) => add(&tally.accepted, 1),
                (false, _) => add(&tally.replays_refused, 1),
            };
            *was_accepted |= accepted;
        }
    }
}

struct Stop<'d>(&'d AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
