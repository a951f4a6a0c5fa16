//! The request: exactly the request of RFC 7662 §2.1, and one way to authenticate.

use super::plain;
use crate::support::{Builder, Setup, free_port, one_route};
use base64::prelude::*;

/// RFC 7662 §2.1, with nothing added: no hint, no scope (pitfall 31), no credentials, no forwarded
/// host (pitfall 39).
#[test]
fn the_request_is_the_plain_one_of_the_rfc() {
    let setup = plain("");
    assert_eq!(setup.get("2YotnFZFEjr1zCsicMWpAA").status, 401);
    let request = setup.server.last();
    assert_eq!((request.method.as_str(), request.target.as_str()), ("POST", "/introspect"));
    assert_eq!(request.body, b"token=2YotnFZFEjr1zCsicMWpAA");
    assert_eq!(request.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("host"), Some(format!("127.0.0.1:{}", setup.server.port()).as_str()));
    for name in [
        "authorization",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-forwarded-for",
        "forwarded",
        "cookie",
        "referer",
    ] {
        assert_eq!(request.header(name), None, "{name}");
    }
}

/// The published example's credentials.
#[test]
fn bearer_authentication() {
    let setup = plain("client_auth: { method: bearer, token: \"23410913-abewfq.123483\" }");
    assert_eq!(setup.get("good").status, 200);
    let request = setup.server.last();
    assert_eq!(request.headers_all("authorization"), ["Bearer 23410913-abewfq.123483"]);
    assert_eq!(request.body, b"token=good");
}

/// The example of RFC 6749 §2.3.1; the scheme is spelled with a capital, as some servers demand.
#[test]
fn basic_authentication() {
    let setup = plain(
        "client_auth: { method: client_secret_basic, client_id: s6BhdRkqt3, client_secret: 7Fjfp0ZBr1KtDRbnfVdmIw }",
    );
    assert_eq!(setup.get("good").status, 200);
    let request = setup.server.last();
    assert_eq!(
        request.headers_all("authorization"),
        ["Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3"]
    );
    assert_eq!(request.body, b"token=good", "one way to authenticate, not two (pitfall 29)");
}

/// Pitfall 28: form-encoded first (RFC 6749 §2.3.1), unless configured otherwise.
#[test]
fn basic_credentials_are_form_encoded_by_default() {
    let keys = |id: &str, encode: bool| {
        format!(
            r#"client_auth: {{ method: client_secret_basic, client_id: "{id}", client_secret: "p%s+t&=/ä", form_encode: {encode} }}"#
        )
    };
    for (id, encode, expected) in [
        ("my client:1", true, "my%20client%3A1:p%25s%2Bt%26%3D%2F%C3%A4"),
        ("my client", false, "my client:p%s+t&=/ä"),
    ] {
        let setup = plain(&keys(id, encode));
        assert_eq!(setup.get("good").status, 200);
        let request = setup.server.last();
        let basic = request.header("authorization").and_then(|value| value.strip_prefix("Basic "));
        let decoded = BASE64_STANDARD.decode(basic.expect("Basic")).expect("base64");
        assert_eq!(String::from_utf8(decoded).expect("UTF-8"), expected);
    }
}

#[test]
fn credentials_in_the_body() {
    let setup = plain(
        r#"client_auth: { method: client_secret_post, client_id: "id&x", client_secret: "s+ %ä" }"#,
    );
    assert_eq!(setup.get("good").status, 200);
    let request = setup.server.last();
    let mut form = request.form();
    form.sort();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        form,
        [pair("client_id", "id&x"), pair("client_secret", "s+ %ä"), pair("token", "good")]
    );
    assert_eq!(request.header("authorization"), None);
}

/// Pitfall 27: the token cannot add a parameter.
#[test]
fn the_token_is_form_encoded() {
    let setup = plain("");
    for token in [
        "a&token_type_hint=x",
        "a+b",
        "a%20b",
        "a=b==",
        "a|b",
        "%",
        "&",
        "=",
        "a/b?c#d",
        "~`!@$^*()_-{}[]:'<>.",
    ] {
        assert_eq!(setup.outcome(token), (401, "inactive".into()), "{token}");
        let form = setup.server.last().form();
        assert_eq!(form, [("token".to_owned(), token.to_owned())]);
    }
}

