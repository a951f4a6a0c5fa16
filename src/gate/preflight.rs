//! Which route a request takes, CORS preflights included.

use super::{Gate, Route};
use crate::request::RequestView;
use http::Method;
use std::sync::Arc;

impl<R> Gate<R> {
    /// The most specific route, and whether this is a preflight that it passes. A preflight stands
    /// for the request it announces: where the route of that request passes preflights, it goes
    /// there; else it is an `OPTIONS` request like any other.
    pub(super) fn route(&self, request: &RequestView<'_>) -> Option<(Arc<Route<R>>, bool)> {
        let find = |method: &Method| {
            self.table
                .find(request.host, request.path, method)
                .and_then(|found| self.routes.get(found))
        };
        let announced = request
            .preflight_for()
            .and_then(|announced| find(&announced))
            .filter(|route| route.preflight_pass);
        if let Some(route) = announced {
            return Some((route.clone(), true));
        }
        let route = find(request.method)?;
        let passes = route.preflight_pass && request.preflight_for().is_some();
        Some((route.clone(), passes))
    }
}
