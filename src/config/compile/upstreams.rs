//! `upstreams`, and those that routes write as URLs.

use super::{Context, Reported};
use crate::clock::Clock;
use crate::config::path::KeyPath;
use crate::config::raw::{self, Upstream, UpstreamServer};
use crate::introspect::{ClientCertificate, Part};
use crate::upstream::{
    Balance, Endpoint, HashKey, HealthCheck, ServerAddress, ShownCertificate, UpstreamProtocol,
    UpstreamSettings, UpstreamTlsSettings,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

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
    let server = ServerAddress { at: cx.endpoint(path, url)?, weight: 1, label: url.into() };
    Some(UpstreamSettings { name: url.into(), servers: vec![server], ..nowhere() })
}

/// An upstream without name and servers: a request for it is 502.
pub fn nowhere() -> UpstreamSettings {
    let raw = Upstream::default();
    UpstreamSettings {
        name: "".into(),
        servers: Vec::new(),
        balance: Balance::RoundRobin,
        protocol: UpstreamProtocol::H1,
        tls: UpstreamTlsSettings::default(),
        health_check: None,
        connect_timeout: raw.connect_timeout.0,
        read_timeout: raw.read_timeout.0,
        write_timeout: raw.write_timeout.0,
        idle_timeout: raw.idle_timeout.0,
        retries: raw.retries,
        preserve_host: raw.preserve_host,
    }
}

fn upstream(cx: Context, path: &KeyPath, name: &str, raw: &Upstream) -> Option<UpstreamSettings> {
    let named = cx.check_name(path, name);
    let servers = servers(cx, &path.key("servers"), &raw.servers);
    let tls = tls(cx, &path.key("tls"), raw, servers.as_deref());
    let protocol = protocol(cx, &path.key("protocol"), raw.protocol, servers.as_deref());
    let health_check = match &raw.health_check {
        Some(check) => health_check(cx, &path.key("health_check"), check).map(Some),
        None => Some(None),
    };
    let connect_timeout = cx.positive(&path.key("connect_timeout"), raw.connect_timeout);
    let read_timeout = cx.positive(&path.key("read_timeout"), raw.read_timeout);
    let write_timeout = cx.positive(&path.key("write_timeout"), raw.write_timeout);
    let idle_timeout = cx.positive(&path.key("idle_timeout"), raw.idle_timeout);
    Some(UpstreamSettings {
        name: named.then(|| name.into())?,
        servers: servers?,
        balance: balance(&raw.balance),
        protocol: protocol?,
        tls: tls?,
        health_check: health_check?,
        connect_timeout: connect_timeout?,
        read_timeout: read_timeout?,
        write_timeout: write_timeout?,
        idle_timeout: idle_timeout?,
        retries: raw.retries,
        preserve_host: raw.preserve_host,
    })
}

/// Of a word that the schema allows.
fn balance(word: &str) -> Balance {
    match word {
        "random" => Balance::Random,
        "least_connections" => Balance::LeastConnections,
        "hash:sub" => Balance::Hash(HashKey::Subject),
        "hash:client_ip" => Balance::Hash(HashKey::ClientAddress),
        _ => Balance::RoundRobin,
    }
}

/// `h2` needs TLS, where ALPN chooses it; `h2c` is plaintext.
fn protocol(
    cx: Context,
    path: &KeyPath,
    protocol: raw::Protocol,
    servers: Option<&[ServerAddress]>,
) -> Option<UpstreamProtocol> {
    let is_tls = |server: &ServerAddress| matches!(server.at, Endpoint::Tcp { tls: true, .. });
    let servers = servers.unwrap_or_default();
    match protocol {
        raw::Protocol::H1 => Some(UpstreamProtocol::H1),
        raw::Protocol::H2 if !servers.iter().all(is_tls) => {
            cx.report.error(
                path,
                "is `h2`, which needs servers with `https://`; write `h2c` for HTTP/2 in plaintext",
            );
            None
        }
        raw::Protocol::H2c if servers.iter().any(is_tls) => {
            cx.report.error(
                path,
                "is `h2c`, which is plaintext; write `h2` for servers with `https://`",
            );
            None
        }
        raw::Protocol::H2 | raw::Protocol::H2c => Some(UpstreamProtocol::H2),
    }
}

fn health_check(cx: Context, path: &KeyPath, raw: &raw::HealthCheck) -> Option<HealthCheck> {
    let interval = cx.positive(&path.key("interval"), raw.interval);
    let timeout = cx.positive(&path.key("timeout"), raw.timeout);
    let target = &raw.path;
    let is_target = target.starts_with('/')
        && target.bytes().all(|byte| matches!(byte, 0x21..=0x7e) && byte != b'#');
    if !target.is_empty() && !is_target {
        cx.report.error(
            &path.key("path"),
            "must be a path of visible ASCII such as `/healthz`, or empty to check connections only",
        );
        return None;
    }
    Some(HealthCheck {
        path: is_target.then(|| target.clone()),
        interval: interval?,
        timeout: timeout?,
        healthy: raw.healthy,
        unhealthy: raw.unhealthy,
    })
}

