//! The state of the gateway, as JSON and for Prometheus.

use crate::config::CertificateUser;
use crate::introspect::CertificateFacts;
use crate::listen::Serves;
use crate::runtime::{Process, Runtime};
use crate::security_events::StreamStatus;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

pub fn status(process: &Process) -> Value {
    let runtime = process.runtime.load();
    let now = process.parts.clock.now();
    let (active, inactive) = process.parts.store.held();
    let routes: Vec<Value> = runtime
        .settings
        .routes
        .iter()
        .map(|route| {
            json!({
                "name": &*route.name,
                "hosts": route.reach.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "paths": route.reach.paths.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "methods": route.reach.methods.iter().map(http::Method::as_str).collect::<Vec<_>>(),
                "upstream": &*route.destination.upstream,
                "enforce": !route.demands.policy.shadow,
                "authorization_server": one_or_list(&route.demands.authorization_servers),
            })
        })
        .collect();
    let servers: Vec<Value> = runtime
        .servers
        .iter()
        .map(|server| {
            let last_error = server
                .guarded
                .last_error()
                .map(|error| json!({"reason": error.kind.reason().as_str(), "detail": &*error.detail, "at": error.at, "remedy": error.kind.remedy()}));
            json!({"name": &*server.name, "circuit": server.guarded.circuit().as_str(), "in_flight": server.guarded.in_flight(), "last_error": last_error, "events": events(process, &runtime, &server.name)})
        })
        .collect();
    let connections = process.parts.metrics.last_connections();
    let upstreams: Vec<Value> = runtime
        .upstreams
        .iter()
        .map(|upstream| {
            let name = &*upstream.settings.name;
            let servers: Vec<Value> = upstream
                .servers()
                .iter()
                .map(|server| {
                    let (label, healthy) = (&**server.label(), server.health.is_good(now.mono));
                    let up = connections.get(&(name.to_owned(), label.to_owned()));
                    json!({"url": label, "up": up, "healthy": healthy})
                })
                .collect();
            json!({"name": name, "servers": servers})
        })
        .collect();
    let denials = process.parts.metrics.denials_in_shadow();
    let shadow_routes: Vec<Value> = runtime
        .shadow_routes()
        .into_iter()
        .map(|route| json!({"name": route, "denials": denials.get(route)}))
        .collect();
    let redis = runtime.shared.as_ref().map(|shared| {
        let last_error = shared.last_error().map(
            |trouble| json!({"trouble": trouble.kind, "detail": trouble.detail, "at": trouble.at}),
        );
        json!({"state": if shared.is_up() { "up" } else { "bypassed" }, "last_error": last_error})
    });
    let last_reload = process.last_reload.lock().clone().map(|reload| {
        json!({
            "at": reload.at,
            "succeeded": reload.problems.is_empty(),
            "problems": reload.problems,
        })
    });
    let (hits, misses) = process.history.lock().cache_look_ups();
    let metrics = &process.parts.metrics;
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": now.uptime().as_secs(),
        "ready": process.ready.load(Ordering::SeqCst),
        "requests_in_flight": process.in_flight.now(),
        "streams": process.parts.store.streams.open(),
        "upgraded_connections": process.upgraded.now(),
        "listeners": listeners(process, &runtime),
        "certificates": certificates(process, &runtime),
        "routes": routes,
        "authorization_servers": servers,
        "cache": {
            "active": {"entries": active, "max_entries": runtime.settings.cache.max_entries},
            "inactive": {"entries": inactive, "max_entries": runtime.settings.cache.inactive_max_entries},
            "last_hour": {"hits": hits, "misses": misses},
            "stale_served": metrics.stale_served_by_all() as u64,
        },
        "redis": redis,
        "upstreams": upstreams,
        "shadow_routes": shadow_routes,
        "configuration": {
            "loaded_at": runtime.loaded_at,
            "last_reload_succeeded": metrics.config_last_reload_success.get() == 1,
            "last_reload": last_reload,
        },
    })
}

