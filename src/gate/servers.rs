//! Which authorization server is asked about a token: one, or none.

use crate::cache::Cached;
use crate::introspect::TokenSelector;
use crate::policy::ServerDemands;
use crate::token::AccessToken;
use std::sync::Arc;

/// The authorization servers of a route; empty only where nothing is checked.
#[derive(Default)]
pub struct Servers(Box<[Arc<RouteServer>]>);

/// One of them, shared by the routes that name it.
pub struct RouteServer {
    /// The server, behind its cache.
    pub cached: Arc<Cached>,
    /// Which tokens it may see.
    pub tokens: TokenSelector,
    /// Demands on each of its answers.
    pub demands: ServerDemands,
}

impl Servers {
    /// The servers of a route, the most specific selector first.
    pub fn new(mut servers: Vec<Arc<RouteServer>>) -> Self {
        servers.sort_by_key(|server| std::cmp::Reverse(server.tokens.specificity()));
        Self(servers.into())
    }

    /// Whether the route has no server.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The most specific of the servers.
    pub fn first(&self) -> Option<&RouteServer> {
        self.0.first().map(|server| &**server)
    }

    /// The server for this token: the most specific of those whose selector takes it. No other
    /// server sees the token.
    pub fn meant_for(&self, token: AccessToken<'_>) -> Option<&RouteServer> {
        self.0.iter().map(|server| &**server).find(|server| server.tokens.takes(token))
    }
}
