//! A real Envoy that asks by gRPC: everything that is special about it.

use super::proxies;
use super::running::{Beside, Changes, Proxy};
use crate::interop::{python, run, source, unless_missing};
use crate::support::{Authority, wait_until};
use std::fs;
use std::process::Command;

const NO_HEADERS: [(&str, &str); 0] = [];
const READER: (&str, &str) = ("Authorization", "Bearer reader");

/// `None`, with a loud line, where it cannot be had.
pub fn envoy() -> Option<Proxy> {
    unless_missing(proxies::envoy(&["envoy.yaml"], |_| proxies::envoy_arguments("envoy.yaml")))
}

#[test]
fn the_description_of_a_request_and_the_metadata() {
    let Some(proxy) = envoy() else { return };
    let beside = Beside::start(&proxy);
    // Envoy joins two lines of `Authorization` by a comma, which is in no token
    let response = beside.request("GET", "/items", &[READER, READER]);
    assert_eq!((response.status, response.reason()), (400, "malformed_token".to_owned()));
    // a path that two readers could read in two ways
    let response = beside.request("GET", "/public/..%2Fitems", &[]);
    assert_eq!((response.status, response.reason()), (400, "bad_request".to_owned()));
    // the client's address is Envoy's word, not the client's
    let spoofed = [READER, ("X-Forwarded-For", "6.6.6.6"), ("X-Request-Id", "one")];
    assert_eq!(beside.request("GET", "/items", &spoofed).status, 200);
    assert_eq!(beside.request("GET", "/items", &[]).status, 401);
    let id = beside.service.last().header("x-request-id").expect("an id").to_owned();
    let line = beside.gateway().access_log_of(&id);
    assert_ne!(line["client_ip"], "6.6.6.6");
    assert_eq!((&line["sub"], &line["path"]), (&"alice".into(), &"/items".into()));
    let log = beside.folder.path().join("access.log");
    wait_until("Envoy logs what the gateway says", || {
        let text = fs::read_to_string(&log).unwrap_or_default();
        let text = text.replace('"', "");
        text.contains("200 route=GET,HEAD /* sub=alice reason=-")
            && text.contains("401 route=GET,HEAD /* sub=- reason=missing_token")
    });
}

/// The token leaves the query and the cookies, and everything else stays. Envoy writes the query
/// anew: ordered by name, and with `=` behind each name.
#[test]
fn a_token_in_the_query_or_in_a_cookie_is_removed() {
    let Some(proxy) = envoy() else { return };
    let from = "\ntoken: { from: [header, query, \"cookie:session\"] }\nroutes:";
    let changes = Changes { gateway: vec![("\nroutes:", from.to_owned())], ..Changes::default() };
    let beside = Beside::start_with(&proxy, &changes);
    for (target, headers, seen_target, seen_cookie) in [
        (
            "/items?b=2&access_token=reader&a=1&b=1&c",
            &NO_HEADERS[..],
            "/items?a=1&b=2&b=1&c=",
            None,
        ),
        ("/items?access%5Ftoken=reader&q=%41%2f+", &[], "/items?q=%41%2f+", None),
        ("/items?access_token=reader", &[], "/items", None),
        // without a token in it the query stays as it is
        ("/items?b=2&a&c=%41", &[READER], "/items?b=2&a&c=%41", None),
        ("/items?b&a", &[("Cookie", "a=1; session=reader; b=2")], "/items?b&a", Some("a=1; b=2")),
        ("/items", &[("Cookie", "session=reader")], "/items", None),
    ] {
        let response = beside.request("GET", target, headers);
        assert_eq!(response.status, 200, "{target} {headers:?} {}", response.text());
        let seen = beside.service.last();
        let cookie = seen.header("cookie");
        assert_eq!((seen.target.as_str(), cookie), (seen_target, seen_cookie), "{target}");
        assert_eq!(seen.headers_all("x-introspected-sub"), ["alice"], "{target}");
        assert!(!format!("{seen:?}").contains("reader"), "{seen:?}");
    }
}

