//! `authorization_servers`.

use super::Context;
use super::cache::count;
use super::client_auth::client_auth;
use super::headers::is_of_the_connection;
use super::kinds;
use crate::config::path::{Key, KeyPath};
use crate::config::raw::{Server, ServerKind};
use crate::introspect::jwt::Issuer;
use crate::introspect::{BreakerSettings, ClientAuth, Kind, ServerSettings, TokenSelector};
use http::{HeaderName, HeaderValue};
use tokio::sync::Semaphore;
use url::Url;

pub fn servers(cx: Context) -> Option<Vec<ServerSettings>> {
    let section = KeyPath::root().key("authorization_servers");
    let compiled: Vec<_> = cx.raw.authorization_servers.iter().map(|(name, raw)| server(cx, &section.key(name), name, raw)).collect();
    compiled.into_iter().collect()
}

fn server(cx: Context, path: &KeyPath, name: &str, raw: &Server) -> Option<ServerSettings> {
    let named = cx.check_name(path, name);
    if cx.report.is_broken(&path.key("type")) {
        return None;
    }
    kinds::foreign_keys(cx, path, raw.kind);
    let issuer = issuer(cx, path, raw);
    let kind = kinds::kind(cx, path, name, raw);
    let asked = match raw.kind {
        ServerKind::Rfc7662 => introspection(cx, path, raw),
        _ => Some(Introspection::default()),
    };
    let tokens = tokens(cx, &path.key("tokens"), raw);
    let timeout = cx.positive(&path.key("timeout"), raw.timeout);
    let connect_timeout = cx.positive(&path.key("connect_timeout"), raw.connect_timeout);
    if let (Some(timeout), Some(connect)) = (timeout, connect_timeout)
        && connect > timeout
    {
        cx.report.warning(&path.key("connect_timeout"), "is longer than `timeout`, which ends the whole call before");
    }
    if raw.max_response_size.0 == 0 {
        cx.report.error(&path.key("max_response_size"), "must be more than nothing; `64KiB` is plenty");
    }
    let open_for = cx.positive(&path.key("circuit_breaker").key("open_for"), raw.circuit_breaker.open_for);
    let extra_roots = cx.roots(&path.key("tls").key("ca"), &raw.tls.ca);
    let Introspection { endpoints, client_auth, token_type_hint, parameters, headers } = asked?;
    let kind = kind?;
    let issuer = match &kind {
        Kind::Jwt(jwt) if matches!(jwt.issuer, Issuer::OfTenants { .. }) => None,
        _ => issuer,
    };
    let max_concurrent = match kind {
        // nobody is asked about a token: good ones must not wait for those whose key is looked up
        Kind::Jwt(_) => Semaphore::MAX_PERMITS,
        _ => count(raw.max_concurrent),
    };
    Some(ServerSettings {
        name: named.then(|| name.into())?,
        kind,
        tokens,
        issuer,
        require_issuer: raw.require_issuer,
        endpoints,
        client_auth,
        token_type_hint,
        parameters,
        headers,
        forward_host: raw.forward_host,
        timeout: timeout?,
        connect_timeout: connect_timeout?,
        max_response_size: raw.max_response_size.0,
        max_concurrent,
        retries: raw.retries,
        circuit_breaker: BreakerSettings { failures: raw.circuit_breaker.failures, open_for: open_for? },
        extra_roots,
    })
}

/// What only `rfc7662` has.
struct Introspection {
    endpoints: Vec<Url>,
    client_auth: ClientAuth,
    token_type_hint: Option<String>,
    parameters: Vec<(String, String)>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Default for Introspection {
    fn default() -> Self {
        Self { endpoints: Vec::new(), client_auth: ClientAuth::None, token_type_hint: None, parameters: Vec::new(), headers: Vec::new() }
    }
}

fn introspection(cx: Context, path: &KeyPath, raw: &Server) -> Option<Introspection> {
    let endpoints = endpoints(cx, path, raw);
    let client_auth = client_auth(cx, &path.key("client_auth"), &raw.client_auth);
    let hint = &raw.token_type_hint;
    if !matches!(&**hint, "" | "access_token" | "refresh_token") {
        let message = "is not a registered hint (RFC 7009 §2.1); servers may take a token for inactive because of it; write `access_token`";
        cx.report.warning(&path.key("token_type_hint"), message);
    }
    let parameters = parameters(cx, &path.key("parameters"), raw);
    let headers = headers(cx, &path.key("headers"), raw);
    Some(Introspection {
        endpoints: endpoints?,
        client_auth: client_auth?,
        token_type_hint: (!hint.is_empty()).then(|| hint.clone()),
        parameters,
        headers,
    })
}

fn tokens(cx: Context, path: &KeyPath, raw: &Server) -> TokenSelector {
    let (prefix, issuer) = (&raw.tokens.prefix, &raw.tokens.jwt_issuer);
    if !prefix.bytes().all(|b| matches!(b, 0x21..=0x7e) && !matches!(b, b'"' | b',' | b';' | b'\\')) {
        cx.report.error(&path.key("prefix"), "has characters that no token has, and can never match");
    }
    if issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        cx.report.error(&path.key("jwt_issuer"), "must have no white space: no `iss` would ever match");
    }
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    TokenSelector { prefix: some(prefix), jwt_issuer: some(issuer) }
}

