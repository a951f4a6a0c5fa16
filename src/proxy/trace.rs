//! Names by which one request is followed through several logs: `X-Request-Id` and W3C Trace
//! Context (`traceparent`).

use http::HeaderMap;

/// A `traceparent` that came with the request, or a new one.
#[derive(Clone, Debug, Default)]
pub struct TraceContext {
    /// The header's value: version-traceid-parentid-flags.
    pub traceparent: String,
}

impl TraceContext {
    /// Trace Context §3.2: exactly one well-formed header is passed on as it came.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all("traceparent").iter();
        let given =
            values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok()).filter(|value| is_traceparent(value));
        let traceparent = given
            .map_or_else(|| format!("00-{:032x}-{:016x}-00", rand::random::<u128>().max(1), rand::random::<u64>().max(1)), str::to_owned);
        Self { traceparent }
    }

    pub fn trace_id(&self) -> &str {
        self.traceparent.get(3..35).unwrap_or_default()
    }
}

fn is_traceparent(value: &str) -> bool {
    let hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let zeros = |part: &str| part.bytes().all(|b| b == b'0');
    let parts: Vec<&str> = value.split('-').collect();
    match parts.as_slice() {
        ["00", trace, parent, flags] => hex(trace, 32) && !zeros(trace) && hex(parent, 16) && !zeros(parent) && hex(flags, 2),
        _ => false,
    }
}

/// The client's `X-Request-Id` when it is one sane word, else a new one of 128 random bits.
pub fn request_id(headers: &HeaderMap) -> String {
    let mut values = headers.get_all("x-request-id").iter();
    let sane = |id: &&str| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&b));
    let given = values.next().filter(|_| values.next().is_none()).and_then(|value| value.to_str().ok()).filter(sane);
    given.map_or_else(|| format!("{:032x}", rand::random::<u128>()), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        values.iter().filter_map(|value| Some((HeaderName::from_static(name), HeaderValue::try_from(*value).ok()?))).collect()
    }

    #[test]
    fn a_sane_request_id_is_kept() {
        assert_eq!(request_id(&headers("x-request-id", &["a1-b_2.c:3"])), "a1-b_2.c:3");
        for ids in [&["a b"][..], &["a\"b"], &[""], &["a", "b"], &[], &["<script>"]] {
            assert_eq!(request_id(&headers("x-request-id", ids)).len(), 32, "{ids:?}");
        }
        assert_eq!(request_id(&headers("x-request-id", &["x".repeat(129).as_str()])).len(), 32);
    }

    #[test]
    fn a_sound_traceparent_is_passed_on() {
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = TraceContext::of(&headers("traceparent", &[given]));
        assert_eq!((trace.traceparent.as_str(), trace.trace_id()), (given, "0af7651916cd43dd8448eb211c80319c"));
        for bad in [
            "",
            "00-0-0-0",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "01-x",
        ] {
            let trace = TraceContext::of(&headers("traceparent", &[bad]));
            assert!(is_traceparent(&trace.traceparent) && trace.traceparent != bad, "{bad}");
        }
    }
}