/// A client that speaks gRPC gets a status of gRPC.
#[test]
fn a_grpc_client_gets_the_refusal_as_a_status() {
    let Some(proxy) = envoy() else { return };
    let Some(python) = unless_missing(python::with_grpc()) else { return };
    let mut beside = Beside::start(&proxy);
    let status = |beside: &Beside, token: &[&str]| {
        let mut command = Command::new(python);
        command.arg(source("grpc/refused.py")).arg(beside.port.to_string()).args(token);
        run(&mut command).expect("the client runs to its end").trim().to_owned()
    };
    let before = beside.service.count();
    assert_eq!(status(&beside, &[]), "UNAUTHENTICATED");
    assert_eq!(status(&beside, &["unknown"]), "UNAUTHENTICATED");
    assert_eq!(status(&beside, &["reader"]), "PERMISSION_DENIED");
    beside.server.stop();
    assert_eq!(status(&beside, &["new"]), "UNAVAILABLE");
    beside.gateway = None;
    assert_eq!(status(&beside, &["writer"]), "UNAVAILABLE");
    assert_eq!(beside.service.count(), before);
}

/// The gRPC of a listener with `tls`; Envoy verifies the gateway's certificate.
#[test]
fn envoy_asks_over_tls() {
    let Some(proxy) = envoy() else { return };
    let authority = Authority::new();
    let identity = authority.certify(&["introgate.test"]);
    let trusts = |roots: &str| {
        format!(
            "- name: introgate\n      transport_socket:\n        name: tls\n        typed_config:\n          \
             \"@type\": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext\n          \
             sni: introgate.test\n          common_tls_context:\n            alpn_protocols: [h2]\n            validation_context:\n              \
             trusted_ca: {{ filename: {roots} }}\n              \
             match_typed_subject_alt_names: [{{ san_type: DNS, matcher: {{ exact: introgate.test }} }}]\n"
        )
    };
    let changes = |roots: &str| Changes {
        gateway: vec![(
            "address: 127.0.0.1:8090",
            "address: 127.0.0.1:8090\n    tls: { certificate: tls.crt, private_key: tls.key }"
                .to_owned(),
        )],
        proxy: vec![("- name: introgate\n", trusts(roots))],
        files: vec![
            ("tls.crt", identity.certificate.clone()),
            ("tls.key", identity.key.clone()),
            ("ca.pem", authority.pem().to_owned()),
            ("other.pem", Authority::new().pem().to_owned()),
        ],
    };
    let beside = Beside::start_with(&proxy, &changes("ca.pem"));
    assert_eq!(beside.request("GET", "/items", &[READER]).status, 200);
    assert_eq!(beside.request("GET", "/items", &[]).status, 401);
    drop(beside);
    // a gateway that Envoy does not trust decides nothing
    let beside = Beside::start_unasked(&proxy, &changes("other.pem"));
    assert_eq!(beside.request("GET", "/items", &[READER]).status, 503);
    assert_eq!(beside.service.count(), 0);
}

/// The next question on Envoy's open connection is decided by the new configuration.
#[test]
fn a_reload_takes_effect_on_envoys_connection() {
    let Some(proxy) = envoy() else { return };
    let beside = Beside::start(&proxy);
    assert_eq!(beside.request("GET", "/items", &[READER]).status, 200);
    let accepted =
        format!("introgate_connections_total{{listener=\"127.0.0.1:{}\"}}", beside.grpc_port);
    let connections = beside.gateway().metric(&accepted);
    let stricter = beside.configuration.replace("scopes: [read]", "scopes: [admin]");
    assert_ne!(stricter, beside.configuration);
    beside.gateway().reload(&stricter);
    wait_until("the new configuration decides", || {
        beside.request("GET", "/items", &[READER]).status == 403
    });
    beside.gateway().reload(&beside.configuration);
    wait_until("the old one decides again", || {
        beside.request("GET", "/items", &[READER]).status == 200
    });
    assert_eq!(beside.gateway().metric(&accepted), connections, "Envoy has not connected again");
}
