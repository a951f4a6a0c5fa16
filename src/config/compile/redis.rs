//! `cache.redis`.

use super::files::GivenSecret;
use super::redis_url::{RedisKind, RedisUrl};
use super::{Context, Reported};
use crate::cache::{Login, RedisNode, RedisSettings, RedisTlsSettings, SharedKey, Topology};
use crate::config::path::KeyPath;
use crate::config::raw::Redis;
use crate::secret::Secret;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

/// The settings, if the section is there.
pub fn redis(cx: Context) -> Result<Option<RedisSettings>, Reported> {
    let Some(redis) = &cx.raw.cache.redis else { return Ok(None) };
    settings(cx, redis).map(Some).ok_or(Reported)
}

fn settings(cx: Context, redis: &Redis) -> Option<RedisSettings> {
    let section = KeyPath::root().key("cache").key("redis");
    let url = url(cx, &section, redis);
    let key = key(cx, &section, redis);
    let password =
        given(cx.secret(&section, "password", &redis.password, redis.password_file.as_deref()));
    let login = match (&url, password) {
        (Some(url), Ok(password)) => login(cx, &section, redis, url, password),
        _ => Err(Reported),
    };
    let sentinel = sentinel(cx, &section, redis, url.as_ref());
    let tls = tls(cx, &section, redis, url.as_ref());
    let timeout = cx.positive(&section.key("timeout"), redis.timeout);
    let (url, login) = (url?, login.ok()?);
    if login.is_some() && !url.tls && !url.is_local() {
        cx.report.warning(
            &section.key("url"),
            "is not encrypted: the password crosses the network unprotected; use `rediss`",
        );
    }
    let topology = match url.kind {
        RedisKind::Single(node) => Topology::Single(node),
        RedisKind::Sentinel { sentinels, master } => {
            Topology::Sentinel { sentinels, master, login: sentinel.ok()? }
        }
        RedisKind::Cluster(nodes) => Topology::Cluster(nodes),
    };
    Some(RedisSettings {
        topology,
        tls: tls.ok()?,
        database: url.database,
        login,
        key: key?,
        prefix: redis.prefix.clone(),
        timeout: timeout?,
    })
}

/// A URL is never part of a message: it may hold a password.
fn url(cx: Context, section: &KeyPath, redis: &Redis) -> Option<RedisUrl> {
    match RedisUrl::parse(redis.url.0.expose()) {
        Ok(url) => Some(url),
        Err(message) => {
            cx.report.error(&section.key("url"), message);
            None
        }
    }
}

fn key(cx: Context, section: &KeyPath, redis: &Redis) -> Option<SharedKey> {
    let secret = match cx.secret(section, "key", &redis.key, redis.key_file.as_deref()) {
        GivenSecret::Secret(secret) => secret,
        GivenSecret::Broken => return None,
        GivenSecret::Missing => {
            cx.report.error(
                section,
                "needs `key` or `key_file`: 32 bytes in base64, the same in all gateways, as `openssl rand -base64 32` makes",
            );
            return None;
        }
    };
    let key = SharedKey::parse(secret.expose());
    if key.is_none() {
        let at = if redis.key_file.is_some() { "key_file" } else { "key" };
        cx.report.error(
            &section.key(at),
            "is not 32 bytes in base64; make one with `openssl rand -base64 32`",
        );
    }
    key
}

fn given(given: GivenSecret) -> Result<Option<Secret>, Reported> {
    match given {
        GivenSecret::Missing => Ok(None),
        GivenSecret::Secret(secret) => Ok(Some(secret)),
        GivenSecret::Broken => Err(Reported),
    }
}

