//! How often a route may be used: one token bucket for each client, subject, address or token.
//!
//! This folder is pure: it knows neither requests nor Redis. [`crate::gate::Limiter`] chooses the
//! bucket that a request takes from.

mod buckets;
mod settings;

pub use buckets::Buckets;
pub use settings::{Per, Rate, RateLimitSettings};

use std::collections::HashMap;
use std::sync::Arc;

/// The buckets of all routes, by the name of the route and its limit.
pub type RouteBuckets = HashMap<(Arc<str>, RateLimitSettings), Arc<Buckets>>;
