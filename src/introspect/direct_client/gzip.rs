//! Bodies with `Content-Encoding: gzip` (RFC 9110 §8.4.1.3).

use crate::introspect::Failure;
use crate::introspect::broken_call::undecodable;
use crate::introspect::http_client::Largest;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderMap, header};
use std::io::Read;

/// The body without its coding; the headers that describe the coded body are removed. A body in
/// another coding stays as it is: no other one was asked for.
pub fn decoded(headers: &mut HeaderMap, body: Bytes, largest: Largest) -> Result<Bytes, Failure> {
    let is_gzip = headers.get(header::CONTENT_ENCODING).is_some_and(|coding| {
        let coding = coding.as_bytes();
        coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip")
    });
    if !is_gzip || body.is_empty() {
        return Ok(body);
    }
    headers.remove(header::CONTENT_ENCODING);
    headers.remove(header::CONTENT_LENGTH);
    let limit = largest.bytes();
    let mut decoded = Vec::new();
    MultiGzDecoder::new(&*body)
        .take(limit as u64 + 1)
        .read_to_end(&mut decoded)
        .map_err(|error| undecodable(&error))?;
    if decoded.len() > limit { Err(largest.exceeded()) } else { Ok(decoded.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use http::HeaderValue;
    use std::io::Write;

    fn coded(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).and_then(|()| encoder.finish()).unwrap_or_default()
    }

    fn read(coding: &'static str, body: Vec<u8>) -> Result<Bytes, String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
        decoded(&mut headers, body.into(), Largest::Configured(100))
            .map_err(|failure| failure.detail.to_string())
    }

    #[test]
    fn a_gzipped_body_is_decoded_within_the_limit() {
        for coding in ["gzip", "GZIP", "x-gzip"] {
            assert_eq!(read(coding, coded(b"{}")).as_deref(), Ok(&b"{}"[..]), "{coding}");
        }
        let exact = vec![b' '; 100];
        assert_eq!(read("gzip", coded(&exact)).as_deref(), Ok(&*exact));
        let bomb = read("gzip", coded(&vec![b' '; 10_000_000]));
        assert!(bomb.is_err_and(|why| why.contains("max_response_size (100 bytes)")));
    }

    #[test]
    fn members_are_read_one_after_the_other() {
        let both = [coded(b"{"), coded(b"}")].concat();
        assert_eq!(read("gzip", both).as_deref(), Ok(&b"{}"[..]));
    }

    #[test]
    fn a_broken_body_is_no_answer() {
        let whole = coded(b"{\"active\":true}");
        for broken in [&whole[..whole.len() - 1], &whole[1..], b"{}", &[&whole[..], b"x"].concat()]
        {
            let why = read("gzip", broken.to_vec()).err().unwrap_or_default();
            assert!(why.contains("cannot be decoded"), "{why}");
        }
    }

    #[test]
    fn other_bodies_stay_as_they_are() {
        assert_eq!(read("gzip", Vec::new()).as_deref(), Ok(&b""[..]));
        for coding in ["identity", "br", "gzip, gzip", ""] {
            assert_eq!(read(coding, b"{}".to_vec()).as_deref(), Ok(&b"{}"[..]), "{coding}");
        }
    }
}
