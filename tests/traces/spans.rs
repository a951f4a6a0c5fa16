//! The spans of each kind of request.

use super::collector::{BOTH, Collector, Protocol, hex, text};
use super::{PARENT, ROUTES, SAMPLED, TRACE, has, one, quick, section, traced};
use crate::support::http2::{END_STREAM, Event, Http2, frame};
use crate::support::{Behaviour, Setup, UpstreamBehaviour, active, wait_until};
use envoy_types::pb::envoy::service::auth::v3::attribute_context::{HttpRequest, Request};
use envoy_types::pb::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, SpanFlags};
use prost::Message;
use serde_json::json;
use std::time::Duration;

fn failed(span: &Span) -> bool {
    span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error)
}

#[test]
fn an_allowed_request_whose_token_is_new_has_three_spans() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        let setup = traced(&collector, "parent");
        let headers = [
            ("Authorization", "Bearer good"),
            ("tracestate", "vendor=value"),
            ("X-Request-Id", "one"),
            SAMPLED,
        ];
        let answer = setup.gateway.get("/items/17?page=2", &headers);
        assert_eq!(answer.status, 200, "{protocol:?}");
        let spans = collector.wait_for(3);
        assert_eq!(spans.len(), 3, "{spans:?}");
        let server = one(&spans, SpanKind::Server, "GET /items/*");
        let introspection = one(&spans, SpanKind::Client, "introspect main");
        let upstream = one(&spans, SpanKind::Client, "GET");
        assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE && !failed(span)));
        assert!(spans.iter().all(|span| span.flags & 1 == 1 && span.links.is_empty()));
        assert!(spans.iter().all(|span| span.trace_state.is_empty()));

        assert_eq!(hex(&server.parent_span_id), PARENT);
        assert_ne!(server.flags & SpanFlags::ContextIsRemoteMask as u32, 0);
        assert_eq!(introspection.parent_span_id, server.span_id);
        assert_eq!(upstream.parent_span_id, server.span_id);
        let times = |span: &Span| (span.start_time_unix_nano, span.end_time_unix_nano);
        let (began, ended) = times(&server);
        for child in [&introspection, &upstream] {
            assert!(began <= times(child).0 && times(child).0 <= times(child).1);
            assert!(times(child).1 <= ended, "{spans:?}");
        }
        assert!(times(&introspection).1 <= times(&upstream).0, "{spans:?}");

        has(
            &server,
            &[
                ("http.request.method", "GET"),
                ("http.route", "/items/*"),
                ("url.path", "/items/17"),
                ("url.scheme", "http"),
                ("server.address", "gateway.test"),
                ("client.address", "127.0.0.1"),
                ("network.protocol.version", "1.1"),
                ("http.response.status_code", "200"),
                ("error.type", ""),
                ("introgate.decision", "allow"),
                ("introgate.reason", ""),
                ("introgate.enforced", ""),
                ("introgate.cache", "miss"),
                ("introgate.route", "items"),
                ("introgate.authorization_server", "main"),
            ],
        );
        has(
            &introspection,
            &[
                ("introgate.authorization_server", "main"),
                ("introgate.introspection.result", "active"),
                ("server.address", "127.0.0.1"),
                ("server.port", &setup.server.port().to_string()),
                ("error.type", ""),
            ],
        );
        has(
            &upstream,
            &[
                ("http.request.method", "GET"),
                ("server.address", "127.0.0.1"),
                ("server.port", &setup.upstream.port().to_string()),
                ("http.response.status_code", "200"),
                ("http.request.resend_count", ""),
            ],
        );

        let forwarded = setup.upstream.last();
        let expected = format!("00-{TRACE}-{}-01", hex(&upstream.span_id));
        assert_eq!(forwarded.header("traceparent"), Some(&*expected));
        assert_eq!(forwarded.header("tracestate"), Some("vendor=value"));
        assert_eq!(setup.gateway.access_log_of("one")["trace_id"], TRACE);

        // a hit asks no server
        assert_eq!(setup.gateway.get("/items/17", &headers).status, 200);
        let spans = collector.wait_for(5);
        let hit = spans.iter().filter(|span| text(&span.attributes, "introgate.cache") == "hit");
        assert_eq!((spans.len(), hit.count()), (5, 1), "{spans:?}");
    }
}

