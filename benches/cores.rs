//! The cost for many threads of everything that they share on the way of a cached request: time of
//! a processor for each operation, with 1 to 16 threads that do nothing else. An operation that
//! shares nothing costs the same with any number of threads, as far as there are processors.
//!
//! `cargo bench --bench cores`; a part of a name behind `--` picks some. More threads than
//! processors take turns, and so meet less often than they would on as many processors.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark that cannot start has to stop

#[allow(dead_code)]
mod support;

use arc_swap::ArcSwap;
use futures::FutureExt;
use introgate::parts::{self, CounterVec, Metrics, RouteMetrics};
use introgate::parts::{AccessLogger, Decisions, LogFormat};
use introgate::parts::{Clock, Forwarded, Idle, Living, Mono, Spread};
use parking_lot::Mutex;
use pingora_core::protocols::Stream;
use pingora_core::protocols::l4::stream::Stream as TcpStream;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use support::{TOKEN, access_line, gate, headers_with, view};
use tokio::io::AsyncReadExt;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: [usize; 5] = [1, 2, 4, 8, 16];

/// Each run lasts so long; the best of several counts, as the machine has other work too.
const RUN: Duration = Duration::from_millis(100);
const RUNS: usize = 5;

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    println!("ns of a processor for each operation, {processors} processors\n");
    let columns: String = THREADS.iter().map(|n| format!(" {n} |")).collect();
    println!("| threads |{columns}\n|---|{}", "--:|".repeat(THREADS.len()));
    let bench = Bench { wanted, processors };
    check(&bench);
    counters(&bench);
    runtime(&bench);
    living(&bench);
    stop(&bench);
    idle(&bench);
    lists(&bench);
}

struct Bench {
    wanted: Vec<String>,
    processors: usize,
}

impl Bench {
    /// `make` gives the operation of the thread with that number.
    fn row<F: FnMut()>(&self, name: &str, make: impl Fn(usize) -> F + Sync) {
        if !self.wanted.is_empty() && !self.wanted.iter().any(|wanted| name.contains(wanted)) {
            return;
        }
        let mut row = format!("| {name} |");
        for threads in THREADS {
            let best = (0..RUNS).map(|_| self.run(threads, &make)).fold(f64::MAX, f64::min);
            row.push_str(&format!(" {best:.0} |"));
        }
        println!("{row}");
    }

    /// All threads run at once, from the moment at which each is ready until they are told to stop.
    #[allow(clippy::cast_precision_loss)]
    fn run<F: FnMut()>(&self, threads: usize, make: &(impl Fn(usize) -> F + Sync)) -> f64 {
        let (ready, stop) = (Barrier::new(threads + 1), AtomicBool::new(false));
        let all = AtomicUsize::new(0);
        let took = std::thread::scope(|scope| {
            let run = |thread| {
                let (ready, stop, all) = (&ready, &stop, &all);
                scope.spawn(move || {
                    let mut operation = make(thread);
                    (0..100).for_each(|_| operation());
                    ready.wait();
                    let start = Instant::now();
                    let mut done = 0;
                    while !stop.load(Ordering::Relaxed) {
                        (0..100).for_each(|_| operation());
                        done += 100;
                    }
                    all.fetch_add(done, Ordering::Relaxed);
                    start
                })
            };
            let running: Vec<_> = (0..threads).map(run).collect();
            ready.wait();
            std::thread::sleep(RUN);
            stop.store(true, Ordering::Relaxed);
            // threads may have begun before this one went on
            let started = running.into_iter().filter_map(|thread| thread.join().ok()).min();
            started.map_or(RUN, |start| start.elapsed())
        });
        let busy = threads.min(self.processors);
        took.as_nanos() as f64 * busy as f64 / all.into_inner() as f64
    }
}

fn check(bench: &Bench) {
    let gate = gate();
    let forwarded = Forwarded::default();
    let each = |token: String| {
        let headers = headers_with(&token);
        let (gate, forwarded) = (&gate, &forwarded);
        // in the cache from now on
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert!(runtime.block_on(gate.check(&view(&headers, forwarded), None)).outcome.is_ok());
        move || {
            let view = view(&headers, forwarded);
            assert!(gate.check(black_box(&view), None).now_or_never().unwrap().outcome.is_ok());
        }
    };
    bench.row("`Gate::check`, one token for all threads", |_| each(TOKEN.to_owned()));
    bench.row("`Gate::check`, a token for each thread", |thread| each(format!("{TOKEN}{thread}")));
}

