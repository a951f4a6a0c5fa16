//! The last hour, for the status page: the metrics' increase in each interval. The metrics are read
//! from time to time in the background, so that no request pays for it.

use super::Metrics;
use prometheus::core::Collector;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The length of an interval.
pub const INTERVAL: Duration = Duration::from_secs(5);

/// Intervals that are kept: one hour.
pub const KEPT: usize = 720;

/// One interval.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// Seconds.
    pub length: f64,
    pub decisions: Outcomes<u64>,
    /// Refusals and errors by reason; those that did not occur are left out.
    pub refusals: BTreeMap<String, u64>,
    pub requests: Latency,
    pub introspections: Latency,
    pub cache_hits: u64,
    pub cache_misses: u64,
}

/// A value for each outcome of a decision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes<T> {
    pub allow: T,
    pub anonymous: T,
    pub deny: T,
    pub error: T,
}

impl Outcomes<u64> {
    pub fn all(self) -> u64 {
        self.allow + self.anonymous + self.deny + self.error
    }
}

/// How long something took.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Latency {
    pub count: u64,
    /// Upper bounds in seconds; `None` where nothing was counted.
    pub median: Option<f64>,
    pub p99: Option<f64>,
}

#[derive(Default)]
pub struct History {
    last: Option<(Totals, f64)>,
    intervals: VecDeque<Interval>,
}

/// The metrics' values at one moment.
#[derive(Clone, Default)]
struct Totals {
    decisions: Outcomes<u64>,
    refusals: BTreeMap<String, u64>,
    requests: Histogram,
    introspections: Histogram,
    cache_hits: u64,
    cache_misses: u64,
}

/// A histogram: upper bounds and how many were counted up to them.
#[derive(Clone, Default)]
struct Histogram(Vec<(f64, u64)>);

impl History {
    /// Ends an interval. `uptime`: seconds since the process started.
    pub fn sample(&mut self, metrics: &Metrics, uptime: f64) {
        self.add(Totals::sample(metrics), uptime);
    }

    fn add(&mut self, totals: Totals, uptime: f64) {
        if let Some((last, at)) = &self.last {
            if self.intervals.len() >= KEPT {
                self.intervals.pop_front();
            }
            self.intervals.push_back(totals.since(last, uptime - at));
        }
        self.last = Some((totals, uptime));
    }

    /// Look-ups of the last hour: hits, and misses.
    pub fn cache_look_ups(&self) -> (u64, u64) {
        self.intervals.iter().fold((0, 0), |(hits, misses), interval| {
            (hits + interval.cache_hits, misses + interval.cache_misses)
        })
    }

    /// Oldest first.
    pub fn intervals(&self) -> impl DoubleEndedIterator<Item = &Interval> + ExactSizeIterator {
        self.intervals.iter()
    }
}

impl Totals {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // counters
    fn sample(metrics: &Metrics) -> Self {
        let mut totals = Self::default();
        for family in metrics.decisions.collect() {
            for metric in family.get_metric() {
                let label = |name: &str| {
                    let label = metric.get_label().iter().find(|label| label.name() == name);
                    label.map(|label| label.value()).unwrap_or_default()
                };
                let count = metric.get_counter().get_value() as u64;
                match label("decision") {
                    "allow" => totals.decisions.allow += count,
                    "anonymous" => totals.decisions.anonymous += count,
                    "deny" => totals.decisions.deny += count,
                    _ => totals.decisions.error += count,
                }
                if !label("reason").is_empty() {
                    *totals.refusals.entry(label("reason").to_owned()).or_default() += count;
                }
            }
        }
        for family in metrics.cache_requests.collect() {
            for metric in family.get_metric() {
                let count = metric.get_counter().get_value() as u64;
                let is = |name: &str, values: &[&str]| {
                    let mut labels = metric.get_label().iter();
                    labels.any(|label| label.name() == name && values.contains(&label.value()))
                };
                if is("cache", &["active", "inactive"]) {
                    if is("result", &["hit"]) {
                        totals.cache_hits += count;
                    } else if is("result", &["miss", "expired"]) {
                        totals.cache_misses += count;
                    }
                }
            }
        }
        totals.requests = Histogram::collect(&metrics.request_duration);
        totals.introspections = Histogram::collect(&metrics.introspection_duration);
        totals
    }

