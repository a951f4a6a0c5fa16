//! What goes wrong, in an order that the seed decides.

use super::truth::Truth;
use crate::support::{Behaviour, Gateway};
use rand::Rng;
use rand::rngs::StdRng;
use serde_json::json;
use std::time::{Duration, Instant};

pub struct Trouble<'t> {
    random: StdRng,
    truth: &'t Truth,
    gateway: &'t Gateway,
    configuration: String,
}

impl<'t> Trouble<'t> {
    pub fn new(random: StdRng, truth: &'t Truth, gateway: &'t Gateway, configuration: String) -> Self {
        Self { random, truth, gateway, configuration }
    }

    /// Trouble, then a calm while, over and over for so long; at the end all is well.
    pub fn stir(&mut self, how_long: Duration) {
        let end = Instant::now() + how_long;
        while Instant::now() < end {
            self.trouble();
            self.pass_time(300..1200);
        }
    }

    fn trouble(&mut self) {
        match self.random.random_range(0..10) {
            0 | 1 => {
                self.truth.server().stop();
                self.pass_time(200..1500);
                self.truth.server().start_again();
            }
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
                let lie = lies[(which + self.random.random_range(0..lies.len())) % lies.len()].clone();
                self.truth.server().behave_for_all(lie);
                self.pass_time(200..1500);
                self.truth.server().default_inactive();
            }
        }
    }

    /// Revokes tokens meanwhile, purges some of them, and now and then loads the configuration again.
    fn pass_time(&mut self, millis: std::ops::Range<u64>) {
        let end = Instant::now() + Duration::from_millis(self.random.random_range(millis));
        while Instant::now() < end {
            std::thread::sleep(Duration::from_millis(self.random.random_range(20..120)));
            match self.random.random_range(0..12) {
                0..4 => self.truth.revoke(None::<fn(&str)>),
                4..8 => self.truth.revoke(Some(|token: &str| {
                    let answer = self.gateway.admin_post("/api/cache/purge", &json!({ "token": token }));
                    assert_eq!(answer.status, 200, "{answer:?}");
                })),
                8 => self.gateway.sighup(),
                // the same demands under another name, so that it is a change
                9 => self.gateway.rewrite_config(&format!("{}realm: chaos-{}\n", self.configuration, self.random.random::<u32>())),
                _ => {}
            }
        }
    }
}
