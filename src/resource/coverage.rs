//! Which resource identifiers there are, and which routes each of them covers.
//!
//! The identifiers are the configured one and, below it, the path of every route that needs a token
//! and accepts a token for that identifier: `audience` is absent, or lists it.

use super::ResourceId;
use crate::gate::RouteSettings;
use crate::policy::AuthMode;
use crate::route::comparable;
use std::collections::{BTreeMap, BTreeSet};

/// The identifiers of one configuration.
pub struct Coverage<'s> {
    routes: &'s [RouteSettings],
    configured: &'s ResourceId,
    /// The paths of protected routes at the resource's host, each with its route; sorted.
    shapes: Vec<(String, usize)>,
    /// Those below the configured one, by their text.
    below: BTreeMap<String, ResourceId>,
}

/// Whether a route needs a token and is at the host of a resource.
fn covers(identifier: &ResourceId, route: &RouteSettings) -> bool {
    let hosts = &route.reach.hosts;
    route.demands.auth != AuthMode::None
        && (hosts.is_empty() || hosts.iter().any(|host| host.takes(identifier.host())))
}

impl<'s> Coverage<'s> {
    /// Finds the identifiers.
    pub fn new(configured: &'s ResourceId, routes: &'s [RouteSettings]) -> Self {
        let mut coverage = Self { routes, configured, shapes: Vec::new(), below: BTreeMap::new() };
        for (i, route) in routes.iter().enumerate().filter(|(_, route)| covers(configured, route)) {
            let shapes = route.reach.paths.iter().map(|path| (path.shape(), i));
            coverage.shapes.extend(shapes);
        }
        coverage.shapes.sort();
        for &i in &coverage.within(configured) {
            let route = &routes[i];
            for base in route.reach.paths.iter().filter_map(|path| path.base()) {
                let path = base.trim_end_matches('/');
                let Some(identifier) = configured.at(path) else { continue };
                let is_below = is_within(&comparable(path), prefix(configured).as_ref())
                    && path != configured.path().trim_end_matches('/');
                let audience = &route.demands.policy.audience;
                let accepts = audience.is_empty()
                    || audience.iter().any(|audience| audience == identifier.as_str());
                if is_below && accepts {
                    coverage.below.insert(identifier.as_str().to_owned(), identifier);
                }
            }
        }
        coverage
    }

    /// Every identifier with the routes that it covers, in the order of the file.
    pub fn identifiers(&self) -> impl Iterator<Item = (&ResourceId, Vec<&'s RouteSettings>)> {
        let all = std::iter::once(self.configured).chain(self.below.values());
        all.map(|identifier| {
            let routes = self.covered(identifier);
            (identifier, routes.into_iter().map(|i| &self.routes[i]).collect())
        })
    }

    /// The routes that the configured identifier covers, as places in the file.
    pub fn of_configured(&self) -> BTreeSet<usize> {
        self.covered(self.configured)
    }

    /// The identifier that a client of a route should ask a token for: the most specific one that
    /// its `audience` lists, else the configured one.
    pub fn identifier_of(&self, route: &RouteSettings) -> &ResourceId {
        let listed = route.demands.policy.audience.iter();
        let listed = listed.filter_map(|audience| self.below.get(audience)).filter(|identifier| {
            let prefix = prefix(identifier);
            route.reach.paths.iter().any(|path| is_within(&path.shape(), &prefix))
        });
        listed.max_by_key(|identifier| identifier.path().len()).unwrap_or(self.configured)
    }

    fn covered(&self, identifier: &ResourceId) -> BTreeSet<usize> {
        let mut covered = self.within(identifier);
        let own = match identifier.path() {
            "" => "/".into(),
            path => comparable(path),
        };
        let takes = |route: &RouteSettings| {
            route.reach.paths.iter().any(|path| path.parameters(&own).is_some())
        };
        // where no route is made for the identifier's own path, a wider one takes it
        if !identifier.path().is_empty() && !covered.iter().any(|&i| takes(&self.routes[i])) {
            let wider = self.shapes.iter().map(|(_, i)| *i).filter(|&i| takes(&self.routes[i]));
            covered.extend(wider);
        }
        covered
    }

    /// The routes with a path that is that of the identifier, or below it.
    fn within(&self, identifier: &ResourceId) -> BTreeSet<usize> {
        let prefix = prefix(identifier);
        let start = self.shapes.partition_point(|(shape, _)| **shape < *prefix);
        let from_here = self.shapes[start..].iter();
        let alike = from_here.take_while(|(shape, _)| shape.starts_with(&*prefix));
        alike.filter(|(shape, _)| is_within(shape, &prefix)).map(|(_, i)| *i).collect()
    }
}

/// The path of an identifier, as shapes of paths are compared with it: empty for a whole host.
fn prefix(identifier: &ResourceId) -> String {
    comparable(identifier.path().trim_end_matches('/')).into_owned()
}

fn is_within(shape: &str, prefix: &str) -> bool {
    shape.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
