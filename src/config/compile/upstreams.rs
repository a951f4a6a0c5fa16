//! `upstreams`, and those that routes write as URLs.

use super::Context;
use crate::config::path::KeyPath;
use crate::config::raw::{Upstream, UpstreamServer};
use crate::upstream::{Balance, Endpoint, ServerAddress, UpstreamSettings};

pub fn upstreams(cx: Context) -> Option<Vec<UpstreamSettings>> {
    let section = KeyPath::root().key("upstreams");
    let compiled: Vec<_> = cx
        .raw
        .upstreams
        .iter()
        .map(|(name, raw)| upstream(cx, &section.key(name), name, raw))
        .collect();
    compiled.into_iter().collect()
}

/// The upstream that a route means by a URL.
pub fn by_url(cx: Context, path: &KeyPath, url: &str) -> Option<UpstreamSettings> {
    let raw = Upstream::default();
    let server = ServerAddress { at: cx.endpoint(path, url)?, weight: 1, label: url.into() };
    Some(UpstreamSettings {
        name: url.into(),
        servers: vec![server],
        balance: Balance::RoundRobin,
        connect_timeout: raw.connect_timeout.0,
        read_timeout: raw.read_timeout.0,
        write_timeout: raw.write_timeout.0,
        idle_timeout: raw.idle_timeout.0,
        retries: raw.retries,
        preserve_host: raw.preserve_host,
        server_name: None,
    })
}

fn upstream(cx: Context, path: &KeyPath, name: &str, raw: &Upstream) -> Option<UpstreamSettings> {
    let named = cx.check_name(path, name);
    let servers = servers(cx, &path.key("servers"), &raw.servers);
    let server_name = server_name(cx, &path.key("tls").key("server_name"), raw, servers.as_deref());
    let connect_timeout = cx.positive(&path.key("connect_timeout"), raw.connect_timeout);
    let read_timeout = cx.positive(&path.key("read_timeout"), raw.read_timeout);
    let write_timeout = cx.positive(&path.key("write_timeout"), raw.write_timeout);
    let idle_timeout = cx.positive(&path.key("idle_timeout"), raw.idle_timeout);
    Some(UpstreamSettings {
        name: named.then(|| name.into())?,
        servers: servers?,
        balance: if raw.balance == "random" { Balance::Random } else { Balance::RoundRobin },
        connect_timeout: connect_timeout?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        idle_timeout: idle_timeout?,
        retries: raw.retries,
        preserve_host: raw.preserve_host,
        server_name,
    })
}

fn servers(cx: Context, section: &KeyPath, raw: &[UpstreamServer]) -> Option<Vec<ServerAddress>> {
    let mut servers: Vec<ServerAddress> = Vec::new();
    for (i, server) in raw.iter().enumerate() {
        let path = match server {
            UpstreamServer::Url(_) => section.item(i),
            UpstreamServer::Weighted(_) => section.item(i).key("url"),
        };
        if cx.report.is_broken(&path) {
            continue;
        }
        let Some(at) = cx.endpoint(&path, server.url()) else { continue };
        if servers.iter().any(|other| other.at == at) {
            cx.report.error(&path, "stands twice; keep one of the two and give it a `weight`");
        }
        servers.push(ServerAddress { at, weight: server.weight(), label: server.url().into() });
    }
    (!raw.is_empty() && servers.len() == raw.len()).then_some(servers)
}

fn server_name(
    cx: Context,
    path: &KeyPath,
    raw: &Upstream,
    servers: Option<&[ServerAddress]>,
) -> Option<String> {
    let name = cx.server_name(path, &raw.tls.server_name, "api.internal")?;
    if servers.is_some_and(|servers| {
        !servers.iter().any(|server| matches!(server.at, Endpoint::Tcp { tls: true, .. }))
    }) {
        cx.report.warning(path, "has no effect: no server's URL starts with `https://`");
    }
    Some(name)
}
