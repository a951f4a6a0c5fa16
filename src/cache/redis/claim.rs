//! Things that may happen once in the whole fleet.

use super::Shared;
use crate::token::TokenDigest;
use std::time::Duration;

impl Shared {
    /// Whether this is the first claim of `id` anywhere within the time that it `lasts`. `None`
    /// when Redis did not answer in time.
    pub async fn claim_once(&self, id: &TokenDigest, lasts: Duration) -> Option<bool> {
        let name = self.keys.claim(id);
        let lasts = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut command = redis::cmd("SET");
        command.arg(name).arg(1).arg("NX").arg("PX").arg(lasts);
        let first: Option<String> = self.command(&command).await?;
        Some(first.is_some())
    }
}
