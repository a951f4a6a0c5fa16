//! A fleet that shares a Redis: one gateway polls, and all receive the purges.

use super::poll::{acknowledged, config};
use super::transmitter::Transmitter;
use super::{AUDIENCE, CAEP, ISSUER, iss_sub, sign};
use crate::jwt::Signer;
use crate::support::{
    AuthorizationServer, Builder, Gateway, REDIS_KEY, Redis, Upstream, active, now, wait_until,
    wait_within,
};
use serde_json::json;
use std::time::{Duration, Instant};

struct Fleet {
    server: AuthorizationServer,
    upstream: Upstream,
    transmitter: Transmitter,
    signer: Signer,
    gateways: Vec<Gateway>,
}

const HERE: &str = "this gateway calls the transmitter";
const ELSEWHERE: &str = "another gateway of the fleet calls the transmitter";

impl Fleet {
    fn start(redis: &Redis, gateways: usize) -> Fleet {
        let mut fleet = Fleet {
            server: AuthorizationServer::start(),
            upstream: Upstream::start(),
            transmitter: Transmitter::start(Signer::p256("transmitter")),
            signer: Signer::p256("main"),
            gateways: Vec::new(),
        };
        fleet.server.answer("token", active(json!({ "sub": "alice" })));
        for _ in 0..gateways {
            fleet.add(redis);
        }
        fleet
    }

    fn add(&mut self, redis: &Redis) {
        let keys = json!({ "keys": [self.signer.jwk()] }).to_string();
        let cache = format!(
            "cache: {{ ttl: 1h, refresh_ahead: 0, redis: {{ url: \"{}\", key: \"{REDIS_KEY}\", timeout: 500ms }} }}\n",
            redis.url()
        );
        let yaml = format!("{cache}{}", config(&self.transmitter, "poll_interval: 1s"))
            .replace("@AS@", &self.server.url())
            .replace("@UPSTREAM@", &self.upstream.url());
        self.gateways.push(Builder::new().file("main.json", &keys).start(&yaml));
    }

    fn role(&self, at: usize) -> String {
        let status = self.gateways[at].admin_get("/api/status").json();
        let role = status["authorization_servers"][0]["events"]["role"].clone();
        role.as_str().unwrap_or_default().to_owned()
    }

    /// The gateway that polls, once there is exactly one and the others know.
    #[track_caller]
    fn holder(&self) -> usize {
        let mut holder = None;
        wait_until("one gateway polls", || {
            let roles: Vec<String> = (0..self.gateways.len()).map(|at| self.role(at)).collect();
            holder = roles.iter().position(|role| role == HERE);
            let others = roles.iter().filter(|role| *role == ELSEWHERE).count();
            holder.is_some() && others + 1 == roles.len()
        });
        holder.expect("a holder")
    }

    fn revoke(&self, jti: &str) {
        let event = format!("{CAEP}/session-revoked");
        let claims = json!({
            "iss": ISSUER, "aud": AUDIENCE, "iat": now(), "jti": jti,
            "sub_id": iss_sub("alice"), "events": { event: {} },
        });
        self.transmitter.send(jti, &sign(&self.signer, &claims));
    }

    fn status(&self, at: usize) -> u16 {
        self.gateways[at].get_with("/", "token").status
    }
}

#[test]
fn one_gateway_polls_and_another_takes_over() {
    let Some(redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 3);
    let holder = fleet.holder();
    for at in 0..3 {
        assert_eq!(fleet.status(at), 200);
    }
    fleet.server.answer("token", json!({ "active": false }));
    fleet.revoke("e1");
    for at in 0..3 {
        wait_within(Duration::from_secs(10), "the event reaches every gateway", || {
            fleet.status(at) == 401
        });
    }
    acknowledged(&fleet.transmitter, "e1");
    let polled = |gateway: &Gateway| gateway.metric("introgate_event_polls_total");
    let polling = fleet.gateways.iter().filter(|gateway| polled(gateway) > 0.0).count();
    assert_eq!(polling, 1, "one gateway polls");

    // it dies without a word
    fleet.gateways[holder].kill();
    let died = Instant::now();
    fleet.gateways.remove(holder);
    fleet.revoke("e2");
    wait_within(Duration::from_secs(20), "another takes over", || {
        fleet.transmitter.acknowledged().iter().any(|jti| jti == "e2")
    });
    let took = died.elapsed();
    println!("another gateway took over after {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");

    // one that is stopped hands over at once
    let holder = fleet.holder();
    fleet.gateways[holder].terminate();
    fleet.gateways.remove(holder);
    fleet.revoke("e3");
    acknowledged(&fleet.transmitter, "e3");
}

/// Without Redis no gateway knows whether it is the one: answers are kept for `poll_interval`
/// only, and no event is acknowledged that the others did not receive.
#[test]
fn without_redis_answers_do_not_outlive_the_interval() {
    let Some(mut redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 2);
    fleet.holder();
    redis.stop();
    wait_until("both know", || (0..2).all(|at| fleet.role(at).contains("Redis is not available")));
    for at in 0..2 {
        wait_until("answered", || fleet.status(at) == 200);
    }
    fleet.server.answer("token", json!({ "active": false }));
    fleet.revoke("e1");
    for at in 0..2 {
        wait_within(Duration::from_secs(10), "the answer ends without its event", || {
            fleet.status(at) == 401
        });
    }
    assert!(fleet.transmitter.acknowledged().is_empty(), "no gateway took the event");
    redis.start_again();
    acknowledged(&fleet.transmitter, "e1");
    fleet.holder();
}

/// Sessions end at the transmitter while it and Redis come and go.
#[test]
fn chaos() {
    let Some(mut redis) = Redis::start() else { return };
    let mut fleet = Fleet::start(&redis, 2);
    fleet.holder();
    let seconds = std::env::var("CHAOS_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds.unwrap_or(15));
    let (mut longest, mut rounds) = (Duration::ZERO, 0);
    while Instant::now() < until || rounds < 4 {
        rounds += 1;
        fleet.server.answer("token", active(json!({ "sub": "alice" })));
        // an inactive answer of the round before ends first
        for at in 0..2 {
            wait_until("the token is good again", || fleet.status(at) == 200);
        }
        match rounds % 4 {
            1 => redis.stop(),
            2 => fleet.transmitter.stop(),
            3 => redis.pause(),
            _ => {}
        }
        fleet.server.answer("token", json!({ "active": false }));
        fleet.revoke(&format!("c{rounds}"));
        if rounds % 4 == 2 {
            std::thread::sleep(Duration::from_secs(1));
            fleet.transmitter.start_again(Signer::p256("transmitter"));
        }
        // from here on the event is available
        let available = Instant::now();
        for at in 0..2 {
            wait_within(Duration::from_secs(30), "the answer ends", || fleet.status(at) == 401);
        }
        longest = longest.max(available.elapsed());
        match rounds % 4 {
            1 => redis.start_again(),
            3 => redis.resume(),
            _ => {}
        }
        acknowledged(&fleet.transmitter, &format!("c{rounds}"));
        fleet.holder();
    }
    println!(
        "{rounds} rounds; an answer was used for at most {longest:?} after its event was available"
    );
    assert!(longest <= Duration::from_secs(1 + 2), "{longest:?}");
}
