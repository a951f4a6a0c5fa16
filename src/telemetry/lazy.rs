//! Counters and histograms that have no series before their first event: a configuration with
//! thousands of routes would make megabytes of zeros.

use super::contended::{Counter, CounterVec, HistogramVec, TimeHistogram};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A counter with all its labels.
#[derive(Clone, Debug)]
pub struct LazyCounter(Arc<Unmade>);

#[derive(Debug)]
struct Unmade {
    all: CounterVec,
    labels: Box<[Arc<str>]>,
    made: OnceLock<Counter>,
}

impl LazyCounter {
    pub fn new<L: AsRef<str>>(all: &CounterVec, labels: &[L]) -> Self {
        let labels = labels.iter().map(|label| label.as_ref().into()).collect();
        Self(Arc::new(Unmade { all: all.clone(), labels, made: OnceLock::new() }))
    }

    pub fn inc(&self) {
        self.inc_by(1);
    }

    /// Nothing happens for 0: the series stays unmade.
    pub fn inc_by(&self, by: u64) {
        if by > 0 {
            self.0.made.get_or_init(|| self.0.all.with_label_values(&self.0.labels)).inc_by(by);
        }
    }
}

/// A histogram of times with one label.
pub struct LazyHistogram {
    all: HistogramVec,
    label: Arc<str>,
    made: OnceLock<TimeHistogram>,
}

impl LazyHistogram {
    pub fn new(all: &HistogramVec, label: &Arc<str>) -> Self {
        Self { all: all.clone(), label: label.clone(), made: OnceLock::new() }
    }

    pub fn observe(&self, took: Duration) {
        self.made.get_or_init(|| self.all.with_label(&self.label)).observe(took);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Opts;
    use prometheus::core::Collector;

    #[test]
    fn there_is_no_series_before_the_first_event() {
        let (Ok(counters), Ok(histograms)) = (
            CounterVec::new(Opts::new("c", "c"), &["a", "b"]),
            HistogramVec::new("h".into(), "h", "a", &[1.0]),
        ) else {
            return;
        };
        let series = |collected: Vec<prometheus::proto::MetricFamily>| -> usize {
            collected.iter().map(|family| family.get_metric().len()).sum()
        };
        let counter = LazyCounter::new(&counters, &["x", "y"]);
        let histogram = LazyHistogram::new(&histograms, &"x".into());
        assert_eq!((series(counters.collect()), series(histograms.collect())), (0, 0));
        counter.inc();
        counter.clone().inc();
        histogram.observe(Duration::from_millis(1));
        assert_eq!((series(counters.collect()), series(histograms.collect())), (1, 1));
        assert_eq!(counters.with_label_values(&["x", "y"]).get(), 2);
    }
}
