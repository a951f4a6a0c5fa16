//! Failures, in an order that the seed decides.

use super::truth::Truth;
use crate::support::{Behaviour, Gateway, Redis};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::json;
use std::time::{Duration, Instant};

pub struct Trouble<'t> {
    pub random: StdRng,
    pub truth: &'t Truth,
    pub gateways: &'t [Gateway],
    /// The Redis that they share, if there are several gateways.
    pub redis: Option<Redis>,
    pub configuration: String,
}

impl Trouble<'_> {
    /// Trouble, then a calm while, over and over for so long; at the end all is well.
    pub fn stir(&mut self, how_long: Duration) {
        let end = Instant::now() + how_long;
        // in every run, however short
        self.stop_the_server();
        while Instant::now() < end {
            self.trouble();
            self.pass_time(300..1200);
        }
    }

    fn trouble(&mut self) {
        match self.random.random_range(0..10) {
            _ if self.redis.is_some() && self.random.random_ratio(1, 3) => {
                self.trouble_with_redis()
            }
            0 | 1 => self.stop_the_server(),
            2 => self.truth.server().cut_connections(),
            which => {
                let lies = [
                    Behaviour::Hang,
                    Behaviour::Close,
                    Behaviour::Endless,
                    Behaviour::status(500),
                    Behaviour::status(401),
                    Behaviour::respond(429, &[("Retry-After", "1")], ""),
                    Behaviour::body("<html>"),
                    Behaviour::body(r#"{"active": "false"}"#),
                    Behaviour::body("{}"),
                    Behaviour::Drip(json!({ "active": false }), Duration::from_millis(200)),
                ];
                let lie =
                    lies[(which + self.random.random_range(0..lies.len())) % lies.len()].clone();
                self.truth.server().behave_for_all(lie);
                self.pass_time(200..1500);
                self.truth.server().default_inactive();
            }
        }
    }

    fn stop_the_server(&mut self) {
        self.truth.server().stop();
        self.pass_time(200..1500);
        self.truth.server().start_again();
    }

    /// It hangs, is started anew with nothing in it, or loses its connections.
    fn trouble_with_redis(&mut self) {
        let Some(mut redis) = self.redis.take() else { return };
        match self.random.random_range(0..3) {
            0 => {
                redis.pause();
                self.pass_time(200..1500);
                redis.resume();
            }
            1 => {
                redis.stop();
                self.pass_time(200..1500);
                redis.start_again();
            }
            _ => {
                let _: i64 = redis.command("CLIENT KILL TYPE normal SKIPME yes");
            }
        }
        self.redis = Some(redis);
    }

    /// Revokes tokens meanwhile, purges some of them, and now and then loads the configuration
    /// again.
    fn pass_time(&mut self, millis: std::ops::Range<u64>) {
        let end = Instant::now() + Duration::from_millis(self.random.random_range(millis));
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(self.random.random_range(20..120)));
            let gateway = &self.gateways[self.random.random_range(0..self.gateways.len())];
            match self.random.random_range(0..12) {
                0..4 => self.truth.revoke(None::<fn(&str) -> Option<Instant>>),
                4..8 => self.truth.revoke(Some(|token: &str| purge(gateway, token))),
                8 => gateway.sighup(),
                // the same demands under another name, so that it is a change
                9 => gateway.rewrite_config(&format!(
                    "{}realm: chaos-{}\n",
                    self.configuration,
                    self.random.random::<u32>()
                )),
                _ => {}
            }
        }
    }
}

/// The moment from which the token must be refused: at once; in a fleet within a second, if the
/// purge was published.
fn purge(gateway: &Gateway, token: &str) -> Option<Instant> {
    let answer = gateway.admin_post("/api/cache/purge", &json!({ "token": token }));
    assert_eq!(answer.status, 200, "{answer:?}");
    match answer.json().get("fleet_told").map(|told| told == true) {
        None => Some(Instant::now()),
        Some(true) => Some(Instant::now() + Duration::from_secs(1)),
        Some(false) => None,
    }
}
