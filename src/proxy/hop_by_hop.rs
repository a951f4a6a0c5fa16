//! Header fields that are about one connection and not about the message (RFC 9110 §7.6.1). Both
//! ways ask here which they are.

use http::{HeaderName, header};
use pingora_error::{Error, ErrorType};
use pingora_http::ResponseHeader;

/// The role of a header field for the connection that it came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// None: it is forwarded.
    EndToEnd,
    /// Names other fields, and decides whether the connection is kept.
    Connection,
    /// How long the body is.
    ContentLength,
    /// How the body is framed.
    TransferEncoding,
    /// Asks for, or names, another protocol.
    Upgrade,
    /// Parameters of the kept connection, named by `Connection` or not.
    KeepAlive,
    /// About the client's connection, in a request; forwarded in a response.
    OfRequests,
    /// A request that waits for a response before it sends its body.
    Expect,
    /// The gateway sets it anew in responses.
    Date,
}

impl Field {
    /// Decided by length first: nearly every field is end-to-end.
    pub fn named(name: &str) -> Self {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        match name.len() {
            2 if is("te") => Self::OfRequests,
            4 if is("date") => Self::Date,
            6 if is("expect") => Self::Expect,
            7 if is("upgrade") => Self::Upgrade,
            7 if is("trailer") => Self::OfRequests,
            10 if is("connection") => Self::Connection,
            10 if is("keep-alive") => Self::KeepAlive,
            14 if is("content-length") => Self::ContentLength,
            14 if is("http2-settings") => Self::OfRequests,
            16 if is("proxy-connection") => Self::KeepAlive,
            17 if is("transfer-encoding") => Self::TransferEncoding,
            18 if is("proxy-authenticate") => Self::OfRequests,
            19 if is("proxy-authorization") => Self::OfRequests,
            _ => Self::EndToEnd,
        }
    }
}

/// The value of `Content-Length` (RFC 9110 §8.6): digits and nothing else.
pub fn number(value: &[u8]) -> Option<u64> {
    let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    digits.then(|| std::str::from_utf8(value).ok()?.parse().ok())?
}

/// Removes the hop-by-hop fields of the upstream's connection from a response: those that its
/// `Connection` names, and those that always are hop-by-hop. `Connection` itself, `Date` and the
/// framing of the body are left: the way that the response takes sets them.
pub fn strip(response: &mut ResponseHeader) {
    one_length(response);
    let unwanted = |name: &str, named: bool| match Field::named(name) {
        Field::KeepAlive | Field::Upgrade => true,
        Field::Connection | Field::ContentLength | Field::TransferEncoding => false,
        _ => named,
    };
    let lines = response.headers.get_all(header::CONNECTION).iter();
    let named = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
        .filter(|name| unwanted(name, true))
        .filter_map(|name| HeaderName::try_from(name).ok());
    let present = response.headers.keys().filter(|name| unwanted(name.as_str(), false)).cloned();
    for name in named.chain(present).collect::<Vec<_>>() {
        response.remove_header(&name);
    }
}

/// A repeated length, with equal values by now, is forwarded once (RFC 9110 §8.6).
fn one_length(response: &mut ResponseHeader) {
    let mut lengths = response.headers.get_all(header::CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    let alone = lengths.next().is_none() && !first.as_bytes().contains(&b',');
    if !alone
        && let Some(length) =
            first.to_str().ok().and_then(|text| text.split(',').next()?.trim().parse().ok())
    {
        // a number is always a header's value
        let _ = response.set_content_length(length);
    }
}

/// A client that asked for no other protocol would take the bytes behind a 101 for the next
/// response.
pub fn unasked_switch() -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "101 that the request did not ask for").into_up()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn stripped(status: u16, lines: &[(&'static str, &'static str)]) -> Vec<String> {
        let Ok(mut response) = ResponseHeader::build(status, None) else { return Vec::new() };
        for (name, value) in lines {
            let _ = response.append_header(*name, HeaderValue::from_static(value));
        }
        strip(&mut response);
        let mut left: Vec<String> =
            response.headers.keys().map(|name| name.as_str().to_owned()).collect();
        left.sort();
        left
    }

    #[test]
    fn fields_of_one_hop_are_removed() {
        let lines = [
            ("Connection", "X-Named, close, Content-Length"),
            ("Connection", "X-Second"),
            ("X-Named", "1"),
            ("X-Second", "1"),
            ("X-Other", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Upgrade", "h2c"),
            ("Content-Length", "1"),
        ];
        assert_eq!(stripped(200, &lines), ["connection", "content-length", "x-other"]);
    }
}
