//! `protected_resource`.

use super::{Context, Reported};
use crate::config::path::KeyPath;
use crate::gate::RouteSettings;
use crate::introspect::ServerSettings;
use crate::resource::{Coverage, ResourceId, WELL_KNOWN};
use crate::route::PathPattern;

/// The identifier; `None` when it is not written.
pub fn resource(cx: Context) -> Result<Option<ResourceId>, Reported> {
    let path = path();
    let Some(raw) = &cx.raw.protected_resource else {
        // a section that could not be read is not one that is not written
        return if cx.report.is_broken(&path) { Err(Reported) } else { Ok(None) };
    };
    match ResourceId::parse(&raw.resource) {
        Ok(identifier) => Ok(Some(identifier)),
        Err(message) => {
            cx.report.error(&path.key("resource"), message);
            Err(Reported)
        }
    }
}

/// Reports routes whose paths the metadata takes, and routes that let tokens for other resources
/// pass.
pub fn beside_routes(
    cx: Context,
    identifier: &ResourceId,
    servers: &[ServerSettings],
    routes: &[RouteSettings],
) {
    taken_paths(cx, routes);
    let resource = path().key("resource");
    let public_url = cx.raw.public_url.trim_end_matches('/');
    if !public_url.is_empty() && public_url != identifier.origin() {
        cx.report.warning(
            &resource,
            "is not at `public_url`: clients that look for the metadata at the resource's own host do not find this gateway; write the same scheme and host in both",
        );
    }
    let covered = Coverage::new(identifier, routes).of_configured();
    if covered.is_empty() {
        cx.report.warning(
            &resource,
            "covers no route: none that needs a token has this host and a path of the resource; its metadata names no authorization server",
        );
        return;
    }
    let asked = |server: &&ServerSettings| {
        covered.iter().any(|&i| routes[i].demands.authorization_servers.contains(&server.name))
    };
    if servers.iter().filter(asked).all(|server| server.issuer.is_none()) {
        cx.report.warning(
            &resource,
            "has metadata without an authorization server, since no server of its routes has an `issuer`; write `issuer` there",
        );
    }
    let mut open = covered.iter().copied().filter(|&i| takes_any_audience(servers, &routes[i]));
    let Some(first) = open.next() else { return };
    let others = match open.count() {
        0 => String::new(),
        1 => " (and one other route)".to_owned(),
        more => format!(" (and {more} other routes)"),
    };
    let message = format!(
        "demands no `audience`{others}, and is part of `protected_resource`: a token that a client got for another resource passes (RFC 9728 §7.4); write the resource's identifier as `audience`, here or in `defaults`"
    );
    cx.report.warning_at_key(&KeyPath::root().key("routes").item(first), message);
}

fn path() -> KeyPath {
    KeyPath::root().key("protected_resource")
}

/// Routes that would never get a request.
fn taken_paths(cx: Context, routes: &[RouteSettings]) {
    let Ok(well_known) = PathPattern::parse(WELL_KNOWN) else { return };
    let section = KeyPath::root().key("routes");
    for (i, route) in routes.iter().enumerate() {
        if route.reach.paths.iter().any(|path| path.is_within(&well_known)) {
            cx.report.error_at_key(
                &section.item(i).key("path"),
                format!("is at `{WELL_KNOWN}`, which the gateway answers because of `protected_resource`; remove one of the two"),
            );
        }
    }
}

/// Whether neither the route nor a server of it demands an audience.
fn takes_any_audience(servers: &[ServerSettings], route: &RouteSettings) -> bool {
    let demands = &route.demands;
    demands.policy.audience.is_empty()
        && servers
            .iter()
            .filter(|server| demands.authorization_servers.contains(&server.name))
            .any(|server| server.demands().audience.is_empty())
}
