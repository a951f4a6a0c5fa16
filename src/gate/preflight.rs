//! Which route a request takes, CORS preflights included.

use super::{Gate, Route};
use crate::request::RequestView;
use crate::route::Unsafe;
use http::Method;
use std::sync::Arc;

/// The route of a request.
pub(super) struct ChosenRoute<'g, R> {
    pub route: &'g Arc<Route<R>>,
    /// Its place in [`Gate::routes`].
    pub place: usize,
    /// Whether this is a preflight that the route passes.
    pub preflight: bool,
}

impl<R> Gate<R> {
    /// The most specific route, and whether this is a preflight that it passes. A preflight is
    /// routed like the request that it announces if the route of that request passes preflights;
    /// otherwise it is an ordinary `OPTIONS` request.
    pub(super) fn route(
        &self,
        request: &RequestView<'_>,
    ) -> Result<Option<ChosenRoute<'_, R>>, Unsafe> {
        let find = |method: &Method| {
            let found = self.table.find(request.host, request.path, method)?;
            Ok(found.and_then(|found| self.routes.get(found).map(|route| (found, route))))
        };
        let announced = request.preflight_for();
        if let Some(announced) = &announced
            && let Some((place, route)) = find(announced)?
            && route.preflight_pass
        {
            return Ok(Some(ChosenRoute { route, place, preflight: true }));
        }
        let Some((place, route)) = find(request.method)? else { return Ok(None) };
        let preflight = route.preflight_pass && announced.is_some();
        Ok(Some(ChosenRoute { route, place, preflight }))
    }
}
