//! Counters and histograms that many threads write. Each begins as one number; the first time that
//! two threads meet there, it is split into one number for each thread (as in Striped64, Doug Lea).
//! So a series that is rarely written takes no memory for that, and one that every request writes
//! costs a thread no more than a line of its own cache.

use crate::per_thread::PerThread;
use parking_lot::RwLock;
use prometheus::core::{Atomic, Collector, Desc, GenericCounter, GenericCounterVec};
use prometheus::proto::{Bucket, LabelPair, Metric, MetricFamily, MetricType};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A counter; a series of [`CounterVec`].
pub type Counter = GenericCounter<Count>;

/// All counters of one name, by their labels.
pub type CounterVec = GenericCounterVec<Count>;

/// The value of a counter.
#[derive(Debug)]
pub struct Count {
    /// Written until two threads meet here.
    first: AtomicU64,
    /// Written from then on.
    split: OnceLock<PerThread<AtomicU64>>,
}

impl Count {
    #[cold]
    fn split(&self) -> &AtomicU64 {
        self.split.get_or_init(PerThread::default).mine()
    }
}

/// Adds, unless another thread wrote at the same moment.
fn try_add(to: &AtomicU64, by: u64) -> bool {
    let seen = to.load(Ordering::Relaxed);
    let sum = seen.wrapping_add(by);
    to.compare_exchange(seen, sum, Ordering::Relaxed, Ordering::Relaxed).is_ok()
}

impl Atomic for Count {
    type T = u64;

    fn new(value: u64) -> Self {
        Self { first: AtomicU64::new(value), split: OnceLock::new() }
    }

    fn set(&self, value: u64) {
        for part in self.split.get().into_iter().flat_map(|split| split.all()) {
            part.store(0, Ordering::Relaxed);
        }
        self.first.store(value, Ordering::Relaxed);
    }

    /// Never less than before: no part of the sum goes down.
    fn get(&self) -> u64 {
        let split = self.split.get().into_iter().flat_map(|split| split.all());
        split.fold(self.first.load(Ordering::Relaxed), |sum, part| {
            sum.wrapping_add(part.load(Ordering::Relaxed))
        })
    }

    #[inline]
    fn inc_by(&self, by: u64) {
        if let Some(split) = self.split.get() {
            split.mine().fetch_add(by, Ordering::Relaxed);
        } else if !try_add(&self.first, by) {
            self.split().fetch_add(by, Ordering::Relaxed);
        }
    }

    fn dec_by(&self, by: u64) {
        self.inc_by(by.wrapping_neg());
    }
}

/// Buckets at most, the one without an upper bound aside.
const BOUNDS: usize = 16;

/// All histograms of one name, by their only label. Times are counted to the microsecond.
#[derive(Clone)]
pub struct HistogramVec(Arc<Histograms>);

struct Histograms {
    desc: Desc,
    label: String,
    /// Upper bounds in seconds, and in nanoseconds.
    bounds: &'static [f64],
    nanos: Arc<[u64]>,
    series: RwLock<BTreeMap<String, TimeHistogram>>,
}

/// A series of [`HistogramVec`].
#[derive(Clone)]
pub struct TimeHistogram(Arc<Observations>);

struct Observations {
    nanos: Arc<[u64]>,
    first: Tally,
    split: OnceLock<PerThread<Tally>>,
}

/// How many fell into each bucket, and the sum of all in microseconds.
#[derive(Default)]
struct Tally {
    buckets: [AtomicU64; BOUNDS + 1],
    micros: AtomicU64,
}

impl HistogramVec {
    /// `bounds`: upper bounds of the buckets in seconds, rising, 16 at most.
    ///
    /// # Errors
    ///
    /// Fails where the name or the label is not one, or the bounds are too many.
    pub fn new(
        name: String,
        help: &str,
        label: &str,
        bounds: &'static [f64],
    ) -> prometheus::Result<Self> {
        if bounds.len() > BOUNDS || !bounds.is_sorted() {
            return Err(prometheus::Error::Msg(format!("the buckets of {name}")));
        }
        let desc = Desc::new(name, help.to_owned(), vec![label.to_owned()], Default::default())?;
        let nanos = bounds.iter().map(|bound| nanos(Duration::from_secs_f64(*bound))).collect();
        let (label, series) = (label.to_owned(), RwLock::default());
        Ok(Self(Arc::new(Histograms { desc, label, bounds, nanos, series })))
    }

    /// The series with this value of the label.
    pub fn with_label(&self, value: &str) -> TimeHistogram {
        if let Some(series) = self.0.series.read().get(value) {
            return series.clone();
        }
        let made = || {
            let (nanos, first, split) = (self.0.nanos.clone(), Tally::default(), OnceLock::new());
            TimeHistogram(Arc::new(Observations { nanos, first, split }))
        };
        self.0.series.write().entry(value.to_owned()).or_insert_with(made).clone()
    }
}

impl TimeHistogram {
    /// Counts one that took so long.
    #[inline]
    pub fn observe(&self, took: Duration) {
        let Observations { nanos: bounds, first, split } = &*self.0;
        let took_nanos = nanos(took);
        let bucket = bounds.iter().position(|bound| took_nanos <= *bound).unwrap_or(BOUNDS);
        let tally = match split.get() {
            Some(split) => split.mine(),
            None if try_add(&first.buckets[bucket], 1) => {
                first.micros.fetch_add(crate::clock::micros(took), Ordering::Relaxed);
                return;
            }
            None => split.get_or_init(PerThread::default).mine(),
        };
        tally.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        tally.micros.fetch_add(crate::clock::micros(took), Ordering::Relaxed);
    }

