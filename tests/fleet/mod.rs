//! A fleet: several gateways on a real Redis, which is stopped, paused, filled with forgeries and
//! lied to.

mod answers;
mod arrangements;
mod lies;
mod purges;
mod rate_limits;
mod trouble;

use crate::support::{
    AuthorizationServer, Builder, Gateway, REDIS_KEY, Redis, Upstream, known_tokens, one_route,
    wait_until,
};

const MS: fn(u64) -> std::time::Duration = std::time::Duration::from_millis;

/// Gateways between one authorization server and one upstream.
struct Fleet {
    server: AuthorizationServer,
    upstream: Upstream,
    gateways: Vec<Gateway>,
}

impl Fleet {
    /// That many gateways that share this Redis.
    #[track_caller]
    fn start(redis: &Redis, gateways: usize) -> Fleet {
        Fleet::with(gateways, &cache(&redis.url(), "", ""))
    }

    /// With this `cache`, and one route for everything.
    #[track_caller]
    fn with(gateways: usize, cache: &str) -> Fleet {
        let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
        known_tokens(&server);
        let mut fleet = Fleet { server, upstream, gateways: Vec::new() };
        for _ in 0..gateways {
            fleet.add(&format!("{cache}{}", one_route("")));
        }
        fleet.wait_until_up();
        fleet
    }

    /// One more gateway; a new one does not wait until it has found Redis.
    #[track_caller]
    fn add(&mut self, yaml: &str) -> &Gateway {
        self.add_to(Builder::new(), yaml)
    }

    #[track_caller]
    fn add_to(&mut self, builder: Builder, yaml: &str) -> &Gateway {
        self.gateways.push(builder.start(&self.fill_in(yaml)));
        self.gateways.last().expect("a gateway")
    }

    fn fill_in(&self, yaml: &str) -> String {
        let servers = match yaml.contains("authorization_servers:") {
            true => "",
            false => "authorization_servers: { main: { introspection_endpoint: \"@AS@\" } }\n",
        };
        format!("{servers}{yaml}")
            .replace("@AS@", &self.server.url())
            .replace("@UPSTREAM@", &self.upstream.url())
    }

    #[track_caller]
    fn wait_until_up(&self) {
        for (at, gateway) in self.gateways.iter().enumerate() {
            wait_until(&format!("gateway {at} uses Redis"), || is_up(gateway));
        }
    }

    /// The status that this gateway answers for this token.
    #[track_caller]
    fn get(&self, gateway: usize, token: &str) -> u16 {
        self.gateways[gateway].get_with("/", token).status
    }

    fn looks(&self, gateway: usize, result: &str) -> f64 {
        looks(&self.gateways[gateway], result)
    }
}

fn looks(gateway: &Gateway, result: &str) -> f64 {
    gateway
        .metric(&format!("introgate_cache_requests_total{{cache=\"redis\",result=\"{result}\"}}"))
}

fn is_up(gateway: &Gateway) -> bool {
    gateway.admin_get("/api/status").json()["redis"]["state"] == "up"
}

/// `cache` with further keys for it and for `redis`.
fn cache(url: &str, keys: &str, redis: &str) -> String {
    // a busy machine is slower than any Redis should be
    let timeout = if redis.contains("timeout") { "" } else { "timeout: 500ms," };
    let key =
        if redis.starts_with("key") { String::new() } else { format!("key: \"{REDIS_KEY}\",") };
    format!("cache: {{ redis: {{ url: \"{url}\", {timeout} {key} {redis} }}, {keys} }}\n")
}

/// The written answer has arrived in Redis.
#[track_caller]
fn wait_for_answers(redis: &Redis, count: usize) {
    wait_until(&format!("{count} answers in Redis"), || {
        redis.answers().iter().filter(|name| !name.ends_with(":asked")).count() == count
    });
}
