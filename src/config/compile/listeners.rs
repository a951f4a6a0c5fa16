//! `listeners` and `admin`.

mod tls;

use super::Context;
use super::files::GivenSecret;
use super::url::unix_path;
use crate::config::path::KeyPath;
use crate::config::raw;
use crate::config::settings::AdminSettings;
use crate::listen::{Limits, Listen, ListenerSettings, Protocols, Serves};
use crate::route::{HostPattern, PathPattern};
use std::net::SocketAddr;

pub fn listeners(cx: Context) -> Vec<ListenerSettings> {
    let section = KeyPath::root().key("listeners");
    let mut known: Vec<ListenerSettings> = Vec::new();
    for (i, listener) in cx.raw.listeners.iter().enumerate() {
        let section = section.item(i);
        let limits = limits(cx, &section.key("limits"), &listener.limits);
        let tls = tls::tls(cx, &section.key("tls"), listener.tls.as_ref());
        let protocols = protocols(cx, &section.key("protocols"), listener);
        if listener.proxy_protocol && cx.raw.trusted_proxies.is_empty() {
            let message = "needs `trusted_proxies`: the header is believed from these alone, and \
                           connections of all others are closed";
            cx.report.error(&section.key("proxy_protocol"), message);
        }
        let path = section.key("address");
        let Some(address) = address(cx, &path, &listener.address) else { continue };
        if known.iter().any(|other| collide(&other.address, &address)) {
            cx.report
                .error(&path, "another listener has this address already; remove one of the two");
        }
        let serves = serves(cx, &section, listener);
        let proxy_protocol = listener.proxy_protocol;
        known.push(ListenerSettings { address, serves, protocols, proxy_protocol, tls, limits });
    }
    known
}

fn serves(cx: Context, section: &KeyPath, listener: &raw::Listener) -> Serves {
    let (path, prefix) = (section.key("path_prefix"), listener.path_prefix.as_deref());
    match (listener.serves, prefix) {
        (raw::Serves::Proxy, None) => Serves::Proxy,
        (raw::Serves::ExtAuthz, None) => Serves::ExtAuthz,
        (raw::Serves::Proxy | raw::Serves::ExtAuthz, Some(_)) => {
            cx.report.error_at_key(&path, "belongs to `serves: forward_auth`; remove it");
            Serves::Proxy
        }
        (raw::Serves::ForwardAuth, None) => Serves::ForwardAuth { path_prefix: None },
        (raw::Serves::ForwardAuth, Some(prefix)) => {
            let is_path = PathPattern::parse(prefix).is_ok_and(|path| path.is_exact());
            if !is_path || prefix.ends_with('/') {
                cx.report.error(
                    &path,
                    "must be a plain path without a final slash; write one such as `/check`",
                );
            }
            Serves::ForwardAuth { path_prefix: Some(prefix.to_owned()) }
        }
    }
}

/// `None`: wrong, and reported.
fn address(cx: Context, path: &KeyPath, text: &str) -> Option<Listen> {
    if cx.report.is_broken(path) {
        return None;
    }
    if let Some(name) = text.strip_prefix("systemd:") {
        // systemd.socket(5): no control characters and no colon
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            let message = "is not the name of a socket; write one such as `systemd:introgate`, as in FileDescriptorName= of the socket unit";
            cx.report.error(path, message);
            return None;
        }
        return Some(Listen::Systemd(name.to_owned()));
    }
    match unix_path(text) {
        Some(Ok(socket)) => Some(Listen::Unix(socket.into())),
        Some(Err(message)) => {
            cx.report.error(path, message);
            None
        }
        None => match text.parse() {
            Ok(address) => Some(Listen::Tcp(address)),
            Err(_) => {
                cx.report.error(path, not_an_address(cx, path, text, ", or `unix:/path`"));
                None
            }
        },
    }
}

fn protocols(cx: Context, path: &KeyPath, listener: &raw::Listener) -> Protocols {
    if listener.serves == raw::Serves::ExtAuthz {
        // gRPC is HTTP/2, whatever is written
        let tls = listener.tls.is_some();
        return Protocols { h1: false, h2: tls, h2c: !tls };
    }
    let has = |wanted: raw::Protocol| listener.protocols.contains(&wanted);
    let protocols = Protocols {
        h1: has(raw::Protocol::H1),
        h2: has(raw::Protocol::H2),
        h2c: has(raw::Protocol::H2c),
    };
    if protocols.h2 && listener.tls.is_none() {
        cx.report.error(
            path,
            "`h2` is chosen in a TLS handshake; write `tls`, or `h2c` for HTTP/2 without TLS",
        );
    }
    if protocols.h2c && listener.tls.is_some() {
        cx.report.error(path, "`h2c` is HTTP/2 without TLS; write `h2`, or remove `tls`");
    }
    protocols
}