/// Those of `proxy::report`.
fn counters(bench: &Bench) {
    let bounds: &'static [f64] = Vec::leak((1..=16).map(|n| f64::from(n) / 2e3).collect());
    let took = Duration::from_micros(200);
    {
        let counter = |label: &str| {
            let all = IntCounterVec::new(Opts::new("a", "a"), &["a"]).unwrap();
            all.with_label_values(&[label])
        };
        let counters = ["200", "allow", "200 OK"].map(counter);
        let options = HistogramOpts::new("a", "a").buckets(bounds.to_vec());
        let duration = HistogramVec::new(options, &["a"]).unwrap().with_label_values(&["a"]);
        bench.row("3 counters, 1 histogram: plain `prometheus`", |_| {
            || {
                counters.iter().for_each(|counter| counter.inc());
                duration.observe(black_box(took).as_secs_f64());
            }
        });
    }
    let counter = |label: &str| {
        let all = CounterVec::new(Opts::new("a", "a"), &["a"]).unwrap();
        all.with_label_values(&[label])
    };
    let counters = ["200", "allow", "200 OK"].map(counter);
    let all = parts::HistogramVec::new("a".into(), "a", "a", bounds).unwrap();
    let duration = all.with_label("a");
    bench.row("3 counters, 1 histogram: split by thread", |_| {
        || {
            counters.iter().for_each(|counter| counter.inc());
            duration.observe(black_box(took));
        }
    });
    let metrics = RouteMetrics::of_none(&Arc::new(Metrics::new().unwrap()));
    bench.row("all metrics of a request, found by their labels", |_| {
        || {
            metrics.ended("GET", 200, black_box(took));
            metrics.decided("allow", "");
            metrics.answered(200);
        }
    });
}

fn runtime(bench: &Bench) {
    let plain = ArcSwap::from_pointee([0u8; 1024]);
    bench.row("runtime: an `Arc`", |_| || drop(black_box(plain.load_full())));
    let spread = ArcSwap::from_pointee(Spread::new(Arc::new([0u8; 1024])));
    bench.row("runtime: a handle", |_| || drop(black_box(spread.load().handle())));
}

fn living(bench: &Bench) {
    let count = Arc::new(AtomicUsize::new(0));
    bench.row("requests in flight: one count", |_| {
        || {
            count.fetch_add(1, Ordering::SeqCst);
            let held = black_box(count.clone());
            held.fetch_sub(1, Ordering::SeqCst);
        }
    });
    let living = Living::default();
    bench.row("requests in flight: split by thread", |_| || drop(black_box(living.one())));
}

fn stop(bench: &Bench) {
    let (_sender, receiver) = tokio::sync::watch::channel(false);
    let each = || receiver.clone();
    bench.row("is the listener closing: the value", |_| {
        let receiver = each();
        move || assert!(!*black_box(&receiver).borrow())
    });
    bench.row("is the listener closing: whether it changed", |_| {
        let receiver = each();
        move || assert!(!black_box(&receiver).has_changed().unwrap())
    });
}

/// One connection for each thread that is in the midst of a request.
fn idle(bench: &Bench) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (connections, _theirs): (Vec<_>, Vec<_>) = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut both = Vec::new();
        for _ in 0..64 {
            let ours = tokio::net::TcpStream::connect(listener.local_addr().unwrap());
            let ours: Stream = Box::new(TcpStream::from(ours.await.unwrap()));
            both.push((ours, listener.accept().await.unwrap()));
        }
        both.into_iter().unzip()
    });
    let mut connections = connections.into_iter();
    let _inside = runtime.enter();
    let list: Mutex<VecDeque<Stream>> = Mutex::new(connections.by_ref().take(32).collect());
    bench.row("idle connections, taken and put back: one list", |_| {
        || {
            let mut taken = list.lock().pop_back().unwrap();
            let read = tokio::task::unconstrained(taken.read(&mut [0])).now_or_never();
            assert!(read.is_none(), "nothing came");
            list.lock().push_back(black_box(taken));
        }
    });
    let idle = Idle::default();
    connections.for_each(|connection| idle.put(None, connection));
    bench.row("idle connections, taken and put back: split by thread", |_| {
        || {
            let taken = idle.take(None, Duration::from_secs(600)).unwrap();
            idle.put(None, black_box(taken));
        }
    });
}

fn lists(bench: &Bench) {
    let decisions = Decisions::default();
    bench.row("the list of decisions", |_| || decisions.push(black_box(&access_line("/items/17"))));
    let clock = Clock::system();
    let now = || -> Mono { clock.now().mono };
    for (form, format) in [("JSON", LogFormat::Json), ("text", LogFormat::Text)] {
        let log = AccessLogger::to(std::io::sink());
        bench.row(&format!("a line of the access log, {form}"), |_| {
            || log.write(black_box(&access_line("/items/17")), now(), format)
        });
        log.finish();
    }
}
