//! Buckets of rate limits that the whole fleet takes from.

use super::Shared;
use crate::clock::micros;
use crate::rate_limit::Rate;
use crate::token::TokenDigest;
use std::time::Duration;

/// The generic cell rate algorithm, as in [`crate::rate_limit::Buckets`], by the clock of Redis, so
/// that the clocks of the gateways do not matter. All numbers are microseconds, which a Lua number
/// holds exactly until the year 2255. Gives the time until there is one more request; 0: there is
/// one, and it was taken. A bucket that is further from full than it can be is from before a clock
/// was set back; it counts as empty.
///
/// The whole text is sent each time: with `EVALSHA` a Redis that was restarted would need a second
/// call.
const SCRIPT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local interval, depth = tonumber(ARGV[1]), tonumber(ARGV[2])
local full_at = tonumber(redis.call('GET', KEYS[1])) or 0
local next = math.min(math.max(full_at, now), now + depth) + interval
local wait = next - depth - now
if wait > 0 then return wait end
if ARGV[3] == '1' then
  redis.call('SET', KEYS[1], string.format('%.0f', next), 'PX', math.ceil((next - now) / 1000))
end
return 0";

impl Shared {
    /// Takes one request from a bucket of the fleet; the error is the time until there is one.
    /// `None` when Redis did not answer in time.
    pub async fn take(&self, bucket: &TokenDigest, rate: Rate) -> Option<Result<(), Duration>> {
        let wait = self.bucket(bucket, rate, true).await?;
        Some(if wait.is_zero() { Ok(()) } else { Err(wait) })
    }

    /// The time until there is one more request in a bucket of the fleet. Nothing is taken.
    pub async fn wait(&self, bucket: &TokenDigest, rate: Rate) -> Option<Duration> {
        self.bucket(bucket, rate, false).await
    }

    async fn bucket(&self, bucket: &TokenDigest, rate: Rate, take: bool) -> Option<Duration> {
        // rounded up: never in the client's favour
        let interval = micros(rate.interval() + Duration::from_nanos(999)).max(1);
        let depth = interval.saturating_mul(rate.requests().into());
        let mut command = redis::cmd("EVAL");
        command.arg(SCRIPT).arg(1).arg(self.keys.bucket(bucket));
        command.arg(interval).arg(depth).arg(u8::from(take));
        let wait: i64 = self.command(&command).await?;
        Some(Duration::from_micros(wait.try_into().unwrap_or_default()))
    }
}
