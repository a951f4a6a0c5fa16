//! `authorization_servers`.

use super::cache::count;
use super::events;
use super::files::GivenSecret;
use super::implications::scope_implications;
use super::kinds;
use super::{Context, Reported};
use crate::config::path::KeyPath;
use crate::config::raw::{Server, ServerCommon};
use crate::introspect::jwt::RequiredIssuer;
use crate::introspect::{BreakerSettings, ProxySettings, ServerSettings, TokenSelector};
use tokio::sync::Semaphore;
use url::Url;

/// Bytes of an answer. Far beyond any that is one, and small enough to be taken into memory.
const LARGEST_RESPONSE: usize = 16 << 20;

pub fn servers(cx: Context) -> Option<Vec<ServerSettings>> {
    let section = KeyPath::root().key("authorization_servers");
    let compiled: Vec<_> = cx
        .raw
        .authorization_servers
        .iter()
        .map(|(name, raw)| server(cx, &section.key(name), name, raw))
        .collect();
    compiled.into_iter().collect()
}

fn server(cx: Context, path: &KeyPath, name: &str, written: &Server) -> Option<ServerSettings> {
    let named = cx.check_name(path, name);
    if cx.report.is_broken(&path.key("type")) {
        return None;
    }
    kinds::foreign_keys(cx, path, &written.kind);
    let raw = &written.common;
    let issuer = issuer(cx, path, raw);
    let kind = kinds::kind(cx, kinds::WrittenServer { name, path, common: raw }, &written.kind);
    let tokens = tokens(cx, &path.key("tokens"), raw);
    let timeout = cx.positive(&path.key("timeout"), raw.timeout);
    let connect_timeout = cx.positive(&path.key("connect_timeout"), raw.connect_timeout);
    if let (Some(timeout), Some(connect)) = (timeout, connect_timeout)
        && connect > timeout
    {
        cx.report.warning(
            &path.key("connect_timeout"),
            "is longer than `timeout`, which ends the whole call before",
        );
    }
    if raw.max_response_size.0 == 0 {
        cx.report
            .error(&path.key("max_response_size"), "must be more than nothing; `64KiB` is plenty");
    }
    if raw.max_response_size.0 > LARGEST_RESPONSE {
        cx.report.error(&path.key("max_response_size"), "must be at most 16MiB; `64KiB` is plenty");
    }
    let open_for =
        cx.positive(&path.key("circuit_breaker").key("open_for"), raw.circuit_breaker.open_for);
    let extra_roots = cx.roots(&path.key("tls").key("ca"), &raw.tls.ca);
    let server_name = server_name(cx, &path.key("tls").key("server_name"), &raw.tls.server_name);
    let implications =
        scope_implications(cx, &path.key("scope_implications"), &raw.scope_implications);
    let proxy = proxy(cx, path, raw);
    let kind = kind?;
    let named_issuer = issuer.clone();
    let profile = kind.profile(named_issuer.as_deref());
    let events = match &raw.events {
        None => None,
        Some(events) => Some(events::events(cx, path, raw, &profile, events)?),
    };
    let verification = profile.verification.as_ref();
    let max_concurrent = match verification {
        // no server is asked: good tokens must not wait for those whose key is looked up
        Some(_) => Semaphore::MAX_PERMITS,
        None => count(raw.max_concurrent),
    };
    let has_tenants = verification.is_some_and(|verification| {
        matches!(verification.issuer, RequiredIssuer::OfTenants { .. })
    });
    let issuer = issuer.filter(|_| !has_tenants);
    let settings = ServerSettings {
        name: named.then(|| name.into())?,
        kind,
        tokens,
        issuer,
        require_issuer: raw.require_issuer,
        timeout: timeout?,
        connect_timeout: connect_timeout?,
        max_response_size: raw.max_response_size.0,
        max_concurrent,
        retries: raw.retries,
        circuit_breaker: BreakerSettings {
            failures: raw.circuit_breaker.failures,
            open_for: open_for?,
        },
        extra_roots,
        implications: implications?,
        events,
        server_name,
        proxy: proxy.ok()?,
        fast_path: cx.raw.fast_path,
    };
    if settings.server_name.is_some() && settings.is_plain() {
        cx.report.warning(
            &path.key("tls").key("server_name"),
            "has no effect: nothing is called over https",
        );
    }
    Some(settings)
}

