//! Names by which one request is followed through several logs: `X-Request-Id` and W3C Trace
//! Context (`traceparent`).

use crate::clock::Now;
use crate::hex;
use crate::telemetry::{Recorder, SpanContext, Tracer};
use arrayvec::ArrayString;
use http::{HeaderMap, HeaderName, HeaderValue, Version};
use std::sync::Arc;

/// An id of a request as a header's value: it came with the request, or was made for it, in place.
#[derive(Clone, Debug)]
pub enum IdValue {
    /// Visible ASCII.
    Given(HeaderValue),
    Made(ArrayString<55>),
}

impl IdValue {
    /// Digits and dashes.
    fn made(text: &[u8]) -> Self {
        let text = std::str::from_utf8(text).ok();
        Self::Made(text.and_then(|text| ArrayString::from(text).ok()).unwrap_or_default())
    }

    pub fn as_str(&self) -> &str {
        match self {
            Self::Given(value) => value.to_str().unwrap_or_default(),
            Self::Made(text) => text,
        }
    }

    /// The same for a header map.
    pub fn to_value(&self) -> HeaderValue {
        match self {
            Self::Given(value) => value.clone(),
            Self::Made(text) => {
                HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("-"))
            }
        }
    }
}

impl Default for IdValue {
    fn default() -> Self {
        Self::Made(ArrayString::new())
    }
}

/// The place of a request in its trace.
#[derive(Clone, Default)]
pub struct TraceContext {
    /// The header for the upstream: version-traceid-parentid-flags. Its parent is the upstream's
    /// span where the request is recorded, else the client's span.
    pub traceparent: IdValue,
    /// The trace begins here: a `tracestate` that came belongs to no trace (Trace Context §3.3).
    pub is_new: bool,
    /// `None`: the request is not recorded.
    pub spans: Option<Box<RequestSpans>>,
}

/// The spans of a request that is recorded. In a box, since most requests have none.
#[derive(Clone)]
pub struct RequestSpans {
    /// Of the request's own span.
    pub recorder: Recorder,
    /// The client's span.
    pub parent: Option<u64>,
    /// The span of the upstream's request.
    pub upstream: SpanContext,
    /// The protocol that the client speaks.
    pub version: Version,
}

/// A `traceparent` that came with the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Traceparent {
    trace_id: u128,
    span_id: u64,
    flags: u8,
}

impl TraceContext {
    /// Exactly one well-formed header is the parent (Trace Context §3.2). It is forwarded unchanged
    /// where the request is not recorded. `tracer`: `None` where traces are off.
    pub fn from_headers(
        headers: &HeaderMap,
        tracer: Option<&Arc<Tracer>>,
        began: Now,
        version: Version,
    ) -> Self {
        let given = only(headers, &TRACEPARENT)
            .and_then(|value| Some((value, Traceparent::parse(value.as_bytes())?)));
        let parent = given.map(|(_, parent)| parent);
        let trace_id = parent.map_or_else(|| rand::random::<u128>().max(1), |it| it.trace_id);
        let sampled = tracer.filter(|tracer| {
            tracer.sampling().samples(parent.map(|parent| parent.flags & SAMPLED != 0), trace_id)
        });
        let is_new = parent.is_none();
        if let Some(tracer) = sampled {
            let recorder = Recorder::new(tracer.clone(), trace_id, began);
            let upstream = recorder.child();
            let flags = SAMPLED | parent.map_or(0, |parent| parent.flags & RANDOM);
            let traceparent = traceparent(trace_id, upstream.span_id, flags);
            let parent = parent.map(|parent| parent.span_id);
            let spans = Box::new(RequestSpans { recorder, parent, upstream, version });
            return Self { traceparent, is_new, spans: Some(spans) };
        }
        let traceparent = match given {
            Some((value, _)) => IdValue::Given(value.clone()),
            None => traceparent(trace_id, rand::random::<u64>().max(1), 0),
        };
        Self { traceparent, is_new, spans: None }
    }

    /// In hexadecimal.
    pub fn trace_id(&self) -> &str {
        self.traceparent.as_str().get(3..35).unwrap_or_default()
    }

    /// `None`: the request is not recorded.
    pub fn recorder(&self) -> Option<&Recorder> {
        self.spans.as_ref().map(|spans| &spans.recorder)
    }
}

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The sampled flag (Trace Context §3.2.2.5.1).
const SAMPLED: u8 = 1;

/// The flag of a random trace id (Trace Context Level 2 §3.2.2.5.2), which stays with the id.
const RANDOM: u8 = 2;

fn traceparent(trace_id: u128, span_id: u64, flags: u8) -> IdValue {
    let mut text = *b"00-................................-................-..";
    hex::write(&mut text[3..35], &trace_id.to_be_bytes());
    hex::write(&mut text[36..52], &span_id.to_be_bytes());
    hex::write(&mut text[53..55], &[flags]);
    IdValue::made(&text)
}

impl Traceparent {
    /// Only version 00 is known, and its length is fixed.
    fn parse(text: &[u8]) -> Option<Self> {
        let parts = (text.len() == 55).then(|| text.split_at(3))?;
        let (b"00-", rest) = parts else { return None };
        let [trace_id, span_id, flags] = [&rest[..32], &rest[33..49], &rest[50..]];
        if rest[32] != b'-' || rest[49] != b'-' {
            return None;
        }
        let parent = Self {
            trace_id: hex::number(trace_id)?,
            span_id: u64::try_from(hex::number(span_id)?).ok()?,
            flags: u8::try_from(hex::number(flags)?).ok()?,
        };
        (parent.trace_id != 0 && parent.span_id != 0).then_some(parent)
    }
}