/// The listeners of the configuration, with the connections that are open.
fn listeners(process: &Process, runtime: &Runtime) -> Vec<Value> {
    let open = &process.parts.metrics.connections;
    let each = runtime.settings.listeners.iter().map(|listener| {
        let address = listener.address.to_string();
        let serves = match listener.serves {
            Serves::Proxy => "proxy",
            Serves::ForwardAuth { .. } => "forward_auth",
            Serves::ExtAuthz => "ext_authz",
        };
        let connections = open.with_label_values(&[&address]).get();
        json!({
            "address": address,
            "serves": serves,
            "tls": listener.tls.is_some(),
            "connections": connections,
        })
    });
    each.collect()
}

/// Every certificate in use, and when it ends.
fn certificates(process: &Process, runtime: &Runtime) -> Vec<Value> {
    let one = |user: CertificateUser, name: &str, certificate: &str, facts: &CertificateFacts| {
        json!({
            "used_by": user.as_str(),
            "name": name,
            "certificate": certificate,
            "names": facts.names,
            "begins": facts.begins,
            "ends": facts.ends,
            "chain_ends": facts.chain_ends,
        })
    };
    let loaded = process.certificates.all();
    let listeners = loaded.iter().map(|loaded| {
        one(CertificateUser::Listener, &loaded.listener, &loaded.name, &loaded.facts)
    });
    let outgoing = runtime.settings.outgoing_certificates();
    let outgoing =
        outgoing.iter().map(|named| one(named.user, &named.name, &named.certificate, &named.facts));
    listeners.chain(outgoing).collect()
}

/// Prometheus text; gauges that are states rather than events are read off here.
pub fn metrics(process: &Process) -> String {
    let metrics = &process.parts.metrics;
    let (active, inactive) = process.parts.store.held();
    for (cache, held) in [("active", active), ("inactive", inactive)] {
        metrics
            .cache_entries
            .with_label_values(&[cache])
            .set(i64::try_from(held).unwrap_or(i64::MAX));
    }
    for subscription in &process.runtime.load().subscriptions {
        let (facts, server) = (subscription.state.facts(), &*subscription.server.name);
        if let Some(at) = facts.last_poll {
            metrics.event_last_poll.with_label_values(&[server]).set(at);
        }
        if let Some((status, _)) = facts.status {
            let enabled = i64::from(status == StreamStatus::Enabled);
            metrics.event_stream_enabled.with_label_values(&[server]).set(enabled);
        }
        if subscription.settings.stream.is_some() {
            let overdue = i64::from(facts.verification.overdue);
            metrics.event_verification_overdue.with_label_values(&[server]).set(overdue);
        }
    }
    metrics.log_lines_dropped.set(i64::try_from(process.access_log.dropped()).unwrap_or(i64::MAX));
    metrics.text()
}

/// The delivery of a server's security events; `null` without `events`.
fn events(process: &Process, runtime: &Runtime, server: &Arc<str>) -> Value {
    let of_server = runtime.settings.servers.iter().find(|settings| settings.name == *server);
    let Some(settings) = of_server.and_then(|settings| settings.events.as_ref()) else {
        return Value::Null;
    };
    let facts = process.parts.streams.for_server(server).facts();
    let called = settings.poll.is_some() || settings.stream.is_some();
    let stream = settings.stream.as_ref().map(|_| {
        let (status, reason) = facts.status.clone().unzip();
        json!({
            "id": facts.stream_id,
            "status": status.map(StreamStatus::as_str),
            "meaning": status.map(StreamStatus::sentence),
            "reason": reason.flatten(),
            "verified_at": facts.verification.verified,
            "verification_overdue": facts.verification.overdue,
        })
    });
    let trouble =
        facts.trouble.as_ref().map(|trouble| json!({"detail": &*trouble.detail, "at": trouble.at}));
    json!({
        "delivery": if settings.poll.is_some() { "poll" } else { "push" },
        "role": called.then(|| facts.role.sentence()),
        "last_poll": facts.last_poll,
        "last_event": facts.last_event,
        "stream": stream,
        "last_error": trouble,
    })
}

/// As a route writes it: a name, a list of several, `null` for none.
fn one_or_list(names: &[Arc<str>]) -> Value {
    match names {
        [] => Value::Null,
        [name] => (**name).into(),
        names => names.iter().map(|name| &**name).collect(),
    }
}
