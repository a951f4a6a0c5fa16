//! The status page: whole without JavaScript, and safe against input of clients.

use crate::support::{Authority, AuthorizationServer, Builder, Setup, now, one_route, wait_until};
use serde_json::json;

#[test]
fn the_page_is_whole_without_a_script() {
    let mut setup = Setup::start(
        "routes: [{ name: items, path: /items/*, upstream: \"@UPSTREAM@\", scopes: [read] }]",
    );
    let headers = [("Authorization", "Bearer narrow"), ("X-Request-Id", "complaint-1")];
    assert_eq!(setup.gateway.get("/items/1", &headers).status, 403);
    setup.server.stop();
    setup.gateway.get_with("/items/1", "new");
    setup.reload("nonsense: 1");
    let page = |query: &str| setup.gateway.admin_get(&format!("/{query}")).text();
    wait_until("the decision is there", || page("").contains("complaint-1"));
    for part in [
        "insufficient_scope",
        "as_unavailable",
        "main",
        "items",
        "Last 5 minutes",
        "<svg",
        "nonsense: unknown key",
        "<form",
        "<noscript>",
        "href=\"?request_id=complaint-1\"",
    ] {
        assert!(page("").contains(part), "{part} in {}", page(""));
    }
    let found = page("?request_id=complaint-1");
    assert!(found.contains("The access token does not have the required scope."), "{found}");
    assert!(page("?request_id=none").contains("have none with this request id"));
    assert!(!page("?decision=allow").contains("complaint-1"));
    assert_eq!(setup.gateway.admin_get("/?decision=maybe").status, 400);
}

/// A route in shadow mode, with the refusals that it would have made.
#[test]
fn shadow_routes_are_shown() {
    let setup = Setup::start(&one_route("scopes: [admin], enforce: false"));
    assert_eq!(setup.get("good").status, 200);
    wait_until("it is counted", || setup.gateway.metric("introgate_shadow_denials_total") == 1.0);
    let shadow = setup.gateway.admin_get("/api/status").json()["shadow_routes"].clone();
    assert_eq!(shadow, json!([{ "name": "all", "denials": { "insufficient_scope": 1 } }]));
    let page = setup.gateway.admin_get("/").text();
    assert!(page.contains("Shadow mode") && page.contains("<code>insufficient_scope</code> 1"));
}

/// Pitfall 94 and its kin: a client's input is shown as text, and no foreign script runs.
#[test]
fn input_of_clients_is_shown_as_text() {
    let setup = Setup::start(&one_route("auth: none"));
    let headers = [("Host", "x"), ("X-Request-Id", "a-b")];
    setup.gateway.get("/<script>alert(1)</script>\"'&", &headers);
    setup.gateway.get("/%3Cscript%3Ealert(2)%3C/script%3E", &headers);
    // pingora's parser refuses the first one, on the general way
    wait_until("they are there", || setup.gateway.admin_get("/").text().contains("alert(2)"));
    let page = setup.gateway.admin_get("/?route=%22%3E%3Cscript%3Ealert(3)%3C/script%3E");
    let text = page.text();
    assert_eq!(text.matches("<script").count(), 1, "its own alone: {text}");
    assert!(text.contains("<script src=\"page.js\" defer></script>"));
    let policy = page.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!text.contains("style=") && !text.contains("onclick"), "the policy forbids these");
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
}

#[test]
fn style_and_script_are_there() {
    let setup = Setup::start(&one_route("auth: none"));
    for (path, kind, part) in [
        ("/page.css", "text/css", "prefers-color-scheme: dark"),
        ("/page.js", "text/javascript", "EventSource"),
    ] {
        let answer = setup.gateway.admin_get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.header("content-type").is_some_and(|value| value.starts_with(kind)));
        assert!(answer.text().contains(part), "{path}");
    }
}