fn issuer(cx: Context, server: &KeyPath, raw: &Server) -> Option<String> {
    let path = server.key("issuer");
    let Some(issuer) = &raw.issuer else {
        if raw.require_issuer && !cx.report.is_broken(&path) {
            cx.report.error(&server.key("require_issuer"), "needs `issuer`: write what `iss` must be, or remove this key");
        }
        return None;
    };
    let url = issuer.contains("://").then(|| Url::parse(issuer));
    let wrong = if issuer.is_empty() {
        Some("is empty; write what `iss` must be, or remove the key")
    } else if issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("must have no white space: no `iss` would ever match")
    } else if issuer.contains(['?', '#']) {
        Some("must have no query and no fragment (RFC 8414 §2)")
    } else if matches!(&url, Some(Ok(url)) if !url.username().is_empty() || url.password().is_some()) {
        Some("must have no user name and password")
    } else if matches!(url, Some(Err(_))) {
        Some("is not a URL; write it exactly as the server does in `iss`")
    } else {
        None
    };
    if let Some(wrong) = wrong {
        cx.report.error(&path, wrong);
    }
    Some(issuer.clone())
}

fn endpoints(cx: Context, server: &KeyPath, raw: &Server) -> Option<Vec<Url>> {
    let path = server.key("introspection_endpoint");
    let Some(written) = &raw.introspection_endpoint else {
        return match &raw.issuer {
            _ if cx.report.is_broken(&path) => None,
            // found when it is needed
            Some(issuer) => cx.discoverable(&server.key("issuer"), issuer, "`introspection_endpoint`").map(|_| Vec::new()),
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
            cx.report.error(&path, "stands twice; remove one of the two");
        }
        endpoints.push(url);
    }
    (endpoints.len() == written.as_slice().len()).then_some(endpoints)
}

/// Parameters that the gateway itself sends, or by which a client authenticates.
const OWN_PARAMETERS: [&str; 6] = ["token", "token_type_hint", "client_id", "client_secret", "client_assertion", "client_assertion_type"];

fn parameters(cx: Context, section: &KeyPath, raw: &Server) -> Vec<(String, String)> {
    for name in raw.parameters.keys() {
        let path = section.key(name);
        match &**name {
            "" => cx.report.error_at_key(&path, "a parameter has a name; write one"),
            "token" => cx.report.error_at_key(&path, "is sent by the gateway itself; remove it"),
            "token_type_hint" => cx.report.error_at_key(&path, "has a key of its own beside `parameters`: `token_type_hint`"),
            name if OWN_PARAMETERS.contains(&name) => {
                cx.report.error_at_key(&path, "is a matter of `client_auth`; remove it here");
            }
            _ => {}
        }
    }
    raw.parameters.iter().map(|(name, value)| (name.clone(), value.0.expose().to_owned())).collect()
}

fn headers(cx: Context, section: &KeyPath, raw: &Server) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    for (text, value) in &raw.headers {
        let path = section.key(text);
        let Ok(name) = HeaderName::try_from(text) else {
            cx.report.error_at_key(&path, format!("`{}` is not the name of a header", Key(text)));
            continue;
        };
        if let Some(why) = reserved(&name, raw.forward_host) {
            cx.report.error_at_key(&path, why);
        } else if headers.iter().any(|(other, _)| *other == name) {
            cx.report.error_at_key(&path, "stands twice, since case does not count in names of headers; remove one of the two");
        }
        match HeaderValue::from_str(value.0.expose()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.push((name, value));
            }
            Err(_) => cx.report.error(&path, "cannot be a header's value: it must be visible ASCII and spaces"),
        }
    }
    headers
}

fn reserved(name: &HeaderName, forward_host: bool) -> Option<&'static str> {
    match name.as_str() {
        "authorization" => Some("is a matter of `client_auth`; remove it here"),
        "content-type" | "accept" | "accept-encoding" => Some("is set by the gateway itself; remove it"),
        _ if is_of_the_connection(name) => Some("is set by the gateway itself; remove it"),
        "x-forwarded-host" | "x-forwarded-proto" | "x-forwarded-for" if forward_host => {
            Some("is sent because of `forward_host`; remove one of the two")
        }
        _ => None,
    }
}
