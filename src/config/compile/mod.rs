//! Compiles the user's file to [`Settings`], and finds the mistakes that only show when two parts
//! of the file are compared.

mod cache;
mod claims;
mod client_auth;
mod demands;
mod destination;
mod events;
mod files;
mod headers;
mod identity;
mod implications;
mod kinds;
mod lax;
mod limits;
mod listeners;
mod names;
mod origins;
mod proof;
mod proxies;
mod reach;
mod redis;
mod redis_url;
mod require;
mod resource;
mod routes;
mod server;
mod ties;
mod token;
mod traces;
mod upstreams;
mod url;

pub use files::Files;

use super::path::KeyPath;
use super::raw::{Access, Format, Gateway, Level, Log, Period, Threads};
use super::report::Report;
use super::settings::{AdminSettings, Settings};
use crate::listen::ListenerSettings;
use crate::telemetry::{AccessLog, LogFormat, LogSettings};
use crate::upstream::{UpstreamProtocol, UpstreamSettings};
use std::time::Duration;

/// Common parameters of all parts of the compilation.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub report: &'a Report<'a>,
    pub files: &'a Files,
    /// Gives the value of an environment variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    pub raw: &'a Gateway,
}

/// An error: it is in the report already, with its place, and needs no further words.
#[derive(Debug)]
pub struct Reported;

pub struct Compiled {
    pub settings: Option<Settings>,
    pub admin: Option<AdminSettings>,
}

/// Complete only when nothing of it was in error; all problems are in `report`.
pub fn compile(
    raw: &Gateway,
    report: &Report,
    files: &Files,
    env: &dyn Fn(&str) -> Option<String>,
) -> Compiled {
    let cx = Context { report, files, env, raw };
    let listeners = listeners::listeners(cx);
    let admin = listeners::admin(cx, &listeners);
    Compiled { admin: admin.clone(), settings: settings(cx, listeners, admin) }
}

fn settings(
    cx: Context,
    listeners: Vec<ListenerSettings>,
    admin: Option<AdminSettings>,
) -> Option<Settings> {
    let Context { raw, .. } = cx;
    let root = KeyPath::root();
    let shutdown_timeout = cx.positive(&root.key("shutdown_timeout"), raw.shutdown_timeout);
    let trusted_proxies = proxies::trusted_proxies(cx);
    let realm = realm(cx, &root.key("realm"));
    let public_url = proof::public_url(cx);
    let dpop = proof::dpop(cx);
    let protected_resource = resource::resource(cx);
    let servers = server::servers(cx);
    let cache = cache::cache(cx);
    let redis = redis::redis(cx);
    let token = token::token(cx);
    let identity = identity::identity(cx);
    let named = upstreams::upstreams(cx);
    let traces = traces::traces(cx);
    let (routes, by_url) = routes::routes(cx);
    if let (Some(servers), Some(routes)) = (&servers, &routes) {
        kinds::audiences(cx, servers, routes);
        lax::routes(cx, servers, routes);
        if let Ok(Some(identifier)) = &protected_resource {
            resource::beside_routes(cx, identifier, servers, routes);
        }
    }
    names::unused(cx, &routes);
    let speaks_h2 = |upstream: &UpstreamSettings| upstream.protocol == UpstreamProtocol::H2;
    // the fast path speaks HTTP/1.1 to upstreams
    let speaks_h2 = named.iter().flatten().any(speaks_h2);
    Some(Settings {
        threads: match raw.threads {
            // this counts the CPUs of the process's affinity mask and cgroup
            Threads::Auto => std::thread::available_parallelism().map_or(1, usize::from),
            Threads::Count(count) => count.into(),
        },
        shutdown_timeout: shutdown_timeout?,
        fast_path: raw.fast_path && !speaks_h2,
        listeners,
        admin: admin?,
        trusted_proxies,
        realm: realm?,
        public_url,
        protected_resource: protected_resource.ok()?,
        dpop: dpop?,
        servers: servers?,
        cache: cache?,
        redis: redis.ok()?,
        token: token?,
        identity: identity?,
        upstreams: named?.into_iter().chain(by_url).collect(),
        routes: routes?,
        log: log(&raw.log),
        traces: traces.ok()?,
    })
}

impl Context<'_> {
    /// A time that something may take.
    fn positive(self, path: &KeyPath, period: Period) -> Option<Duration> {
        if period.0.is_zero() {
            self.report.error(path, "must be longer than zero");
            return None;
        }
        Some(period.0)
    }
}

fn realm(cx: Context, path: &KeyPath) -> Option<String> {
    let realm = &cx.raw.realm;
    if realm.is_empty()
        || !realm.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\')
    {
        cx.report.error(path, "must be printable ASCII without quotes and backslashes, and not empty: it is quoted in a header");
        return None;
    }
    Some(realm.clone())
}

fn log(log: &Log) -> LogSettings {
    LogSettings {
        level: match log.level {
            Level::Error => tracing::Level::ERROR,
            Level::Warn => tracing::Level::WARN,
            Level::Info => tracing::Level::INFO,
            Level::Debug => tracing::Level::DEBUG,
            Level::Trace => tracing::Level::TRACE,
        },
        format: match log.format {
            Format::Json => LogFormat::Json,
            Format::Text => LogFormat::Text,
        },
        access: match log.access {
            Access::All => AccessLog::All,
            Access::Denied => AccessLog::Denied,
            Access::Off => AccessLog::Off,
        },
    }
}