/// The client's `X-Request-Id` when it is one sane word, else a new one of 128 random bits.
pub fn request_id(headers: &HeaderMap) -> IdValue {
    let sane = |id: &&str| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&b))
    };
    let given =
        only(headers, &REQUEST_ID).filter(|value| value.to_str().ok().as_ref().is_some_and(sane));
    given.cloned().map_or_else(
        || {
            let mut text = [0; 32];
            hex::write(&mut text, &rand::random::<u128>().to_be_bytes());
            IdValue::made(&text)
        },
        IdValue::Given,
    )
}

/// The value of a header that occurs once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Mono;
    use crate::telemetry::{
        BatchSettings, Metrics, Sampling, Share, TraceProtocol, TraceSettings, Traces,
    };
    use std::time::Duration;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values
            .iter()
            .filter_map(|value| {
                Some((HeaderName::from_static(name), HeaderValue::try_from(*value).ok()?))
            })
            .collect()
    }

    #[test]
    fn a_sane_request_id_is_kept() {
        let kept = request_id(&headers("x-request-id", &["a1-b_2.c:3"]));
        assert_eq!(kept.as_str(), "a1-b_2.c:3");
        for ids in [&["a b"][..], &["a\"b"], &[""], &["a", "b"], &[], &["<script>"]] {
            assert_eq!(request_id(&headers("x-request-id", ids)).as_str().len(), 32, "{ids:?}");
        }
        let long = request_id(&headers("x-request-id", &["x".repeat(129).as_str()]));
        assert_eq!(long.as_str().len(), 32);
    }

    const GIVEN: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn at() -> Now {
        Now { wall: 1_700_000_000_000, mono: Mono::START }
    }

    fn untraced(headers: &HeaderMap) -> TraceContext {
        TraceContext::from_headers(headers, None, at(), Version::HTTP_11)
    }

    #[test]
    fn a_sound_traceparent_is_passed_on() {
        let trace = untraced(&headers("traceparent", &[GIVEN]));
        assert_eq!(
            (trace.traceparent.as_str(), trace.trace_id(), trace.is_new),
            (GIVEN, "0af7651916cd43dd8448eb211c80319c", false)
        );
        for bad in [
            "",
            "00-0-0-0",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0g",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
            "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-011",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "01-x",
        ] {
            let trace = untraced(&headers("traceparent", &[bad]));
            let made = Traceparent::parse(trace.traceparent.as_str().as_bytes());
            assert!(made.is_some_and(|made| made.flags == 0) && trace.is_new, "{bad}");
            assert_ne!(trace.trace_id(), "0af7651916cd43dd8448eb211c80319c", "{bad}");
        }
        assert!(untraced(&headers("traceparent", &[GIVEN, GIVEN])).is_new);
    }

    /// Trace Context §3.4: a participant puts its own span in the parent's place.
    #[test]
    fn a_recorded_request_puts_its_own_span_in_the_parents_place() {
        let Ok(metrics) = Metrics::new() else { panic!("no metrics") };
        let Ok(endpoint) = url::Url::parse("http://127.0.0.1:4318/v1/traces") else { panic!() };
        let traces = Traces::default();
        let settings = |sampling| TraceSettings {
            endpoint: endpoint.clone(),
            protocol: TraceProtocol::HttpProtobuf,
            headers: Vec::new(),
            sampling,
            timeout: Duration::from_secs(10),
            batch: BatchSettings {
                schedule_delay: Duration::from_secs(5),
                export_timeout: Duration::from_secs(30),
                max_queue_size: 1,
                max_export_batch_size: 1,
            },
            resource: Vec::new(),
        };
        let heeds = Sampling { heeds_parent: true, share: Share::NONE };
        let always = Sampling { heeds_parent: false, share: Share::ALL };
        let unsampled = GIVEN.replace("-01", "-02");
        for (sampling, given, flags) in [
            (heeds, Some(GIVEN), Some(1)),
            (heeds, Some(&*unsampled), None),
            (heeds, None, None),
            (always, Some(GIVEN), Some(1)),
            (always, Some(&*unsampled), Some(3)),
            (always, None, Some(1)),
        ] {
            let tracer = traces.tracer(Some(&settings(sampling)), &metrics);
            let given = given.as_slice();
            let headers = headers("traceparent", given);
            let trace =
                TraceContext::from_headers(&headers, tracer.as_ref(), at(), Version::HTTP_11);
            let Some(sent) = Traceparent::parse(trace.traceparent.as_str().as_bytes()) else {
                panic!("{sampling:?} {given:?}")
            };
            match (&trace.spans, flags) {
                (Some(spans), Some(flags)) => {
                    assert_eq!((sent.span_id, sent.flags), (spans.upstream.span_id, flags));
                    assert_eq!(spans.upstream.trace_id, sent.trace_id);
                    let parent =
                        given.first().and_then(|given| Traceparent::parse(given.as_bytes()));
                    assert_eq!(spans.parent, parent.map(|parent| parent.span_id));
                    assert!(parent.is_none_or(|parent| parent.trace_id == sent.trace_id));
                }
                (None, None) => {
                    let as_given =
                        given.first().is_none_or(|given| trace.traceparent.as_str() == *given);
                    assert!(as_given && sent.flags & SAMPLED == 0, "{given:?}");
                }
                _ => panic!("{sampling:?} {given:?}"),
            }
        }
    }
}
