//! Names by which one request is followed through several logs: `X-Request-Id` and W3C Trace
//! Context (`traceparent`).

use http::{HeaderMap, HeaderName, HeaderValue};

/// A `traceparent` that came with the request, or a new one.
#[derive(Clone, Debug)]
pub struct TraceContext {
    /// The header's value: version-traceid-parentid-flags.
    pub traceparent: HeaderValue,
}

impl TraceContext {
    /// Trace Context §3.2: exactly one well-formed header is forwarded unchanged.
    pub fn from_headers(headers: &HeaderMap) -> Self {
        let given =
            only(headers, &TRACEPARENT).filter(|value| value.to_str().is_ok_and(is_traceparent));
        Self { traceparent: given.cloned().unwrap_or_else(new_traceparent) }
    }

    pub fn trace_id(&self) -> &str {
        self.traceparent.to_str().ok().and_then(|text| text.get(3..35)).unwrap_or_default()
    }
}

impl Default for TraceContext {
    fn default() -> Self {
        Self { traceparent: HeaderValue::from_static("") }
    }
}

pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

fn new_traceparent() -> HeaderValue {
    let mut text = *b"00-................................-................-00";
    write_hex(&mut text[3..35], &rand::random::<u128>().max(1).to_be_bytes());
    write_hex(&mut text[36..52], &rand::random::<u64>().max(1).to_be_bytes());
    value(&text)
}

fn is_traceparent(value: &str) -> bool {
    let hex = |part: &str, length: usize| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zeros = |part: &str| part.bytes().all(|b| b == b'0');
    let parts: Vec<&str> = value.split('-').collect();
    match parts.as_slice() {
        ["00", trace, parent, flags] => {
            hex(trace, 32) && !zeros(trace) && hex(parent, 16) && !zeros(parent) && hex(flags, 2)
        }
        _ => false,
    }
}

/// The client's `X-Request-Id` when it is one sane word, else a new one of 128 random bits.
pub fn request_id(headers: &HeaderMap) -> HeaderValue {
    let sane = |id: &&str| {
        (1..=128).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&b))
    };
    let given =
        only(headers, &REQUEST_ID).filter(|value| value.to_str().ok().as_ref().is_some_and(sane));
    given.cloned().unwrap_or_else(|| {
        let mut text = [0; 32];
        write_hex(&mut text, &rand::random::<u128>().to_be_bytes());
        value(&text)
    })
}

/// The value of a header that occurs once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn write_hex(digits: &mut [u8], bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (pair, byte) in digits.as_chunks_mut().0.iter_mut().zip(bytes) {
        *pair = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
}

/// Digits and dashes are always one.
fn value(text: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(text).unwrap_or(HeaderValue::from_static("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(request_id(&headers("x-request-id", &["a1-b_2.c:3"])), "a1-b_2.c:3");
        for ids in [&["a b"][..], &["a\"b"], &[""], &["a", "b"], &[], &["<script>"]] {
            assert_eq!(request_id(&headers("x-request-id", ids)).len(), 32, "{ids:?}");
        }
        assert_eq!(request_id(&headers("x-request-id", &["x".repeat(129).as_str()])).len(), 32);
    }

    #[test]
    fn a_sound_traceparent_is_passed_on() {
        let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = TraceContext::from_headers(&headers("traceparent", &[given]));
        assert_eq!(
            (trace.traceparent.to_str().unwrap_or_default(), trace.trace_id()),
            (given, "0af7651916cd43dd8448eb211c80319c")
        );
        for bad in [
            "",
            "00-0-0-0",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "01-x",
        ] {
            let trace = TraceContext::from_headers(&headers("traceparent", &[bad]));
            assert!(
                trace.traceparent.to_str().is_ok_and(is_traceparent) && trace.traceparent != bad,
                "{bad}"
            );
        }
    }
}
