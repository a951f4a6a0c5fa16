//! RFC 6750 §2.3: responses to requests whose token was not in a header are kept out of shared
//! caches.

use crate::support::{Response, Setup, UpstreamBehaviour};

const YAML: &str = r#"
token: { from: [header, "header:X-Access-Token", query, "cookie:at"] }
routes:
  - { name: all, path: /*, upstream: "@UPSTREAM@" }
  - { name: open, path: /open/*, upstream: "@UPSTREAM@", auth: none }
"#;

fn cache_control(response: &Response) -> Option<String> {
    let lines = response.headers_all("cache-control");
    (!lines.is_empty()).then(|| lines.join(" | "))
}

#[test]
fn responses_to_tokens_outside_of_headers_are_private() {
    let setup = Setup::start(YAML);
    let length = "Content-Length: 2\r\n\r\nok";
    let chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for framing in [length, chunked] {
        for (target, header, lines, expected) in [
            ("/?access_token=good", None, "", Some("private")),
            ("/", Some(("Cookie", "a=b; at=good")), "", Some("private")),
            (
                "/?access_token=good",
                None,
                "Cache-Control: public, max-age=60\r\n",
                Some("max-age=60, private"),
            ),
            (
                "/?access_token=good",
                None,
                "cache-control: s-maxage=9\r\nCache-Control: max-age=6\r\n",
                Some("max-age=6, private"),
            ),
            ("/?access_token=good", None, "Cache-Control: no-store\r\n", Some("no-store")),
            (
                "/?access_token=good",
                None,
                "Cache-Control: private, max-age=1\r\n",
                Some("private, max-age=1"),
            ),
            ("/", Some(("Authorization", "Bearer good")), "", None),
            ("/", Some(("X-Access-Token", "good")), "", None),
            (
                "/",
                Some(("Authorization", "Bearer good")),
                "Cache-Control: public\r\n",
                Some("public"),
            ),
            ("/open/1?access_token=good", None, "Cache-Control: public\r\n", Some("public")),
        ] {
            let response = format!("HTTP/1.1 200 OK\r\n{lines}{framing}");
            setup.upstream.behave(UpstreamBehaviour::Raw(response.into_bytes()));
            let headers: Vec<_> = header.into_iter().collect();
            let response = setup.gateway.get(target, &headers);
            assert_eq!((response.status, &*response.text()), (200, "ok"));
            assert_eq!(
                cache_control(&response).as_deref(),
                expected,
                "{target} {header:?} {lines}"
            );
        }
    }
}
