//! `rfc7662`.

use super::signed::signed;
use super::{CompileKind, Context, WrittenServer};
use crate::config::compile::client_auth::client_auth;
use crate::config::compile::headers::is_of_the_connection;
use crate::config::path::{KeyPath, ShownKey};
use crate::config::raw::{self, OneOrMany, ServerCommon};
use crate::introspect::{Rfc7662Settings, ServerKind};
use http::{HeaderName, HeaderValue};
use std::sync::Arc;
use url::Url;

impl CompileKind for raw::Rfc7662 {
    const IS_ASKED_ABOUT_JWTS: bool = true;

    fn asks_too(&self) -> Option<&str> {
        None
    }

    fn compile(&self, cx: Context, server: WrittenServer<'_>) -> Option<Arc<dyn ServerKind>> {
        let path = server.path;
        let endpoints = endpoints(cx, path, server.common, self);
        let client_auth =
            client_auth(cx, path, server.common, &self.client_auth, endpoints.as_deref());
        let hint = &self.token_type_hint;
        if !matches!(&**hint, "" | "access_token" | "refresh_token") {
            let message = "is not a registered hint (RFC 7009 §2.1); servers may take a token for inactive because of it; write `access_token`";
            cx.report.warning(&path.key("token_type_hint"), message);
        }
        if self.forward_host && !names_a_host(cx) {
            let message = "forwards no host, since no route names one: write the public name as `host` of the routes, without `*`";
            cx.report.warning(&path.key("forward_host"), message);
        }
        let parameters = parameters(cx, &path.key("parameters"), self);
        let headers = headers(cx, &path.key("headers"), self);
        let signed = signed(cx, path, server.common, self);
        Some(Arc::new(Rfc7662Settings {
            endpoints: endpoints?,
            client_auth: client_auth?,
            token_type_hint: (!hint.is_empty()).then(|| hint.clone()),
            parameters,
            headers,
            forward_host: self.forward_host,
            signed: signed.ok()?,
        }))
    }
}

/// Whether some route names a host that can be sent to a server.
fn names_a_host(cx: Context) -> bool {
    let hosts = cx.raw.routes.iter().filter_map(|route| route.reach.host.as_ref());
    hosts.flat_map(OneOrMany::as_slice).any(|host| !host.starts_with('*'))
}

fn endpoints(
    cx: Context,
    server: &KeyPath,
    common: &ServerCommon,
    raw: &raw::Rfc7662,
) -> Option<Vec<Url>> {
    let path = server.key("introspection_endpoint");
    let Some(written) = &raw.introspection_endpoint else {
        return match &common.issuer {
            _ if cx.report.is_broken(&path) => None,
            // found when it is needed
            Some(issuer) => cx
                .discoverable(&server.key("issuer"), issuer, "`introspection_endpoint`")
                .map(|_| Vec::new()),
            None => {
                cx.report.error_at_key(&path, "is missing; write the URL of the server's introspection endpoint, or its `issuer`");
                None
            }
        };
    };
    let mut endpoints: Vec<Url> = Vec::new();
    for (i, text) in written.as_slice().iter().enumerate() {
        let path = if written.is_list() { path.item(i) } else { path.clone() };
        let Some(url) = cx.asked_url(&path, text) else { continue };
        if endpoints.contains(&url) {
            cx.report.error(&path, "is a duplicate; remove one of the two");
        }
        endpoints.push(url);
    }
    (endpoints.len() == written.as_slice().len()).then_some(endpoints)
}

/// Parameters that the gateway itself sends, or by which a client authenticates.
const OWN_PARAMETERS: [&str; 6] = [
    "token",
    "token_type_hint",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
];

fn parameters(cx: Context, section: &KeyPath, raw: &raw::Rfc7662) -> Vec<(String, String)> {
    for name in raw.parameters.keys() {
        let path = section.key(name);
        match &**name {
            "" => cx.report.error_at_key(&path, "a parameter has a name; write one"),
            "token" => cx.report.error_at_key(&path, "is sent by the gateway itself; remove it"),
            "token_type_hint" => cx
                .report
                .error_at_key(&path, "has a key of its own beside `parameters`: `token_type_hint`"),
            name if OWN_PARAMETERS.contains(&name) => {
                cx.report.error_at_key(&path, "is a matter of `client_auth`; remove it here");
            }
            _ => {}
        }
    }
    raw.parameters.iter().map(|(name, value)| (name.clone(), value.0.expose().to_owned())).collect()
}

fn headers(cx: Context, section: &KeyPath, raw: &raw::Rfc7662) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (text, value) in &raw.headers {
        let path = section.key(text);
        let Ok(name) = HeaderName::try_from(text) else {
            cx.report
                .error_at_key(&path, format!("`{}` is not the name of a header", ShownKey(text)));
            continue;
        };
        if let Some(why) = reserved(&name, raw.forward_host) {
            cx.report.error_at_key(&path, why);
        } else if headers.iter().any(|(other, _)| *other == name) {
            cx.report.error_at_key(
                &path,
                "is a duplicate, since header names are case-insensitive; remove one of the two",
            );
        }
        match HeaderValue::from_str(value.0.expose()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            Err(_) => cx
                .report
                .error(&path, "cannot be a header's value: it must be visible ASCII and spaces"),
        }
    }
    headers
}

fn reserved(name: &HeaderName, forward_host: bool) -> Option<&'static str> {
    match name.as_str() {
        "authorization" => Some("is a matter of `client_auth`; remove it here"),
        "content-type" | "accept" | "accept-encoding" => {
            Some("is set by the gateway itself; remove it")
        }
        _ if is_of_the_connection(name) => Some("is set by the gateway itself; remove it"),
        "x-forwarded-host" | "x-forwarded-proto" | "x-forwarded-for" if forward_host => {
            Some("is sent because of `forward_host`; remove one of the two")
        }
        _ => None,
    }
}
