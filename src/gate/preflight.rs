//! Which route a request takes, CORS preflights included.

use super::{Gate, Route};
use crate::request::RequestView;
use crate::route::Unsafe;
use http::Method;
use std::sync::Arc;

/// The route of a request.
pub(super) struct ChosenRoute<R> {
    pub route: Arc<Route<R>>,
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
    ) -> Result<Option<ChosenRoute<R>>, Unsafe> {
        let find = |method: &Method| {
            let found = self.table.find(request.host, request.path, method)?;
            Ok(found.and_then(|found| self.routes.get(found)))
        };
        let announced = request.preflight_for();
        if let Some(announced) = &announced
            && let Some(route) = find(announced)?
            && route.preflight_pass
        {
            return Ok(Some(ChosenRoute { route: route.clone(), preflight: true }));
        }
        let Some(route) = find(request.method)? else { return Ok(None) };
        let preflight = route.preflight_pass && announced.is_some();
        Ok(Some(ChosenRoute { route: route.clone(), preflight }))
    }
}