/// User and password: each from the URL or from its own key, not from both.
fn login(
    cx: Context,
    section: &KeyPath,
    redis: &Redis,
    url: &RedisUrl,
    password: Option<Secret>,
) -> Result<Option<Login>, Reported> {
    if password.is_some() && url.password.is_some() {
        cx.report.error(section, "has a password in `url` as well; keep one of the two");
        return Err(Reported);
    }
    if !redis.username.is_empty() && url.username.is_some() {
        cx.report.error(&section.key("username"), "is set in `url` as well; keep one of the two");
        return Err(Reported);
    }
    let username = Some(redis.username.clone())
        .filter(|name| !name.is_empty())
        .or_else(|| url.username.clone());
    match (username, password.or_else(|| url.password.clone())) {
        (username, Some(password)) => Ok(Some(Login { username, password })),
        (None, None) => Ok(None),
        (Some(_), None) => {
            cx.report.error(
                section,
                "has a user name and no password; write `password` or `password_file`",
            );
            Err(Reported)
        }
    }
}

fn sentinel(
    cx: Context,
    section: &KeyPath,
    redis: &Redis,
    url: Option<&RedisUrl>,
) -> Result<Option<Login>, Reported> {
    let (section, written) = (section.key("sentinel"), &redis.sentinel);
    let password = given(cx.secret(
        &section,
        "password",
        &written.password,
        written.password_file.as_deref(),
    ))?;
    let username = Some(written.username.clone()).filter(|name| !name.is_empty());
    let login = match (username, password) {
        (username, Some(password)) => Some(Login { username, password }),
        (None, None) => None,
        (Some(_), None) => {
            cx.report.error(
                &section,
                "has a user name and no password; write `password` or `password_file`",
            );
            return Err(Reported);
        }
    };
    if login.is_some() && url.is_some_and(|url| !matches!(url.kind, RedisKind::Sentinel { .. })) {
        cx.report
            .error_at_key(&section, "is for `redis-sentinel` alone; remove it, or correct `url`");
        return Err(Reported);
    }
    Ok(login)
}

fn tls(
    cx: Context,
    section: &KeyPath,
    redis: &Redis,
    url: Option<&RedisUrl>,
) -> Result<Option<RedisTlsSettings>, Reported> {
    let (section, written) = (section.key("tls"), &redis.tls);
    let any = [&written.ca, &written.certificate, &written.private_key]
        .iter()
        .any(|file| !file.is_empty());
    if !url.ok_or(Reported)?.tls {
        if any {
            cx.report.error_at_key(
                &section,
                "has no effect without TLS; write `rediss` in `url`, or remove it",
            );
            return Err(Reported);
        }
        return Ok(None);
    }
    let ca = if written.ca.is_empty() {
        None
    } else {
        Some(cx.roots(&section.key("ca"), &written.ca).ok_or(Reported)?.1)
    };
    let identity = match (written.certificate.is_empty(), written.private_key.is_empty()) {
        (true, true) => None,
        (false, false) => Some((
            cx.roots(&section.key("certificate"), &written.certificate).ok_or(Reported)?.1,
            private_key(cx, &section.key("private_key"), &written.private_key).ok_or(Reported)?,
        )),
        (true, false) => {
            cx.report.error(&section, "has a private key and no certificate; write both");
            return Err(Reported);
        }
        (false, true) => {
            cx.report.error(&section, "has a certificate and no private key; write both");
            return Err(Reported);
        }
    };
    Ok(Some(RedisTlsSettings { ca, identity }))
}

fn private_key(cx: Context, path: &KeyPath, name: &str) -> Option<Zeroizing<Vec<u8>>> {
    let content = cx.content(path, name)?;
    if PrivateKeyDer::from_pem_slice(&content).is_err() {
        cx.report.error(
            path,
            "there is no private key in the file; name a PEM file with `BEGIN PRIVATE KEY`",
        );
        return None;
    }
    Some(content)
}

impl RedisUrl {
    /// Nothing leaves this machine.
    fn is_local(&self) -> bool {
        let nodes = match &self.kind {
            RedisKind::Single(node) => std::slice::from_ref(node),
            RedisKind::Sentinel { sentinels: nodes, .. } | RedisKind::Cluster(nodes) => nodes,
        };
        nodes.iter().all(|node| match node {
            RedisNode::Unix(_) => true,
            RedisNode::Tcp(host, _) => {
                host == "localhost"
                    || host.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
            }
        })
    }
}
