//! Names that one part of the file gives and another one uses.

use super::{Context, kinds};
use crate::config::nearest::{hint, nearest};
use crate::config::path::{KeyPath, ShownKey};
use crate::gate::RouteSettings;
use std::collections::BTreeSet;

impl Context<'_> {
    /// The names of the authorization servers, also of those with mistakes; `None` when they are
    /// not known, because the section as such is wrong.
    pub fn server_names(self) -> Option<Vec<String>> {
        self.names("authorization_servers", self.raw.authorization_servers.keys())
    }

    pub fn upstream_names(self) -> Option<Vec<String>> {
        self.names("upstreams", self.raw.upstreams.keys())
    }

    fn names<'k>(
        self,
        section: &str,
        keys: impl Iterator<Item = &'k String>,
    ) -> Option<Vec<String>> {
        let section = KeyPath::root().key(section);
        if self.report.is_broken(&section) {
            return None;
        }
        Some(keys.cloned().chain(self.report.broken_members(&section)).collect())
    }

    /// Reports a name that is not defined.
    pub fn unknown_name(
        self,
        path: &KeyPath,
        what: &str,
        name: &str,
        known: &[String],
        otherwise: &str,
    ) {
        let shown = self.report.shown(path, name);
        let known = known.iter().map(String::as_str);
        let otherwise = if nearest(name, known.clone()).is_some() { "" } else { otherwise };
        self.report
            .error(path, format!("there is no {what} {shown}{}{otherwise}", hint(name, known)));
    }

    /// A name of the user's choice: it becomes a metric label and a header value.
    pub fn check_name(self, path: &KeyPath, name: &str) -> bool {
        let starts_well = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        let valid = starts_well
            && name.len() <= 64
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'));
        if !valid {
            let message = format!(
                "`{}` is not a name; use at most 64 of letters, digits, `-`, `_` and `.`, a letter or digit first",
                ShownKey(name)
            );
            self.report.error_at_key(path, message);
        }
        valid
    }
}

/// Warns of definitions that no route uses, unless there are errors: the routes may be among them.
pub fn unused(cx: Context, routes: &Option<Vec<RouteSettings>>) {
    let Some(routes) = routes.as_ref().filter(|_| !cx.report.has_errors()) else { return };
    let mut servers: BTreeSet<&str> = routes
        .iter()
        .flat_map(|route| &route.demands.authorization_servers)
        .map(|name| &**name)
        .collect();
    servers.extend(
        cx.raw.authorization_servers.values().filter_map(|server| kinds::asks_too(&server.kind)),
    );
    let upstreams: BTreeSet<&str> =
        routes.iter().map(|route| &*route.destination.upstream).collect();
    for name in cx.raw.authorization_servers.keys().filter(|name| !servers.contains(name.as_str()))
    {
        let path = KeyPath::root().key("authorization_servers").key(name);
        cx.report.warning_at_key(
            &path,
            "no route uses this authorization server; remove it, or name it in a route",
        );
    }
    for name in cx.raw.upstreams.keys().filter(|name| !upstreams.contains(name.as_str())) {
        let path = KeyPath::root().key("upstreams").key(name);
        cx.report
            .warning_at_key(&path, "no route uses this upstream; remove it, or name it in a route");
    }
}
