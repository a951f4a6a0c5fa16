//! The headers that tell an upstream who is calling: first everything that the client sent under
//! their names is removed, then they are set from the facts. Pure.

mod assertion;
mod encode;
mod names;
mod published_keys;
mod render;
mod settings;
mod strip;

pub use assertion::{AssertionKey, AssertionSettings};
pub use published_keys::PublishedKeys;
pub use render::{Rendered, Unfit};
pub use settings::IdentitySettings;

use crate::request::names::fold;
use http::HeaderName;
use std::sync::atomic::{AtomicU64, Ordering};

/// The settings, made ready once at load.
#[derive(Debug)]
pub struct Identity {
    settings: IdentitySettings,
    /// The prefix as [`crate::request::names`] reads it.
    folded_prefix: Box<[u8]>,
    /// Of the headers that it can render, in their order.
    names: Box<[Option<HeaderName>]>,
    /// Distinguishes the headers of one `Identity` from another's.
    generation: u64,
}

static GENERATIONS: AtomicU64 = AtomicU64::new(0);

impl Identity {
    /// Prepares the header names of one configuration.
    pub fn new(settings: IdentitySettings) -> Self {
        let folded_prefix = settings.prefix.bytes().map(fold).collect();
        Self {
            names: Self::names(&settings),
            settings,
            folded_prefix,
            generation: GENERATIONS.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The header that carries a claim: the prefix, then the names on the claim's path, each part
    /// with a capital and the separators (`_` `.` `-` `:` `/`) read as one `-`. `None` where that
    /// is no header name.
    ///
    /// `extension_field` → `X-Introspected-Extension-Field`, `realm_access.roles` →
    /// `X-Introspected-Realm-Access-Roles`
    pub fn header_name(prefix: &str, steps: &[String]) -> Option<String> {
        let parts = steps
            .iter()
            .flat_map(|step| step.split(['_', '.', '-', ':', '/']))
            .filter(|part| !part.is_empty())
            .map(|part| {
                let (first, rest) = part.split_at_checked(1).unwrap_or((part, ""));
                first.to_ascii_uppercase() + rest
            });
        let name = prefix.to_owned() + &parts.collect::<Vec<_>>().join("-");
        let sound = name.len() > prefix.len()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (sound && HeaderName::try_from(name.as_str()).is_ok()).then_some(name)
    }
}