    #[allow(clippy::cast_precision_loss)] // of hundreds of years
    fn read(&self, bounds: &[f64]) -> prometheus::proto::Histogram {
        let Observations { first, split, .. } = &*self.0;
        let tallies =
            || std::iter::once(first).chain(split.get().into_iter().flat_map(|s| s.all()));
        let in_bucket = |at: usize| -> u64 {
            tallies().map(|tally| tally.buckets[at].load(Ordering::Relaxed)).sum()
        };
        let mut count = 0;
        let buckets = bounds.iter().enumerate().map(|(at, bound)| {
            count += in_bucket(at);
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(count);
            bucket
        });
        let buckets = buckets.collect();
        let micros: u64 = tallies().map(|tally| tally.micros.load(Ordering::Relaxed)).sum();
        let mut histogram = prometheus::proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(count + in_bucket(BOUNDS));
        histogram.set_sample_sum(micros as f64 / 1e6);
        histogram
    }
}

/// Saturating.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Collector for HistogramVec {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let series = self.0.series.read();
        let metrics = series.iter().map(|(value, histogram)| {
            let mut label = LabelPair::default();
            label.set_name(self.0.label.clone());
            label.set_value(value.clone());
            let mut metric = Metric::from_label(vec![label]);
            metric.set_histogram(histogram.read(self.0.bounds));
            metric
        });
        let mut family = MetricFamily::default();
        family.set_name(self.0.desc.fq_name.clone());
        family.set_help(self.0.desc.help.clone());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(metrics.collect());
        vec![family]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{Encoder, HistogramOpts, Opts, Registry, TextEncoder};

    const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 60.0];

    fn text(collector: Box<dyn Collector>) -> String {
        let registry = Registry::new();
        let mut text = Vec::new();
        registry.register(collector).unwrap_or_else(|error| panic!("{error}"));
        let _ = TextEncoder::new().encode(&registry.gather(), &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    fn histograms() -> HistogramVec {
        HistogramVec::new("a_seconds".into(), "Help.", "route", BUCKETS)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// Times at bounds, between, and beyond; the same text as the library's own histogram.
    #[test]
    fn a_histogram_reads_like_the_librarys() {
        let ours = histograms();
        let options = HistogramOpts::new("a_seconds", "Help.").buckets(BUCKETS.to_vec());
        let Ok(theirs) = prometheus::HistogramVec::new(options, &["route"]) else { return };
        for (route, micros) in [
            ("b \"quoted\"", 0),
            ("a", 499),
            ("a", 500),
            ("a", 501),
            ("a", 1000),
            ("a", 2500),
            ("a", 60_000_000),
            ("a", 60_000_001),
            ("a", 4_000_000_000),
        ] {
            let took = Duration::from_micros(micros);
            // every second observation as if two threads had met before it
            if micros % 2 == 0 {
                ours.with_label(route).0.split.get_or_init(PerThread::default);
            }
            ours.with_label(route).observe(took);
            theirs.with_label_values(&[route]).observe(took.as_secs_f64());
        }
        let (ours, theirs) = (text(Box::new(ours)), text(Box::new(theirs)));
        // the library adds seconds, and so rounds: 4120.0050009999995
        assert!(ours.contains("a_seconds_sum{route=\"a\"} 4120.005001\n"), "{ours}");
        let but_sums = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.contains("_sum")).map(str::to_owned).collect()
        };
        assert_eq!(but_sums(&ours), but_sums(&theirs));
    }

    #[test]
    fn no_series_is_no_family() {
        assert_eq!(text(Box::new(histograms())), "");
    }

    #[test]
    fn impossible_buckets_are_an_error() {
        for bounds in [&[0.0; 17] as &[f64], &[1.0, 0.5]] {
            assert!(HistogramVec::new("a".into(), "A.", "route", bounds).is_err());
        }
    }

    /// Nothing is lost and nothing counts twice, before, while and after a count is split.
    #[test]
    fn threads_lose_nothing() {
        const THREADS: u64 = 8;
        const EACH: u64 = 20_000;
        let Ok(counters) = CounterVec::new(Opts::new("a", "A."), &["code"]) else { return };
        let (counter, histogram) =
            (counters.with_label_values(&["200"]), histograms().with_label("a"));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    for n in 0..EACH {
                        counter.inc_by(1 + n % 2);
                        histogram.observe(Duration::from_micros(n % 3000));
                    }
                });
            }
            let (mut last, mut last_count) = (0, 0);
            while last_count < THREADS * EACH {
                let (now, count) = (counter.get(), histogram.read(BUCKETS).get_sample_count());
                assert!(now >= last && count >= last_count, "{now} {last} {count} {last_count}");
                (last, last_count) = (now, count);
            }
        });
        assert_eq!(counter.get(), THREADS * EACH * 3 / 2);
        let read = histogram.read(BUCKETS);
        assert_eq!(read.get_sample_count(), THREADS * EACH);
        let micros: u64 = (0..EACH).map(|n| n % 3000).sum();
        assert_eq!((read.get_sample_sum() * 1e6).round() as u64, micros * THREADS);
        assert_eq!(
            read.get_bucket()[0].cumulative_count(),
            THREADS * (0..EACH).filter(|n| n % 3000 <= 500).count() as u64
        );
    }

    #[test]
    fn a_count_that_was_split_keeps_what_it_had() {
        let count = Count::new(3);
        count.inc_by(4);
        count.split().fetch_add(5, Ordering::Relaxed);
        count.inc_by(6);
        assert_eq!((count.first.load(Ordering::Relaxed), count.get()), (7, 18));
        count.set(1);
        assert_eq!(count.get(), 1);
    }

    #[test]
    fn one_thread_alone_splits_nothing() {
        let count = Count::new(0);
        for _ in 0..1000 {
            count.inc_by(1);
        }
        assert!(count.split.get().is_none());
    }
}
