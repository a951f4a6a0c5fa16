//! `custom`.

use super::answer::answer;
use super::{CompileKind, Context, Reported, WrittenServer};
use crate::config::compile::headers::is_of_the_connection;
use crate::config::path::{KeyPath, ShownKey};
use crate::config::raw::{self, CustomRequest};
use crate::introspect::{BodyTemplate, CustomSettings, ServerKind, Template, TokenContext, is_xml};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

impl CompileKind for raw::Custom {
    const IS_ASKED_ABOUT_JWTS: bool = true;

    fn asks_too(&self) -> Option<&str> {
        None
    }

    fn compile(&self, cx: Context, server: WrittenServer<'_>) -> Option<Arc<dyn ServerKind>> {
        let path = server.path;
        let section = path.key("request");
        let Some(request) = &self.request else {
            cx.needed(&section, "write how the server is asked, such as `request: { url: \"https://as.internal/check/{token}\" }`");
            return None;
        };
        let method = method(cx, &section.key("method"), request);
        let url = url(cx, &section.key("url"), &request.url);
        let headers = headers(cx, &section.key("headers"), request);
        let body = body(cx, &section.key("body"), request, &headers);
        let places: usize =
            url.iter().chain(headers.iter().map(|(_, value)| value)).map(Template::places).sum();
        let complete = url.is_some()
            && !cx.report.is_broken(&section.key("body"))
            && !cx.report.is_broken(&section.key("headers"));
        if complete && places + Template::new(request.body.0.expose()).places() == 0 {
            cx.report.error(
                &section,
                "has no place for the token; write `{token}` into the URL, a header or the body",
            );
        }
        let mut members = answer(cx, &path.key("answer"), self.answer.as_ref());
        members.retain(|(_, pointer, path)| is_pointer(cx, path, pointer));
        let active = members
            .iter()
            .find(|(name, ..)| *name == "active")
            .map(|(_, pointer, _)| (*pointer).to_owned());
        let inactive_status = inactive_status(cx, &path.key("inactive_status"), self);
        let given_up =
            ["answer", "inactive_status"].iter().any(|key| cx.report.is_broken(&path.key(key)));
        if active.is_none()
            && inactive_status.is_empty()
            && !given_up
            && !cx.report.has(&path.key("answer").key("active"))
        {
            let message = "has neither `answer.active` nor `inactive_status`: every answer with status 200 makes its token active, and nothing makes one inactive";
            cx.report.warning_at_key(path, message);
        }
        Some(Arc::new(CustomSettings {
            method: method?,
            url: url?,
            headers,
            body: body.ok()?,
            active,
            answer: members
                .iter()
                .filter(|(name, ..)| *name != "active")
                .map(|(name, at, _)| ((*name).into(), (*at).into()))
                .collect(),
            inactive_status,
        }))
    }
}

fn method(cx: Context, path: &KeyPath, request: &CustomRequest) -> Option<Method> {
    if request.method.is_empty() {
        return Some(if request.body.0.expose().is_empty() { Method::GET } else { Method::POST });
    }
    match Method::from_bytes(request.method.as_bytes()) {
        Ok(Method::CONNECT | Method::TRACE | Method::HEAD | Method::OPTIONS) => {
            cx.report.error(path, "cannot bring an answer; write `GET` or `POST`");
            None
        }
        Ok(method) if request.method.bytes().all(|b| b.is_ascii_uppercase()) => Some(method),
        _ => {
            let shown = cx.report.shown(path, &request.method);
            cx.report.error(path, format!("{shown} is not a method; write `GET` or `POST`"));
            None
        }
    }
}

fn url(cx: Context, path: &KeyPath, text: &str) -> Option<Template> {
    if cx.report.is_broken(path) {
        return None;
    }
    let (template, stand_in) = Template::stand_in(text);
    cx.asked_url(path, &template.fill(&stand_in, TokenContext::Plain))?;
    let url = Template::of_url(text);
    if url.is_none() {
        cx.report.error(path, "must have `{token}` in its path or query, and nowhere else");
    }
    url
}