/// Pitfall 30; contract §2.
#[test]
fn hint_parameters_and_headers_are_sent_when_set() {
    let setup = plain(
        "token_type_hint: access_token, parameters: { tenant: \"a&b\" }, headers: { X-Tenant: t1 }",
    );
    assert_eq!(setup.get("good").status, 200);
    let request = setup.server.last();
    let form = request.form();
    let value = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str());
    assert_eq!(value("token_type_hint"), Some("access_token"));
    assert_eq!((value("tenant"), value("token"), form.len()), (Some("a&b"), Some("good"), 3));
    assert_eq!(request.header("x-tenant"), Some("t1"));
}

/// Contract §2, `forward_host`; contract §3: then the host is part of the key.
#[test]
fn the_clients_host_is_forwarded_on_request_and_is_part_of_the_key() {
    let setup = Setup::start(&format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", forward_host: true }}\n{}",
        one_route("host: [a.test, b.test]")
    ));
    for host in ["a.test", "b.test", "A.test."] {
        let headers = [("Authorization", "Bearer good"), ("Host", host)];
        assert_eq!(setup.gateway.get("/", &headers).status, 200);
    }
    let hosts: Vec<_> = setup
        .server
        .requests()
        .iter()
        .map(|r| r.header("x-forwarded-host").map(str::to_owned))
        .collect();
    assert_eq!(hosts, [Some("a.test".into()), Some("b.test".into())]);
    assert_eq!(setup.server.last().header("x-forwarded-proto"), Some("http"));
}

/// Pitfall 93: a host that a client invents is no further introspection and no further entry.
#[test]
fn invented_hosts_share_one_answer() {
    let setup = Setup::start(&format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", forward_host: true }}\n{}{}",
        one_route(""),
        "  - { name: named, host: [named.test, \"*.wild.test\"], path: /*, upstream: \"@UPSTREAM@\" }\n"
    ));
    let invented = (0..40).flat_map(|n| {
        [format!("h{n}.test"), format!("h{n}.wild.test"), format!("named.test:{}", 20_000 + n)]
    });
    for host in invented {
        let headers = [("Authorization", "Bearer good"), ("Host", host.as_str())];
        assert_eq!(setup.gateway.get("/", &headers).status, 200, "{host}");
    }
    assert_eq!(setup.server.count(), 1);
    assert_eq!(setup.server.last().header("x-forwarded-host"), None);
    assert_eq!(setup.gateway.metric("introgate_cache_entries{cache=\"active\"}"), 1.0);
    for host in ["named.test", "NAMED.test", "named.test."] {
        let headers = [("Authorization", "Bearer good"), ("Host", host)];
        assert_eq!(setup.gateway.get("/", &headers).status, 200, "{host}");
    }
    assert_eq!(setup.server.count(), 2);
    assert_eq!(setup.server.last().header("x-forwarded-host"), Some("named.test"));
}

#[test]
fn a_secret_may_be_in_a_file_with_a_line_end() {
    let builder = Builder::new().file("secret", "from-the-file\n");
    let yaml = format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", client_auth: {{ method: bearer, token_file: \"@DIR@/secret\" }} }}\n{}",
        one_route("")
    );
    let setup = Setup::build(builder, &yaml);
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.last().header("authorization"), Some("Bearer from-the-file"));
}

/// Contract §2: a list of endpoints is tried in order when one fails.
#[test]
fn the_next_endpoint_is_asked_when_one_fails() {
    let down = format!("http://127.0.0.1:{}/", free_port());
    let setup = Setup::start(&format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: [\"{down}\", \"@AS@\"] }}\n{}",
        one_route("")
    ));
    assert_eq!(setup.get("good").status, 200);
    assert_eq!(setup.server.count(), 1);
}
