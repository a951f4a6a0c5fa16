//! One active answer.

use super::ttl::Lifetime;
use crate::clock::{AtomicMono, Now};
use crate::identity::{Identity, Rendered, Unfit};
use crate::token::ActiveFacts;
use arc_swap::ArcSwapOption;
use std::sync::Arc;
use std::time::Duration;

/// Facts, how long they live, and the headers that were rendered from them.
#[derive(Debug)]
pub struct Entry {
    /// The answer.
    pub facts: ActiveFacts,
    /// The configured name of the authorization server that answered.
    pub server: Arc<str>,
    /// How long the answer may be used.
    pub life: Lifetime,
    /// How many purges there had been when it was asked for.
    pub asked: u64,
    /// When the next background refresh may start.
    refresh_from: AtomicMono,
    rendered: ArcSwapOption<Rendered>,
}

/// After a refresh that failed, the next one waits this long.
const REFRESH_PAUSE: Duration = Duration::from_secs(1);

impl Entry {
    /// `asked`: how many purges there had been when it was asked for.
    /// An entry whose headers are rendered on first use.
    pub fn new(facts: ActiveFacts, server: Arc<str>, life: Lifetime, asked: u64) -> Self {
        Self {
            facts,
            server,
            life,
            asked,
            refresh_from: AtomicMono::new(life.refresh_from),
            rendered: ArcSwapOption::empty(),
        }
    }

    /// Whether this hit is the one that is to refresh the entry.
    pub fn take_refresh(&self, now: Now) -> bool {
        let from = self.refresh_from.load();
        now.mono >= from && self.refresh_from.replace(from, now.mono + REFRESH_PAUSE)
    }

    /// The identity headers `now`: rendered once, and again after a reload that changes them and
    /// before their assertion ends.
    pub fn headers(&self, identity: &Identity, now: Now) -> Result<Arc<Rendered>, Unfit> {
        if let Some(rendered) =
            self.rendered.load_full().filter(|rendered| identity.made(rendered, now.mono))
        {
            return Ok(rendered);
        }
        let rendered = Arc::new(identity.render(&self.facts, &self.server, now)?);
        self.rendered.store(Some(rendered.clone()));
        Ok(rendered)
    }
}