fn tls(
    cx: Context,
    path: &KeyPath,
    raw: &Upstream,
    servers: Option<&[ServerAddress]>,
) -> Option<UpstreamTlsSettings> {
    without_effect(cx, path, raw, servers);
    let server_name =
        cx.server_name(&path.key("server_name"), &raw.tls.server_name, "api.internal");
    let roots = roots(cx, &path.key("ca"), &raw.tls.ca);
    let certificate = certificate(cx, path, &raw.tls);
    Some(UpstreamTlsSettings { server_name, roots: roots.ok()?, certificate: certificate.ok()? })
}

/// Keys of `tls` beside servers none of which speaks TLS.
fn without_effect(cx: Context, path: &KeyPath, raw: &Upstream, servers: Option<&[ServerAddress]>) {
    let is_tls = |server: &ServerAddress| matches!(server.at, Endpoint::Tcp { tls: true, .. });
    if servers.is_none_or(|servers| servers.iter().any(is_tls)) {
        return;
    }
    let tls = &raw.tls;
    for (key, text) in [
        ("server_name", &tls.server_name),
        ("ca", &tls.ca),
        ("certificate", &tls.certificate),
        ("private_key", &tls.private_key),
    ] {
        if !text.is_empty() {
            cx.report
                .warning(&path.key(key), "has no effect: no server's URL starts with `https://`");
        }
    }
}

/// Certificates in DER, each of which can be parsed, if a file is named.
fn roots(cx: Context, path: &KeyPath, name: &str) -> Result<Option<Vec<Vec<u8>>>, Reported> {
    if name.is_empty() {
        return Ok(None);
    }
    let (_, pem) = cx.roots(path, name).ok_or(Reported)?;
    let roots: Vec<Vec<u8>> =
        CertificateDer::pem_slice_iter(&pem).flatten().map(|der| der.to_vec()).collect();
    if roots.iter().any(|der| X509Certificate::from_der(der).is_err()) {
        cx.report.error(path, "has a certificate that cannot be parsed; name another file");
        return Err(Reported);
    }
    Ok(Some(roots))
}

/// The client certificate, if one is named.
fn certificate(
    cx: Context,
    path: &KeyPath,
    raw: &raw::UpstreamTls,
) -> Result<Option<ShownCertificate>, Reported> {
    let (at, key_at) = (path.key("certificate"), path.key("private_key"));
    match (raw.certificate.is_empty(), raw.private_key.is_empty()) {
        (true, true) => return Ok(None),
        (false, false) => {}
        (true, false) => {
            cx.report.error(&at, "is missing beside `private_key`; name the file with it");
            return Err(Reported);
        }
        (false, true) => {
            cx.report.error(&key_at, "is missing beside `certificate`; name the file with its key");
            return Err(Reported);
        }
    }
    let (chain, key) = (cx.content(&at, &raw.certificate), cx.content(&key_at, &raw.private_key));
    let (chain, key) = chain.zip(key).ok_or(Reported)?;
    let certificate = match ClientCertificate::from_pem(&chain, &key) {
        Ok(certificate) => certificate,
        Err((part, wrong)) => {
            cx.report.error(if part == Part::Certificate { &at } else { &key_at }, wrong);
            return Err(Reported);
        }
    };
    if certificate.ends() <= Clock::system().now().unix_seconds() {
        cx.report.warning(&at, "has expired: servers will refuse it; replace it by a valid one");
    }
    let chain: Vec<Vec<u8>> = CertificateDer::pem_slice_iter(certificate.pem())
        .flatten()
        .map(|der| der.to_vec())
        .collect();
    if chain.iter().any(|der| X509Certificate::from_der(der).is_err()) {
        cx.report.error(&at, "has a certificate that cannot be parsed; name another file");
        return Err(Reported);
    }
    let key = PrivateKeyDer::from_pem_slice(certificate.pem()).map_err(|_| Reported)?;
    Ok(Some(ShownCertificate { chain, key: key.secret_der().to_vec().into() }))
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
            cx.report.error(&path, "is a duplicate; keep one of the two and give it a `weight`");
        }
        servers.push(ServerAddress { at, weight: server.weight(), label: server.url().into() });
    }
    (!raw.is_empty() && servers.len() == raw.len()).then_some(servers)
}
