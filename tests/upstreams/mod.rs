//! The services behind the gateway: balancing, failure, time-outs, the connection to them.

mod balance;
mod health;
mod http2;
mod names;
mod tls;

use crate::support::{Gateway, Setup, Upstream, UpstreamBehaviour, free_port, one_route};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// A gateway in front of these upstreams, open to all.
fn balanced(upstream: &str) -> Gateway {
    Gateway::start(&config(upstream))
}

fn config(upstream: &str) -> String {
    format!(
        "authorization_servers: {{ main: {{ introspection_endpoint: \"http://127.0.0.1:1/\" }} }}\nupstreams: {{ api: {upstream} }}\nroutes: [{{ path: /*, upstream: api, auth: none }}]\n"
    )
}

fn answers(gateway: &Gateway, requests: usize) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for _ in 0..requests {
        let name = gateway.get("/", &[]).json()["upstream"].as_str().expect("a name").to_owned();
        *counts.entry(name).or_default() += 1;
    }
    counts
}

#[test]
fn round_robin_goes_by_weight() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let gateway = balanced(&format!(
        "{{ servers: [\"{}\", {{ url: \"{}\", weight: 2 }}] }}",
        a.url(),
        b.url()
    ));
    assert_eq!(answers(&gateway, 12), BTreeMap::from([("a".into(), 4), ("b".into(), 8)]));
}

#[test]
fn random_reaches_every_server() {
    let (a, b) = (Upstream::named("a"), Upstream::named("b"));
    let gateway =
        balanced(&format!("{{ balance: random, servers: [\"{}\", \"{}\"] }}", a.url(), b.url()));
    // that one of two fair servers gets none of 40 has a chance of 2 in 10^12
    assert_eq!(answers(&gateway, 40).len(), 2);
}

/// Contract §2: `retries: 1`, connection failures only, on the next server.
#[test]
fn a_server_that_is_down_is_passed_over() {
    let up = Upstream::named("up");
    let down = format!("http://127.0.0.1:{}", free_port());
    let gateway = balanced(&format!("{{ servers: [\"{down}\", \"{}\"] }}", up.url()));
    assert_eq!(answers(&gateway, 6), BTreeMap::from([("up".into(), 6)]));
    let post = gateway.request("POST", "/", &[], b"body");
    assert_eq!((post.status, up.last().body), (200, b"body".to_vec()));

    let gateway = balanced(&format!("{{ servers: [\"{down}\", \"{}\"], retries: 0 }}", up.url()));
    let statuses: Vec<u16> = (0..4).map(|_| gateway.get("/", &[]).status).collect();
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 2, "{statuses:?}");
}

/// An answer, even 503, is the service's own and is not tried again.
#[test]
fn an_answer_is_never_tried_again() {
    let setup = Setup::route("auth: none");
    setup.upstream.behave(UpstreamBehaviour::Status(503));
    assert_eq!(setup.gateway.get("/", &[]).status, 503);
    assert_eq!(setup.upstream.count(), 1);
}

#[test]
fn a_service_that_is_down_is_502_and_comes_back() {
    let mut setup = Setup::route("");
    setup.upstream.stop();
    assert_eq!(setup.outcome("good"), (502, "upstream_unavailable".into()));
    setup.upstream.start_again();
    assert_eq!(setup.get("good").status, 200);
}

#[test]
fn a_service_that_closes_or_answers_nonsense_is_502() {
    let setup = Setup::route("");
    for behaviour in
        [UpstreamBehaviour::Close, UpstreamBehaviour::Raw(b"nonsense\r\n\r\n".to_vec())]
    {
        setup.upstream.behave(behaviour.clone());
        assert_eq!(setup.outcome("good"), (502, "upstream_unavailable".into()), "{behaviour:?}");
    }
}

/// The time-out fires, and when it should.
#[test]
fn a_service_that_hangs_is_504() {
    let setup = Setup::start(
        "upstreams: { api: { servers: [\"@UPSTREAM@\"], read_timeout: 300ms } }\nroutes: [{ path: /*, upstream: api }]",
    );
    setup.upstream.behave(UpstreamBehaviour::Hang);
    let began = Instant::now();
    assert_eq!(setup.outcome("good"), (504, "upstream_timeout".into()));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(290) && took < Duration::from_secs(3), "{took:?}");
    assert_eq!(setup.upstream.count(), 1, "a request that was sent is not sent again");
}

#[test]
fn a_routes_own_timeout_ends_a_slow_answer() {
    let setup = Setup::route("timeout: 300ms");
    setup.upstream.behave(UpstreamBehaviour::Hang);
    let began = Instant::now();
    assert_eq!(setup.outcome("good"), (504, "upstream_timeout".into()));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(290) && took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn connections_to_the_service_are_reused() {
    let setup = Setup::route("");
    let mut connection = setup.gateway.connect();
    for _ in 0..20 {
        let response = connection.request("GET", "/", &[("Authorization", "Bearer good")], b"");
        assert_eq!(response.expect("an answer").status, 200);
    }
    assert!(setup.upstream.connection_count() <= 2, "{}", setup.upstream.connection_count());
}

/// A reused connection that the service has closed meanwhile costs the client nothing.
#[test]
fn a_restarted_service_costs_no_request() {
    let mut setup = Setup::route("");
    for _ in 0..3 {
        assert_eq!(setup.get("good").status, 200);
        setup.upstream.stop();
        setup.upstream.start_again();
    }
    assert_eq!(setup.get("good").status, 200);
}

#[test]
fn the_host_is_kept_by_default() {
    let setup = Setup::start(
        r#"
upstreams:
  kept: { servers: ["@UPSTREAM@"] }
  own: { servers: ["@UPSTREAM@"], preserve_host: false }
routes:
  - { path: /kept, upstream: kept, auth: none }
  - { path: /own, upstream: own, auth: none }
"#,
    );
    setup.gateway.get("/kept", &[("Host", "api.example.com:81")]);
    assert_eq!(setup.upstream.last().header("host"), Some("api.example.com:81"));
    setup.gateway.get("/own", &[("Host", "api.example.com")]);
    let own = format!("127.0.0.1:{}", setup.upstream.port());
    assert_eq!(setup.upstream.last().header("host"), Some(own.as_str()));
}

/// Every character of the target behind the path arrives as it was sent.
#[test]
fn the_query_is_left_alone() {
    let setup = Setup::start(&one_route("auth: none"));
    for query in ["a=%2f%00&b=..%2F", "a=b=c&&d", "q=%E4+x;y", "a[]=1&a[]=2", "%zz"] {
        setup.gateway.get(&format!("/p?{query}"), &[]);
        assert_eq!(setup.upstream.last().target, format!("/p?{query}"));
    }
}
