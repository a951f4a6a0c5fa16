//! Duties that one gateway of the fleet has at a time.
//!
//! Commands are those that every other use of Redis needs too, so that its user needs no further
//! right. A lease that ends between two of them may be held by two gateways until the next renewal:
//! a duty must bear that.

use super::Shared;
use std::time::Duration;

/// Identifies this process to the others; random.
#[derive(Clone, Debug)]
pub struct LeaseHolder(String);

impl Default for LeaseHolder {
    fn default() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }
}

impl Shared {
    /// Takes the lease of this duty, or renews it, for as long as it `lasts`. False when another
    /// gateway has it; `None` when Redis did not answer in time.
    pub async fn hold_lease(
        &self,
        duty: &str,
        holder: &LeaseHolder,
        lasts: Duration,
    ) -> Option<bool> {
        if !self.is_up() {
            return None;
        }
        let name = self.keys.lease(duty);
        let lasts = u64::try_from(lasts.as_millis()).unwrap_or(u64::MAX).max(1);
        let set = |condition: &str| {
            let mut command = redis::cmd("SET");
            command.arg(&name).arg(&holder.0).arg(condition).arg("PX").arg(lasts);
            command
        };
        let taken: Option<String> = self.command(&set("NX")).await?;
        if taken.is_some() {
            return Some(true);
        }
        if !self.holds(&name, holder).await? {
            return Some(false);
        }
        let renewed: Option<String> = self.command(&set("XX")).await?;
        Some(renewed.is_some())
    }

    /// Lets another gateway take over at once.
    pub async fn release_lease(&self, duty: &str, holder: &LeaseHolder) {
        if !self.is_up() {
            return;
        }
        let name = self.keys.lease(duty);
        if self.holds(&name, holder).await == Some(true) {
            // if it is not removed, it ends by itself
            let _: Option<()> = self.command(redis::cmd("DEL").arg(&name)).await;
        }
    }

    async fn holds(&self, name: &str, holder: &LeaseHolder) -> Option<bool> {
        let last = holder.0.len();
        let held: Vec<u8> = self.command(redis::cmd("GETRANGE").arg(name).arg(0).arg(last)).await?;
        Some(held == holder.0.as_bytes())
    }
}