    fn since(&self, earlier: &Self, length: f64) -> Interval {
        let (now, then) = (&self.decisions, &earlier.decisions);
        let refusals = self.refusals.iter().filter_map(|(reason, count)| {
            let new = count.saturating_sub(earlier.refusals.get(reason).copied().unwrap_or(0));
            (new > 0).then(|| (reason.clone(), new))
        });
        Interval {
            length: length.max(f64::EPSILON),
            decisions: Outcomes {
                allow: now.allow.saturating_sub(then.allow),
                anonymous: now.anonymous.saturating_sub(then.anonymous),
                deny: now.deny.saturating_sub(then.deny),
                error: now.error.saturating_sub(then.error),
            },
            refusals: refusals.collect(),
            requests: self.requests.since(&earlier.requests),
            introspections: self.introspections.since(&earlier.introspections),
            cache_hits: self.cache_hits.saturating_sub(earlier.cache_hits),
            cache_misses: self.cache_misses.saturating_sub(earlier.cache_misses),
        }
    }
}

impl Histogram {
    fn collect(histograms: &impl Collector) -> Self {
        let mut buckets: Vec<(f64, u64)> = Vec::new();
        for family in histograms.collect() {
            for metric in family.get_metric() {
                let histogram = metric.get_histogram();
                let bounds = histogram.get_bucket().iter();
                let all = bounds
                    .map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()))
                    .chain([(f64::INFINITY, histogram.get_sample_count())]);
                for (n, (bound, count)) in all.enumerate() {
                    match buckets.get_mut(n) {
                        Some((_, sum)) => *sum += count,
                        None => buckets.push((bound, count)),
                    }
                }
            }
        }
        Self(buckets)
    }

    fn since(&self, earlier: &Self) -> Latency {
        let counts: Vec<(f64, u64)> = self
            .0
            .iter()
            .enumerate()
            .map(|(n, (bound, count))| {
                (*bound, count.saturating_sub(earlier.0.get(n).map_or(0, |(_, count)| *count)))
            })
            .collect();
        let count = counts.last().map_or(0, |(_, count)| *count);
        let quantile = |share: f64| quantile(&counts, count, share);
        Latency { count, median: quantile(0.5), p99: quantile(0.99) }
    }
}

/// The upper bound of the bucket that the share falls into; beyond the last bound, that bound.
#[allow(clippy::cast_precision_loss)] // counts of one interval
fn quantile(counts: &[(f64, u64)], count: u64, share: f64) -> Option<f64> {
    if count == 0 {
        return None;
    }
    let wanted = count as f64 * share;
    let finite = || counts.iter().filter(|(bound, _)| bound.is_finite());
    finite()
        .find(|(_, below)| *below as f64 >= wanted)
        .or_else(|| finite().next_back())
        .map(|(bound, _)| *bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_has_its_own_counts() {
        let Ok(metrics) = Metrics::new() else { return };
        let mut history = History::default();
        let decided = |decision: &str, reason: &str, times: u64| {
            metrics.decisions.with_label_values(&["r", decision, reason]).inc_by(times);
        };
        decided("allow", "", 100);
        history.sample(&metrics, 0.0);
        assert_eq!(history.intervals().count(), 0, "nothing to compare with");
        decided("allow", "", 10);
        decided("deny", "inactive", 2);
        decided("error", "as_timeout", 1);
        metrics.decisions.with_label_values(&["other", "deny", "inactive"]).inc_by(3);
        for _ in 0..98 {
            metrics.request_duration.with_label("r").observe(Duration::from_millis(2));
        }
        metrics.request_duration.with_label("other").observe(Duration::from_millis(300));
        metrics.request_duration.with_label("other").observe(Duration::from_secs(100));
        metrics.cache_requests.with_label_values(&["active", "hit"]).inc_by(9);
        metrics.cache_requests.with_label_values(&["active", "miss"]).inc_by(1);
        metrics.cache_requests.with_label_values(&["jwks", "hit"]).inc_by(50);
        history.sample(&metrics, 5.0);
        history.sample(&metrics, 10.0);
        let intervals: Vec<_> = history.intervals().collect();
        let first = intervals[0];
        assert_eq!(first.decisions, Outcomes { allow: 10, anonymous: 0, deny: 5, error: 1 });
        assert_eq!(first.decisions.all(), 16);
        let refusals: Vec<_> =
            first.refusals.iter().map(|(reason, count)| (reason.as_str(), *count)).collect();
        assert_eq!(refusals, [("as_timeout", 1), ("inactive", 5)]);
        assert_eq!(first.requests, Latency { count: 100, median: Some(0.0025), p99: Some(0.5) });
        assert_eq!((first.cache_hits, first.cache_misses, first.length), (9, 1, 5.0));
        assert_eq!(*intervals[1], Interval { length: 5.0, ..Interval::default() });
    }

    #[test]
    fn an_hour_is_kept() {
        let mut history = History::default();
        for n in 0..KEPT + 100 {
            history.add(Totals::default(), n as f64);
        }
        assert_eq!(history.intervals().len(), KEPT);
    }
}