/// Every certificate in use with its end: the listener's as it was loaded, the ones for upstreams and
/// authorization servers.
#[test]
fn certificates_and_their_ends_are_shown() {
    let authority = Authority::new();
    let (listener, client) = (authority.certify(&["api.test"]), authority.certify(&["gateway"]));
    let server = AuthorizationServer::start();
    let gateway = Builder::new()
        .file("tls.crt", &(listener.certificate.clone() + authority.pem()))
        .file("tls.key", &listener.key)
        .file("client.crt", &client.certificate)
        .file("client.key", &client.key)
        .file("ca.pem", authority.pem())
        .start(&format!(
            "listeners:\n  \
               - {{ address: \"127.0.0.1:@PORT@\", tls: {{ certificate: tls.crt, private_key: tls.key }} }}\n\
             authorization_servers:\n  \
               main: {{ introspection_endpoint: \"{}\", tls: {{ ca: ca.pem }} }}\n\
             upstreams:\n  \
               items: {{ servers: [\"https://127.0.0.1:9\"], tls: {{ ca: ca.pem, certificate: client.crt, private_key: client.key }} }}\n\
             routes: [{{ path: /*, upstream: items, scopes: [read] }}]\n",
            server.url()
        ));
    let status = gateway.admin_get("/api/status").json();
    let certificates = status["certificates"].as_array().expect("a list");
    let shown: Vec<_> = certificates
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            assert!(one["ends"].as_i64() > Some(now()) && one["begins"].as_i64() < Some(now()));
            (text("used_by"), text("name"), text("certificate"), one["names"].to_string())
        })
        .collect();
    let address = format!("127.0.0.1:{}", gateway.port());
    let expected = [
        ("listener", &*address, "tls.crt", "[\"api.test\"]"),
        ("upstream", "items", "client certificate", "[\"gateway\"]"),
        ("upstream", "items", "tls.ca", "[]"),
        ("authorization_server", "main", "tls.ca", "[]"),
    ];
    let expected = expected.map(|(user, name, file, names)| {
        (user.to_owned(), name.to_owned(), file.to_owned(), names.to_owned())
    });
    assert_eq!(shown, expected);
    assert_eq!(status["listeners"][0]["address"], address);
    assert_eq!(
        (&status["listeners"][0]["serves"], &status["listeners"][0]["tls"]),
        (&json!("proxy"), &json!(true))
    );
    let metric =
        format!("introgate_certificate_expiry_timestamp_seconds{{listener=\"{address}\"}}");
    let ends = certificates[0]["ends"].as_i64().expect("a time");
    assert_eq!(gateway.metric(&metric) as i64, ends);
    let page = gateway.admin_get("/").text();
    for part in
        ["Certificates", "api.test", "client certificate", "authorization server main", "Listeners"]
    {
        assert!(page.contains(part), "{part} in {page}");
    }

    // a reload loads the new certificate, and the page shows that one
    let other = authority.certify(&["other.test"]);
    let write = |name: &str, text: &str| {
        std::fs::write(gateway.directory().join(name), text).expect("write");
    };
    write("tls.crt", &other.certificate);
    write("tls.key", &other.key);
    wait_until("the new certificate is shown", || {
        gateway.admin_get("/").text().contains("other.test")
    });
}

/// The notice lists the errors alone: warnings are no reason for the refusal.
#[test]
fn warnings_are_not_among_the_errors_of_a_refused_configuration() {
    let setup = Setup::start(&one_route("auth: none"));
    setup.reload(&(one_route("scopes: [read], enforce: false") + "\nnonsense: 1\n"));
    let reload =
        setup.gateway.admin_get("/api/status").json()["configuration"]["last_reload"].clone();
    let problems = reload["problems"].as_array().expect("a list");
    assert_eq!((reload["succeeded"].as_bool(), problems.len()), (Some(false), 1), "{problems:?}");
    assert!(problems[0].as_str().is_some_and(|problem| problem.contains("nonsense")));
}
