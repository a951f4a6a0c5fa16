//! Gateways that share a Redis share the budgets of `rate_limit`.

use super::{Fleet, cache, looks};
use crate::support::{Redis, one_route, wait_until};

/// Two gateways with a limit of 10, of which none comes back while a test runs.
fn limited(redis: &Redis) -> Fleet {
    let mut fleet = Fleet::with(0, "");
    let route = one_route("rate_limit: { per: client_id, requests: 10, window: 10h }");
    for _ in 0..2 {
        fleet.add(&format!("{}{route}", cache(&redis.url(), "", "")));
    }
    fleet.wait_until_up();
    fleet
}

fn passed(fleet: &Fleet, gateway: usize, requests: usize) -> usize {
    let statuses = (0..requests).map(|_| fleet.get(gateway, "good"));
    statuses.inspect(|status| assert!([200, 429].contains(status))).filter(|&it| it == 200).count()
}

fn calls(redis: &Redis) -> u64 {
    let info: String = redis.command("INFO commandstats");
    let line = info.lines().find_map(|line| line.strip_prefix("cmdstat_eval:calls="));
    line.and_then(|line| line.split(',').next()?.parse().ok()).unwrap_or(0)
}

#[test]
fn together_they_admit_the_limit() {
    let Some(redis) = Redis::start() else { return };
    let fleet = limited(&redis);
    let count = std::thread::scope(|scope| {
        let send = |gateway| {
            let fleet = &fleet;
            scope.spawn(move || passed(fleet, gateway, 10))
        };
        let threads = [send(0), send(1), send(0), send(1)];
        threads.into_iter().map(|thread| thread.join().expect("a count")).sum::<usize>()
    });
    assert_eq!((count, fleet.upstream.count()), (10, 10));
    let refused = fleet.gateways[0].get_with("/", "good");
    assert_eq!((refused.status, refused.reason()), (429, "rate_limited".into()));
    let seconds: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!((1..=3600).contains(&seconds), "{seconds}");

    let dump = redis.dump();
    for text in ["alice", "client_id"] {
        let found = dump.windows(text.len()).any(|part| part == text.as_bytes());
        assert!(!found, "Redis shows no {text}");
    }
}

/// Once the budget is known to be spent, a gateway refuses without asking.
#[test]
fn a_flood_does_not_reach_redis() {
    let Some(redis) = Redis::start() else { return };
    let fleet = limited(&redis);
    assert_eq!(passed(&fleet, 0, 100), 10);
    assert_eq!(calls(&redis), 10);
    assert_eq!(passed(&fleet, 1, 100), 0);
    assert_eq!(calls(&redis), 11);
}

/// Without Redis each gateway limits on its own: it counts the requests that it passed.
#[test]
fn without_redis_each_limits_on_its_own() {
    let Some(mut redis) = Redis::start() else { return };
    let fleet = limited(&redis);
    assert_eq!((passed(&fleet, 0, 4), passed(&fleet, 1, 2)), (4, 2));
    redis.stop();
    wait_until("the loss is noticed", || {
        let state = |at: usize| fleet.gateways[at].admin_get("/api/status").json();
        (0..2).all(|at| state(at)["redis"]["state"] == "bypassed")
    });
    assert_eq!((passed(&fleet, 0, 20), passed(&fleet, 1, 20)), (6, 8));
    assert!(looks(&fleet.gateways[0], "error") >= 6.0);
}

/// A Redis that hangs costs one time-out, and no request.
#[test]
fn a_hanging_redis_refuses_no_request() {
    let Some(redis) = Redis::start() else { return };
    let fleet = limited(&redis);
    redis.pause();
    assert_eq!((passed(&fleet, 0, 15), passed(&fleet, 1, 15)), (10, 10));
    redis.resume();
}

/// A bucket that was written from a clock far ahead, or that is no number, costs a window at most.
#[test]
fn a_bucket_that_cannot_be_is_an_empty_or_a_full_one() {
    let Some(redis) = Redis::start() else { return };
    let fleet = limited(&redis);
    assert_eq!(passed(&fleet, 0, 1), 1);
    let name: Vec<String> = redis.command("KEYS introgate:rate:*");
    let [name] = name.as_slice() else { panic!("{name:?}") };
    let _: () = redis.command(&format!("SET {name} 9000000000000000"));
    let refused = fleet.gateways[1].get_with("/", "good");
    let seconds: u64 = refused.header("retry-after").expect("a time").parse().expect("seconds");
    assert!(seconds <= 3600, "{seconds}");
    let _: () = redis.command(&format!("SET {name} garbage"));
    assert_eq!(passed(&fleet, 0, 1), 1);
    assert!(redis.command::<i64>(&format!("PTTL {name}")) > 0, "it is forgotten when it is full");
}