fn headers(cx: Context, section: &KeyPath, request: &CustomRequest) -> Vec<(HeaderName, Template)> {
    let mut headers: Vec<(HeaderName, Template)> = Vec::new();
    for (text, value) in &request.headers {
        let path = section.key(text);
        let Ok(name) = HeaderName::try_from(text) else {
            cx.report
                .error_at_key(&path, format!("`{}` is not the name of a header", ShownKey(text)));
            continue;
        };
        if is_of_the_connection(&name) || name == header::ACCEPT_ENCODING {
            cx.report.error_at_key(&path, "is set by the gateway itself; remove it");
        } else if headers.iter().any(|(other, _)| *other == name) {
            cx.report.error_at_key(
                &path,
                "is a duplicate, since header names are case-insensitive; remove one of the two",
            );
        } else if HeaderValue::from_str(value.0.expose()).is_err() {
            cx.report
                .error(&path, "cannot be a header's value: it must be visible ASCII and spaces");
        }
        headers.push((name, Template::new(value.0.expose())));
    }
    headers
}

/// The format of the body, by its `Content-Type`, else by how it begins.
fn body(
    cx: Context,
    path: &KeyPath,
    request: &CustomRequest,
    headers: &[(HeaderName, Template)],
) -> Result<Option<BodyTemplate>, Reported> {
    let text = request.body.0.expose();
    if cx.report.is_broken(path) || text.is_empty() {
        return Ok(None);
    }
    let written = headers
        .iter()
        .find(|(name, _)| *name == header::CONTENT_TYPE)
        .map(|(_, value)| value.text());
    let (template, stand_in) = Template::stand_in(text);
    let begins = |c: &[char]| text.trim_start().starts_with(c);
    let (place, content_type) = match &written {
        Some(written) => (place(written), None),
        None if begins(&['{', '[']) => (Some(TokenContext::Json), Some("application/json")),
        None if begins(&['<']) => (Some(TokenContext::Xml), Some("application/xml; charset=utf-8")),
        None => (Some(TokenContext::Form), Some("application/x-www-form-urlencoded")),
    };
    let Some(place) = place.or((template.places() == 0).then_some(TokenContext::Plain)) else {
        cx.report.error(
            path,
            "has `{token}`, and it is not known how that is encoded for this `Content-Type`; use JSON, XML, a form or text/plain",
        );
        return Err(Reported);
    };
    let filled = template.fill(&stand_in, TokenContext::Plain);
    if place == TokenContext::Json && serde_json::from_str::<serde_json::Value>(&filled).is_err() {
        cx.report.error(path, "is not JSON; `{token}` must be inside the quotes of a text");
        return Err(Reported);
    }
    if place == TokenContext::Xml && !is_xml(&template, &stand_in) {
        cx.report.error(
            path,
            "is not XML without DTD; `{token}` must be in text or in the value of an attribute",
        );
        return Err(Reported);
    }
    Ok(Some(BodyTemplate { template, place, content_type }))
}

fn place(content_type: &str) -> Option<TokenContext> {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match &*essence {
        "application/x-www-form-urlencoded" => Some(TokenContext::Form),
        "text/plain" => Some(TokenContext::Plain),
        "application/json" => Some(TokenContext::Json),
        "application/xml" | "text/xml" => Some(TokenContext::Xml),
        essence if essence.ends_with("+json") => Some(TokenContext::Json),
        essence if essence.ends_with("+xml") => Some(TokenContext::Xml),
        _ => None,
    }
}

/// RFC 6901 §3.
fn is_pointer(cx: Context, path: &KeyPath, text: &str) -> bool {
    let escapes = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    let fine = text.starts_with('/') && escapes;
    if !fine {
        cx.report.error(path, "is not a JSON pointer; write one such as `/user/id` (RFC 6901)");
    }
    fine
}

fn inactive_status(cx: Context, section: &KeyPath, raw: &raw::Custom) -> Vec<StatusCode> {
    let mut statuses = Vec::new();
    for (i, &code) in raw.inactive_status.iter().flatten().enumerate() {
        let path = section.item(i);
        match StatusCode::from_u16(code) {
            Ok(StatusCode::OK) => {
                cx.report.error(&path, "is the status of an answer; use `answer.active`")
            }
            Ok(StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT) => {
                cx.report.error(&path, "is a status of the server, not of the token; remove it");
            }
            Ok(status) if status.is_success() || status.is_client_error() => statuses.push(status),
            _ => cx
                .report
                .error(&path, "cannot mean an inactive token; write 2xx other than 200, or 4xx"),
        }
    }
    statuses
}