/// The URL is shown in no message: it may hold a password.
fn proxy(cx: Context, server: &KeyPath, raw: &ServerCommon) -> Result<ProxySettings, Reported> {
    let url = match cx.secret(server, "proxy", &raw.proxy, raw.proxy_file.as_deref()) {
        GivenSecret::Missing => return Ok(ProxySettings::None),
        GivenSecret::Broken => return Err(Reported),
        GivenSecret::Secret(url) => url,
    };
    let key = if raw.proxy.0.expose().is_empty() { "proxy_file" } else { "proxy" };
    let at = server.key(key);
    let wrong = if url.expose() == "environment" { None } else { not_a_proxy(url.expose()) };
    if let Some(wrong) = wrong {
        cx.report.error(&at, wrong);
        return Err(Reported);
    }
    if !raw.tls.server_name.is_empty() {
        let message = "cannot be used together with `tls.server_name`: the proxy would be asked for a connection to that name; remove one of the two";
        cx.report.error_at_key(&at, message);
        return Err(Reported);
    }
    Ok(match url.expose() {
        "environment" => ProxySettings::Environment,
        _ => ProxySettings::Through(url),
    })
}

/// Why a text is not the URL of a proxy.
fn not_a_proxy(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else {
        return Some(
            "is not a URL; write one such as `http://proxy.internal:3128`, or `environment`",
        );
    };
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Some(
            "must start with `http://` or `https://`: other kinds of proxies are not supported",
        );
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Some(
            "must have no path, query and fragment; write only scheme, user and password, host and port",
        );
    }
    if url.password().is_some() && url.username().is_empty() {
        return Some("has a password and no user name; write both");
    }
    None
}

fn server_name(cx: Context, path: &KeyPath, written: &str) -> Option<String> {
    let name = cx.server_name(path, written, "as.internal")?;
    // in the spelling of URLs
    match url::Host::parse(&name) {
        Ok(url::Host::Domain(name)) => Some(name),
        _ => {
            cx.report.error(path, "is not a host name; write one such as `as.internal`");
            None
        }
    }
}

fn tokens(cx: Context, path: &KeyPath, raw: &ServerCommon) -> TokenSelector {
    let (prefix, issuer) = (&raw.tokens.prefix, &raw.tokens.jwt_issuer);
    if !prefix.bytes().all(|b| matches!(b, 0x21..=0x7e) && !matches!(b, b'"' | b',' | b';' | b'\\'))
    {
        cx.report
            .error(&path.key("prefix"), "has characters that no token has, and can never match");
    }
    if issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        cx.report
            .error(&path.key("jwt_issuer"), "must have no white space: no `iss` would ever match");
    }
    let some = |text: &String| (!text.is_empty()).then(|| text.clone());
    TokenSelector { prefix: some(prefix), jwt_issuer: some(issuer) }
}

fn issuer(cx: Context, server: &KeyPath, raw: &ServerCommon) -> Option<String> {
    let path = server.key("issuer");
    let Some(issuer) = &raw.issuer else {
        if raw.require_issuer && !cx.report.is_broken(&path) {
            cx.report.error(
                &server.key("require_issuer"),
                "needs `issuer`: write the required value of `iss`, or remove this key",
            );
        }
        return None;
    };
    let url = issuer.contains("://").then(|| Url::parse(issuer));
    let wrong = if issuer.is_empty() {
        Some("is empty; write the required value of `iss`, or remove the key")
    } else if issuer.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Some("must have no white space: no `iss` would ever match")
    } else if issuer.contains(['?', '#']) {
        Some("must have no query and no fragment (RFC 8414 §2)")
    } else if matches!(&url, Some(Ok(url)) if !url.username().is_empty() || url.password().is_some())
    {
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
