//! Which requests are recorded, and the `traceparent` of the upstream.

use super::collector::{Collector, Protocol, hex};
use super::{ROUTES, SAMPLED, TRACE, UNSAMPLED, section, traced};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use std::collections::BTreeSet;

#[test]
fn the_sampled_flag_is_that_of_the_recording() {
    let collector = Collector::start(Protocol::Http);
    let setup = traced(&collector, "parent");
    let malformed = ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331");
    for (sample, given, recorded) in [
        ("parent", Some(SAMPLED), true),
        ("parent", Some(UNSAMPLED), false),
        ("parent", None, false),
        ("parent", Some(malformed), false),
        ("always", Some(SAMPLED), true),
        ("always", Some(UNSAMPLED), true),
        ("always", None, true),
        ("always", Some(malformed), true),
        ("off", Some(SAMPLED), false),
        ("off", Some(UNSAMPLED), false),
        ("off", None, false),
        ("0", Some(SAMPLED), true),
        ("0", None, false),
        ("1", Some(UNSAMPLED), false),
        ("1", None, true),
    ] {
        setup.reload(&section(&collector, sample, ROUTES));
        let before = collector.spans().len();
        let state = ("tracestate", "vendor=value");
        let headers: Vec<_> = given.into_iter().chain([state]).collect();
        assert_eq!(setup.gateway.get("/people/7", &headers).status, 200);
        let forwarded = setup.upstream.last();
        let sent = forwarded.header("traceparent").expect("a traceparent").to_owned();
        assert_eq!(sent.len(), 55, "{sent}");
        let well_formed = given.filter(|given| given.1.len() == 55);
        let kept = well_formed.map(|_| "vendor=value");
        assert_eq!(forwarded.header("tracestate"), kept, "{sample} {given:?}");
        if well_formed.is_some() {
            assert_eq!(&sent[3..35], TRACE, "{sample} {given:?}");
        } else {
            assert_ne!(&sent[3..35], TRACE, "{sample} {given:?}");
        }
        if recorded {
            assert!(sent.ends_with("-01"), "{sample} {given:?}: {sent}");
            let spans = collector.wait_for(before + 2).split_off(before);
            assert!(
                spans.iter().all(|span| hex(&span.trace_id) == sent[3..35]),
                "{sent} {spans:?}"
            );
            let client = spans.iter().find(|span| span.kind() == SpanKind::Client);
            assert!(client.is_some_and(|span| hex(&span.span_id) == sent[36..52]), "{sent}");
        } else {
            match well_formed {
                Some((_, given)) => assert_eq!(sent, given, "{sample}"),
                None => assert!(sent.ends_with("-00"), "{sample} {given:?}: {sent}"),
            }
        }
    }
    // a later request that is recorded comes behind any that was recorded by mistake
    setup.reload(&section(&collector, "always", ROUTES));
    let before = collector.spans().len();
    setup.gateway.get("/people/7", &[]);
    assert_eq!(collector.wait_for(before + 2).len(), before + 2);
}

/// By 63 bits of the trace id, as other OpenTelemetry programs do it.
#[test]
fn a_share_is_chosen_by_the_trace_id() {
    let collector = Collector::start(Protocol::Http);
    let setup = traced(&collector, "0.5");
    for _ in 0..64 {
        assert_eq!(setup.gateway.get("/people/7", &[]).status, 200);
    }
    let mut expected = BTreeSet::new();
    for request in setup.upstream.requests() {
        let sent = request.header("traceparent").expect("a traceparent").to_owned();
        let low = u64::from_str_radix(&sent[19..35], 16).expect("hexadecimal");
        let chosen = low >> 1 < 1 << 62;
        assert_eq!(sent.ends_with("-01"), chosen, "{sent}");
        if chosen {
            expected.insert(sent[3..35].to_owned());
        }
    }
    assert!(!expected.is_empty() && expected.len() < 64);
    let spans = collector.wait_for(expected.len() * 2);
    let ids: BTreeSet<String> = spans.iter().map(|span| hex(&span.trace_id)).collect();
    assert_eq!(ids, expected);
}
