//! No byte that leaves for the collector comes from a token, a subject, a client id or a query.

use super::collector::{BOTH, Collector};
use super::{ROUTES, SAMPLED, quick, section};
use crate::support::{Setup, active};
use serde_json::json;

/// In everything that may not be exported.
const CANARY: &str = "hunter2";

#[test]
fn no_span_has_a_secret() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        let token_places = "token: { from: [header, query, cookie:session] }\n";
        let listeners = "listeners:\n  - { address: \"127.0.0.1:@PORT@\" }\n  - { address: \"unix:@DIR@/auth.sock\", serves: forward_auth }\n";
        let rest = format!("{token_places}{listeners}{ROUTES}");
        let setup = Setup::build(quick(), &section(&collector, "always", &rest));
        let facts = active(json!({
            "sub": format!("sub-{CANARY}"), "client_id": format!("client-{CANARY}"),
            "username": format!("user-{CANARY}"), "scope": format!("read {CANARY}"),
            "jti": format!("jti-{CANARY}"), "act": { "sub": format!("act-{CANARY}") },
        }));
        let (good, bad) = (format!("good-{CANARY}"), format!("bad-{CANARY}"));
        setup.server.answer(&good, facts);
        let query = format!("/items/1?access_token={good}&q={CANARY}");
        let plain = format!("/items/1?q={CANARY}");
        let bearer = format!("Bearer {good}");
        let cookie = format!("session={good}");
        let mut requests = 0;
        for (target, name, value) in [
            (&plain, "Authorization", bearer.clone()),
            (&query, "X-Other", CANARY.to_owned()),
            (&plain, "Cookie", cookie),
            (&plain, "Authorization", format!("Bearer {bad}")),
            (&plain, "Authorization", format!("Bearer {CANARY} {CANARY}")),
            (&plain, "Authorization", format!("Basic {CANARY}")),
        ] {
            let state = format!("vendor={CANARY}");
            let headers = [
                (name, value.as_str()),
                ("User-Agent", CANARY),
                ("Referer", CANARY),
                ("X-Request-Id", CANARY),
                ("tracestate", &state),
                SAMPLED,
            ];
            setup.gateway.get(target, &headers);
            requests += 1;
        }
        let socket = setup.gateway.directory().join("auth.sock");
        let uri = format!("/items/1?q={CANARY}");
        let asked = crate::support::Connection::open_unix(&socket).request(
            "GET",
            "/",
            &[
                ("X-Forwarded-Method", "GET"),
                ("X-Forwarded-Uri", &uri),
                ("Authorization", &bearer),
                SAMPLED,
            ],
            b"",
        );
        assert_eq!(asked.expect("an answer").status, 200);
        requests += 1;
        // one for each request, three upstreams, introspections of both tokens
        collector.wait_for(requests + 3 + 2);
        for call in collector.calls() {
            let found = call.bytes.windows(CANARY.len()).any(|bytes| bytes == CANARY.as_bytes());
            assert!(!found, "{protocol:?}: {:?}", call.message);
            let shown = format!("{:?}", call.headers);
            assert!(!shown.contains(CANARY), "{shown}");
        }
    }
}
