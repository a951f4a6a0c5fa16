//! Requests that two readers could take for two different ones are refused before anything else
//! looks at them.

use super::head::Head;
use crate::deny::{Denial, Reason};
use http::{Version, header};
use pingora_http::authority::{RawTargetAuthority, raw_target_authority};

/// `raw` gives the header section as it came, for what the parser has already tidied up.
pub fn check(head: Head<'_>, raw: impl FnOnce() -> Vec<u8>) -> Result<(), Denial> {
    let headers = head.headers;
    let refuse = |detail| Err(Denial::with_detail(Reason::BadRequest, detail));

    if headers.contains_key(header::TRANSFER_ENCODING) {
        let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
        let chunked = encodings
            .next()
            .is_some_and(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
        if !chunked || encodings.next().is_some() {
            return refuse("Transfer-Encoding is something else than a single \"chunked\".");
        }
        // the parser drops Content-Length here (RFC 9112 §6.3 allows that, §6.1 names the danger)
        if has_line(&raw(), b"content-length") {
            return refuse("The request has both Content-Length and Transfer-Encoding.");
        }
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let sound = |value: &http::HeaderValue| value.as_bytes().iter().all(u8::is_ascii_digit);
    if lengths.next().is_some_and(|value| !sound(value)) || lengths.next().is_some() {
        return refuse("Content-Length is not one number.");
    }

    let absolute = matches!(raw_target_authority(head.target), RawTargetAuthority::Absolute { .. });
    let host = headers.get(header::HOST).map(|host| host.as_bytes());
    match host {
        None if absolute || head.version < Version::HTTP_11 => {}
        None | Some([]) => return refuse("The request names no host."),
        Some(host)
            if !host
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || b"-._:[]~%!$&'()*+;=".contains(b)) =>
        {
            return refuse("The host has characters that no host has.");
        }
        Some(_) => {}
    }
    Ok(())
}

fn has_line(raw: &[u8], name: &[u8]) -> bool {
    raw.split(|&byte| byte == b'\n').any(|line| {
        line.iter()
            .position(|&byte| byte == b':')
            .is_some_and(|colon| line[..colon].trim_ascii().eq_ignore_ascii_case(name))
    })
}