#[test]
fn requests_that_waited_have_a_link_to_the_introspection() {
    let collector = Collector::start(Protocol::Http);
    let setup = traced(&collector, "always");
    let slow = Behaviour::Json(active(json!({ "scope": "read" })));
    setup.server.behave("slow", Behaviour::after(Duration::from_millis(1500), slow));
    std::thread::scope(|scope| {
        let ask = || assert_eq!(setup.gateway.get_with("/items/1", "slow").status, 200);
        scope.spawn(ask);
        wait_until("the first one asks", || setup.server.count() == 1);
        scope.spawn(ask);
        scope.spawn(ask);
    });
    assert_eq!(setup.server.count(), 1);
    // three requests, three upstreams, one introspection
    let spans = collector.wait_for(7);
    assert_eq!(spans.len(), 7, "{spans:?}");
    let introspection = one(&spans, SpanKind::Client, "introspect main");
    for span in spans.iter().filter(|span| span.kind() == SpanKind::Server) {
        let cache = text(&span.attributes, "introgate.cache");
        let linked: Vec<_> =
            span.links.iter().map(|link| (&link.trace_id, &link.span_id)).collect();
        match &*cache {
            "miss" => {
                assert!(linked.is_empty(), "{span:?}");
                assert_eq!(introspection.parent_span_id, span.span_id);
            }
            "coalesced" => {
                assert_eq!(linked, [(&introspection.trace_id, &introspection.span_id)]);
                assert_ne!(introspection.trace_id, span.trace_id);
            }
            other => panic!("{other}: {span:?}"),
        }
    }
}

#[test]
fn refusals_have_their_decision_and_reason() {
    let collector = Collector::start(Protocol::Http);
    let setup = traced(&collector, "always");
    setup.server.behave("broken", Behaviour::status(500));
    for (path, token, name, decision, reason, status, introspections) in [
        ("/items/1", None, "GET /items/*", "deny", "missing_token", 401, 0),
        ("/items/1", Some("unknown"), "GET /items/*", "deny", "inactive", 401, 1),
        ("/items/1", Some("narrow"), "GET /items/*", "deny", "insufficient_scope", 403, 1),
        ("/items/1", Some("broken"), "GET /items/*", "error", "as_unavailable", 503, 1),
        ("/nowhere", None, "GET", "deny", "no_route", 404, 0),
        ("/a/%2e%2e/../b", None, "GET", "deny", "bad_request", 400, 0),
    ] {
        let before = collector.spans().len();
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> =
            bearer.iter().map(|bearer| ("Authorization", bearer.as_str())).collect();
        assert_eq!(setup.gateway.get(path, &headers).status, status, "{reason}");
        let spans = collector.wait_for(before + 1 + introspections).split_off(before);
        assert_eq!(spans.len(), 1 + introspections, "{spans:?}");
        let server = one(&spans, SpanKind::Server, name);
        assert_eq!(server.name, name);
        let error = if status >= 500 { reason } else { "" };
        assert_eq!(failed(&server), status >= 500);
        has(
            &server,
            &[
                ("introgate.decision", decision),
                ("introgate.reason", reason),
                ("http.response.status_code", &status.to_string()),
                ("error.type", error),
            ],
        );
        if introspections > 0 {
            let introspection = one(&spans, SpanKind::Client, "introspect main");
            has(&introspection, &[("error.type", error)]);
            assert_eq!(failed(&introspection), status >= 500);
        }
    }
}