/// A header section shorter than this has no room for a token.
const SMALLEST_HEADER: usize = 512;

/// pingora reads no longer ones.
const LARGEST_HEADER: usize = 1023 << 10;

fn limits(cx: Context, section: &KeyPath, limits: &raw::ListenerLimits) -> Limits {
    for (key, period) in [
        ("header_timeout", limits.header_timeout),
        ("idle_timeout", limits.idle_timeout),
        ("write_timeout", limits.write_timeout),
    ] {
        cx.positive(&section.key(key), period);
    }
    if !(SMALLEST_HEADER..=LARGEST_HEADER).contains(&limits.header_size.0) {
        cx.report.error(
            &section.key("header_size"),
            format!("must be from {SMALLEST_HEADER}B to {}KiB", LARGEST_HEADER >> 10),
        );
    }
    Limits {
        header_timeout: limits.header_timeout.0,
        idle_timeout: limits.idle_timeout.0,
        write_timeout: limits.write_timeout.0,
        header_size: limits.header_size.0,
        headers: limits.headers.into(),
        body_size: Some(limits.body_size.0 as u64).filter(|&bytes| bytes > 0),
        connections: Some(limits.connections as usize).filter(|&most| most > 0),
        streams: limits.streams,
    }
}

pub fn admin(cx: Context, listeners: &[ListenerSettings]) -> Option<AdminSettings> {
    let section = KeyPath::root().key("admin");
    let (path, text) = (section.key("address"), &*cx.raw.admin.address);
    let token =
        cx.secret(&section, "token", &cx.raw.admin.token, cx.raw.admin.token_file.as_deref());
    let address: Option<SocketAddr> = match text {
        "off" => None,
        text => match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                cx.report.error(&path, not_an_address(cx, &path, text, ", or `off`"));
                return None;
            }
        },
    };
    if let Some(address) = address {
        if listeners.iter().any(|other| collide(&other.address, &Listen::Tcp(address))) {
            cx.report.error(&path, "a listener has this address already; give the admin endpoints an address of their own");
        }
        if !address.ip().to_canonical().is_loopback() && matches!(token, GivenSecret::Missing) {
            let message = "is not on loopback and there is no `token`: anyone who reaches it can read the status, and it is impossible to purge the \
                           cache; write a token, or 127.0.0.1";
            cx.report.warning(&path, message);
        }
    }
    let token = match token {
        GivenSecret::Missing => None,
        GivenSecret::Broken => return None,
        GivenSecret::Secret(token) => {
            if !token.expose().bytes().all(|b| matches!(b, 0x21..=0x7e)) {
                cx.report.error(
                    &section.key("token"),
                    "must be visible ASCII without spaces: it is sent in a header",
                );
                return None;
            }
            Some(token)
        }
    };
    let hosts = hosts(cx, &section.key("hosts"));
    Some(AdminSettings { address, token, hosts })
}

fn hosts(cx: Context, section: &KeyPath) -> Vec<String> {
    let mut hosts = Vec::new();
    for (i, written) in cx.raw.admin.hosts.iter().enumerate() {
        let path = section.item(i);
        match HostPattern::parse(written) {
            Ok(HostPattern::Exact(host)) => hosts.push(host),
            Ok(HostPattern::Below(_)) => {
                cx.report.error(&path, "must be one whole name; wildcards are not supported here");
            }
            Err(_) => cx.report.error(
                &path,
                format!(
                    "{} is not a host name; write one such as `gateway.example.com`, without scheme, port and path",
                    cx.report.shown(&path, written)
                ),
            ),
        }
    }
    hosts
}

/// Whether the second could not be opened besides the first.
fn collide(one: &Listen, other: &Listen) -> bool {
    match (one, other) {
        (Listen::Tcp(one), Listen::Tcp(other)) => {
            let any = one.ip().is_unspecified() || other.ip().is_unspecified();
            one.port() == other.port()
                && one.port() != 0
                && (one.ip() == other.ip() || any && one.is_ipv4() == other.is_ipv4())
        }
        (one, other) => one == other,
    }
}

fn not_an_address(cx: Context, path: &KeyPath, text: &str, or: &str) -> String {
    let example = match text.strip_prefix(':') {
        Some(port) if port.parse::<u16>().is_ok() && !cx.report.hides(path) => {
            format!("0.0.0.0:{port}")
        }
        _ => "127.0.0.1:8080".into(),
    };
    format!(
        "{} is not an IP address with a port; write one such as `{example}`{or}",
        cx.report.shown(path, text)
    )
}
