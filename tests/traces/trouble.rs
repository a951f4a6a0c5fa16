//! A collector that is down, slow or full: requests are not affected, and lost spans are counted.

use super::collector::{BOTH, Behaviour, Collector, Protocol};
use super::{ROUTES, quick, section, traced};
use crate::support::{Builder, Gateway, Setup, wait_until};
use std::time::{Duration, Instant};

fn dropped(setup: &Setup, reason: &str) -> f64 {
    let sample = format!("introgate_trace_spans_dropped_total{{reason=\"{reason}\"}}");
    setup.gateway.metric(&sample)
}

fn exported(setup: &Setup) -> f64 {
    setup.gateway.metric("introgate_trace_spans_exported_total")
}

fn ask(setup: &Setup, count: usize) {
    for _ in 0..count {
        assert_eq!(setup.gateway.get("/people/7", &[]).status, 200);
    }
}

/// Batches are given up soon.
fn impatient() -> Builder {
    quick().env("OTEL_BSP_EXPORT_TIMEOUT", "100")
}

#[test]
fn a_collector_that_is_down_costs_spans_and_one_line() {
    for protocol in BOTH {
        let mut collector = Collector::absent(protocol);
        let setup = Setup::build(impatient(), &section(&collector, "always", ROUTES));
        for batch in 1..=3u32 {
            ask(&setup, 2);
            let lost = f64::from(batch * 4);
            wait_until("the spans are given up", || dropped(&setup, "export_failed") == lost);
        }
        setup.gateway.log_with("spans cannot be exported");
        let lines = setup.gateway.stderr();
        assert_eq!(lines.matches("spans cannot be exported").count(), 1, "{lines}");
        assert!(lines.contains(&collector.url()), "{lines}");
        collector.listen();
        // the gateway may still hold a broken connection
        wait_until("spans arrive again", || {
            ask(&setup, 1);
            !collector.spans().is_empty()
        });
        setup.gateway.log_with("takes spans again");
        assert!(exported(&setup) >= 2.0);
    }
}

#[test]
fn a_batch_is_exported_again_after_a_failure_that_passes() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        let setup = traced(&collector, "always");
        collector.behave(Behaviour::Status(503));
        ask(&setup, 1);
        wait_until("it is refused once", || collector.attempts() > 0);
        collector.behave(Behaviour::Take);
        assert_eq!(collector.wait_for(2).len(), 2);
        wait_until("they are counted", || exported(&setup) == 2.0);
        assert_eq!(setup.gateway.metric("introgate_trace_spans_dropped_total"), 0.0);
    }
}

#[test]
fn a_refusal_that_lasts_is_not_tried_again() {
    let collector = Collector::start(Protocol::Http);
    let setup = traced(&collector, "always");
    collector.behave(Behaviour::Status(401));
    ask(&setup, 1);
    wait_until("the spans are lost", || dropped(&setup, "export_failed") == 2.0);
    assert!(setup.gateway.log_with("status 401").contains("look at `traces.headers`"));
    // spans of one request may be in two batches
    assert!(collector.attempts() <= 2);
}

#[test]
fn spans_that_the_collector_rejects_are_counted() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        let setup = Setup::build(
            Gateway::env("OTEL_BSP_SCHEDULE_DELAY", "300"),
            &section(&collector, "always", ROUTES),
        );
        collector.behave(Behaviour::Reject(1));
        ask(&setup, 2);
        wait_until("all are counted", || exported(&setup) + dropped(&setup, "rejected") == 4.0);
        assert_eq!(dropped(&setup, "rejected"), collector.calls().len() as f64);
        setup.gateway.log_with("rejects spans");
    }
}

#[test]
fn a_full_queue_drops_spans_and_holds_nothing_up() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        collector.behave(Behaviour::Hang);
        let builder = quick()
            .env("OTEL_BSP_MAX_QUEUE_SIZE", "4")
            .env("OTEL_EXPORTER_OTLP_TIMEOUT", "3000")
            .env("OTEL_BSP_EXPORT_TIMEOUT", "3000");
        let setup = Setup::build(builder, &section(&collector, "always", ROUTES));
        ask(&setup, 1);
        wait_until("the exporter hangs", || collector.attempts() == 1);
        let began = Instant::now();
        ask(&setup, 20);
        let full = dropped(&setup, "queue_full");
        // nothing has given the batch up, or nothing was shown
        if began.elapsed() < Duration::from_secs(2) {
            assert!(full >= 34.0, "{protocol:?}: {full}");
        }
        collector.behave(Behaviour::Take);
        let all = || {
            exported(&setup) + setup.gateway.metric("introgate_trace_spans_dropped_total") == 42.0
        };
        wait_until("every span is exported or counted", all);
        let line = setup.gateway.log_with("the queue was full");
        assert_eq!(line.matches("the queue was full").count(), 1, "{line}");
    }
}

#[test]
fn a_stop_exports_the_last_spans() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        let mut setup = Setup::build(
            Gateway::env("OTEL_BSP_SCHEDULE_DELAY", "3600000"),
            &section(&collector, "always", ROUTES),
        );
        ask(&setup, 3);
        assert_eq!(setup.gateway.terminate().code(), Some(0));
        assert_eq!(collector.spans().len(), 6, "{protocol:?}");
    }
}

#[test]
fn a_slow_collector_holds_a_stop_up_for_a_moment_only() {
    for protocol in BOTH {
        let collector = Collector::start(protocol);
        collector.behave(Behaviour::Hang);
        let mut setup = Setup::build(quick(), &section(&collector, "always", ROUTES));
        ask(&setup, 1);
        wait_until("the exporter hangs", || collector.attempts() == 1);
        let began = Instant::now();
        assert_eq!(setup.gateway.terminate().code(), Some(0));
        assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    }
}