#[test]
fn an_upstream_that_fails_has_a_span_with_an_error() {
    let collector = Collector::start(Protocol::Http);
    let mut setup = traced(&collector, "always");
    for (stopped, status, upstream_error, server_error) in [
        (false, 404, "404", ""),
        (false, 500, "500", "500"),
        (true, 502, "upstream_unavailable", "upstream_unavailable"),
    ] {
        let before = collector.spans().len();
        if stopped {
            setup.upstream.stop();
        } else {
            setup.upstream.behave(UpstreamBehaviour::Status(status));
        }
        assert_eq!(setup.gateway.get("/people/7", &[]).status, status);
        let spans = collector.wait_for(before + 2).split_off(before);
        let upstream = one(&spans, SpanKind::Client, "GET");
        let answered = if stopped { String::new() } else { status.to_string() };
        assert!(failed(&upstream));
        has(&upstream, &[("error.type", upstream_error), ("http.response.status_code", &answered)]);
        let server = one(&spans, SpanKind::Server, "GET /people/{id}");
        assert_eq!(failed(&server), status >= 500);
        has(&server, &[("error.type", server_error), ("introgate.decision", "allow")]);
    }
}

#[test]
fn a_method_of_the_clients_invention_is_no_name() {
    let collector = Collector::start(Protocol::Http);
    let setup = traced(&collector, "always");
    setup.gateway.request("BREW", "/people/7", &[], b"");
    let server = one(&collector.wait_for(2), SpanKind::Server, "HTTP /people/{id}");
    has(&server, &[("http.request.method", "_OTHER")]);
}

#[test]
fn a_proxy_that_asks_has_spans_too() {
    let collector = Collector::start(Protocol::Http);
    let listener = "listeners: [{ address: \"127.0.0.1:@PORT@\", serves: forward_auth }]\n";
    let yaml = format!("{listener}{}", section(&collector, "parent", ROUTES));
    let setup = Setup::build(quick(), &yaml);
    let headers = [
        ("X-Forwarded-Method", "DELETE"),
        ("X-Forwarded-Uri", "/items/9"),
        ("Authorization", "Bearer good"),
        SAMPLED,
    ];
    assert_eq!(setup.gateway.get("/", &headers).status, 200);
    let spans = collector.wait_for(2);
    assert_eq!(spans.len(), 2, "{spans:?}");
    let server = one(&spans, SpanKind::Server, "DELETE /items/*");
    assert_eq!((hex(&server.trace_id), hex(&server.parent_span_id)), (TRACE.into(), PARENT.into()));
    has(&server, &[("introgate.decision", "allow"), ("network.protocol.version", "")]);
    assert_eq!(one(&spans, SpanKind::Client, "introspect").parent_span_id, server.span_id);
}

#[test]
fn envoys_questions_have_spans_too() {
    let collector = Collector::start(Protocol::Grpc);
    let listener = "listeners: [{ address: \"127.0.0.1:@PORT@\", serves: ext_authz }]\n";
    let yaml = format!("{listener}{}", section(&collector, "parent", ROUTES));
    let setup = Setup::build(quick(), &yaml);
    let headers =
        [("authorization", "Bearer narrow"), SAMPLED].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let http = HttpRequest {
        method: "GET".into(),
        path: "/items/9".into(),
        host: "api.test".into(),
        headers: headers.into(),
        ..HttpRequest::default()
    };
    let request = Request { http: Some(http), ..Request::default() };
    let attributes = AttributeContext { request: Some(request), ..AttributeContext::default() };
    let message = CheckRequest { attributes: Some(attributes) }.encode_to_vec();
    let length = u32::try_from(message.len()).expect("a short message").to_be_bytes();
    let body = [&[0][..], &length, &message].concat();

    let mut envoy = Http2::open(setup.gateway.port(), &[]);
    let fields = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/envoy.service.auth.v3.Authorization/Check"),
        (":authority", "gateway"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    envoy.headers(1, &fields, false).expect("send");
    envoy.frame(frame::DATA, END_STREAM, 1, &body).expect("send");
    let mut ended = false;
    while !ended {
        ended = match envoy.next(Duration::from_secs(10)) {
            Some(Event::Head { end, .. } | Event::Data { end, .. }) => end,
            other => panic!("{other:?}"),
        };
    }
    let spans = collector.wait_for(2);
    let server = one(&spans, SpanKind::Server, "GET /items/*");
    assert_eq!((hex(&server.trace_id), hex(&server.parent_span_id)), (TRACE.into(), PARENT.into()));
    has(
        &server,
        &[("introgate.reason", "insufficient_scope"), ("http.response.status_code", "403")],
    );
}
