//! Gateways that share a Redis share the memory of proofs and the nonces.

use super::client::{Client, send};
use crate::support::{
    AuthorizationServer, Gateway, REDIS_KEY, Redis, Upstream, one_route, wait_until,
};
use serde_json::json;

/// Clients call all of them by one name.
const PUBLIC: &str = "https://api.example.com/";

struct Fleet {
    gateways: [Gateway; 2],
    client: Client,
    upstream: Upstream,
    _server: AuthorizationServer,
}

impl Fleet {
    fn start(redis: &Redis, top: &str, keys: &str) -> Fleet {
        let (server, upstream, client) =
            (AuthorizationServer::start(), Upstream::start(), Client::new());
        client.own(&server, "bound");
        let yaml = format!(
            "authorization_servers: {{ main: {{ introspection_endpoint: \"{}\" }} }}\n\
             public_url: \"{PUBLIC}\"\n{top}\
             cache: {{ redis: {{ url: \"{}\", key: \"{REDIS_KEY}\", timeout: 500ms }} }}\n{}",
            server.url(),
            redis.url(),
            one_route(keys).replace("@UPSTREAM@", &upstream.url()),
        );
        let gateways = [Gateway::start(&yaml), Gateway::start(&yaml)];
        let fleet = Fleet { gateways, client, upstream, _server: server };
        fleet.wait_until("up");
        fleet
    }

    fn wait_until(&self, state: &str) {
        for gateway in &self.gateways {
            wait_until(&format!("Redis is {state}"), || {
                gateway.admin_get("/api/status").json()["redis"]["state"] == state
            });
        }
    }

    fn proof(&self) -> String {
        self.client.proof("GET", PUBLIC, "bound")
    }

    fn send(&self, gateway: usize, proof: &str) -> u16 {
        send(&self.gateways[gateway], "bound", proof).status
    }
}

#[test]
fn a_proof_is_good_once_in_the_fleet() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, "", "");
    for first in [0, 1] {
        let proof = fleet.proof();
        assert_eq!(fleet.send(first, &proof), 200);
        assert_eq!(fleet.send(1 - first, &proof), 401, "at the other one");
        assert_eq!(fleet.send(first, &proof), 401);
    }
    let dump = redis.dump();
    let contains = |text: &str| dump.windows(text.len()).any(|part| part == text.as_bytes());
    assert!(!contains(&fleet.client.jkt()), "Redis shows no key");
}

#[test]
fn of_two_gateways_at_once_one_takes_a_proof() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, "", "binding: { dpop: required }");
    for _ in 0..20 {
        let proof = fleet.proof();
        let statuses = std::thread::scope(|scope| {
            let send = |gateway| {
                let (fleet, proof) = (&fleet, &proof);
                scope.spawn(move || fleet.send(gateway, proof))
            };
            [send(0), send(1), send(0), send(1)].map(|thread| thread.join().expect("a status"))
        });
        assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    }
    assert_eq!(fleet.upstream.count(), 20);
}

/// Without Redis no gateway knows the proofs that the others have seen: a route that demands proofs
/// takes none, any other goes by its own memory.
#[test]
fn without_redis_a_route_that_demands_proofs_is_closed() {
    let Some(mut redis) = Redis::start() else { return };
    let required = Fleet::start(&redis, "", "binding: { dpop: required }");
    let optional = Fleet::start(&redis, "", "");
    assert_eq!(required.send(0, &required.proof()), 200);
    redis.pause();
    assert_eq!(required.send(0, &required.proof()), 401, "Redis hangs");
    redis.resume();
    redis.stop();
    required.wait_until("bypassed");
    optional.wait_until("bypassed");
    let response = send(&required.gateways[0], "bound", &required.proof());
    assert_eq!((response.status, response.reason()), (401, "binding_dpop".into()));
    let detail = "At the moment it is unknown whether the DPoP proof was used before.";
    assert_eq!(response.json()["detail"], detail);
    let proof = optional.proof();
    assert_eq!((optional.send(0, &proof), optional.send(0, &proof)), (200, 401));
    redis.start_again();
    required.wait_until("up");
    assert_eq!(required.send(0, &required.proof()), 200);
}

#[test]
fn a_nonce_of_one_is_good_at_the_other() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, "dpop: { nonce: true }\n", "");
    let challenged = send(&fleet.gateways[0], "bound", &fleet.proof());
    let nonce = challenged.header("dpop-nonce").expect("a nonce").to_owned();
    let mut claims = fleet.client.claims("GET", PUBLIC, "bound");
    claims["nonce"] = json!(nonce);
    let proof = fleet.client.sign(&fleet.client.header(), &claims);
    assert_eq!(fleet.send(1, &proof), 200);
    assert_eq!(fleet.send(0, &proof), 401);
}
