//! The status page: one page without parts from elsewhere. It is written here whole, so that it
//! works without JavaScript; the script only renews its parts, follows decisions and sends the
//! forms.

mod decisions;
mod html;
mod listeners;
mod now;
mod parts;
mod spark;

use super::decisions::Filter;
use super::respond::response;
use super::status;
use crate::runtime::Process;
use html::Html;
use http::{HeaderValue, Response, StatusCode, header};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Nothing but this listener's own style, script and answers.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
);

pub fn style() -> Response<Vec<u8>> {
    response(StatusCode::OK, "text/css; charset=utf-8", STYLE.to_owned())
}

pub fn script() -> Response<Vec<u8>> {
    response(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT.to_owned())
}

/// `filter`: which decisions are shown.
pub fn page(process: &Process, filter: &Filter) -> Response<Vec<u8>> {
    let status = status::status(process);
    let mut html = Html::default();
    html.raw(HEAD);
    now::heading(&mut html, &status);
    html.raw("<main id=\"main\">");
    decisions::found(&mut html, process, filter);
    now::tiles(&mut html, process, &status);
    now::charts(&mut html, process);
    parts::servers(&mut html, &status);
    parts::events(&mut html, &status);
    parts::upstreams(&mut html, &status);
    listeners::certificates(&mut html, &status, process.parts.clock.now().unix_seconds());
    now::refusals(&mut html, process);
    decisions::section(&mut html, process, filter);
    parts::shadow(&mut html, &status);
    parts::cache(&mut html, &status);
    listeners::listeners(&mut html, &status);
    parts::routes(&mut html, &status);
    decisions::explain(&mut html);
    html.raw(FOOT);
    let mut response = response(StatusCode::OK, "text/html; charset=utf-8", html.into_string());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

const HEAD: &str = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>introgate</title>
<link rel="stylesheet" href="page.css">
<script src="page.js" defer></script>
</head>
<body>
<a class="skip" href="#main">Skip to content</a>
"##;

const FOOT: &str = r#"</main>
<footer>
<p><a href="metrics">Metrics</a> · <a href="api/status">Status as JSON</a> · <a href="api/decisions">Decisions as JSON</a> · <a href="api/config">Configuration</a></p>
<p>Keys: <kbd>/</kbd> find a request, <kbd>f</kbd> follow decisions, <kbd>e</kbd> explain a request.</p>
</footer>
</body>
</html>
"#;
