//! Client certificates (RFC 8705 §3): the one of the connection, or the one that a trusted proxy
//! found on its own connection and passes on in a header.

use crate::request::RequestView;
use crate::token::Thumbprint;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderName;
use percent_encoding::percent_decode_str;

/// Envoy, and Istio with it.
const XFCC: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
/// RFC 9440.
const CLIENT_CERT: HeaderName = HeaderName::from_static("client-cert");
/// The usual names for PEM of nginx (`$ssl_client_escaped_cert`) and for base64 of HAProxy
/// (`ssl_c_der,base64`).
const PEM: [HeaderName; 2] =
    [HeaderName::from_static("x-ssl-client-cert"), HeaderName::from_static("ssl-client-cert")];

/// The thumbprint of the client's certificate; `None` when there is none, or when it is not clear
/// which one it is: headers that disagree, several certificates in one, a malformed one.
pub fn presented(request: &RequestView<'_>) -> Option<Thumbprint> {
    if !request.trusted_peer {
        return request.certificate;
    }
    let mut found = None;
    for (name, value) in request.headers {
        let read: fn(&str) -> Option<Thumbprint> = if *name == XFCC {
            envoy
        } else if *name == CLIENT_CERT {
            structured
        } else if PEM.contains(name) {
            pem
        } else {
            continue;
        };
        let thumbprint = value.to_str().ok().and_then(read)?;
        if *found.get_or_insert(thumbprint) != thumbprint {
            return None;
        }
    }
    // the proxy's own certificate, if it sends none of its client
    found.or(request.certificate)
}

/// `Hash` and `Cert` of the only element. Several elements come from a chain of proxies, and their
/// order depends on how each of these is set up.
fn envoy(value: &str) -> Option<Thumbprint> {
    let (mut hash, mut certificate) = (None, None);
    for part in split_outside_quotes(value, ';')? {
        let (name, value) = part.split_once('=')?;
        let value =
            value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        let place = match name.trim() {
            name if name.eq_ignore_ascii_case("hash") => &mut hash,
            name if name.eq_ignore_ascii_case("cert") => &mut certificate,
            _ => continue,
        };
        let thumbprint = match name.trim().eq_ignore_ascii_case("hash") {
            true => hex(value)?,
            false => pem(value)?,
        };
        if place.replace(thumbprint).is_some() {
            return None;
        }
    }
    match (hash, certificate) {
        (Some(hash), Some(certificate)) if hash != certificate => None,
        (hash, certificate) => hash.or(certificate),
    }
}

/// The parts of one element. `None` when there is a comma outside of quotes, and so another
/// element, or when a quote does not end.
fn split_outside_quotes(value: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, character) in value.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return None,
            _ if character == separator && !quoted => {
                parts.push(value.get(start..at)?);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(value.get(start..)?);
    (!quoted).then_some(parts)
}

/// SHA-256 in hexadecimal digits.
fn hex(text: &str) -> Option<Thumbprint> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; 32];
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * i..2 * i + 2)?, 16).ok()?;
    }
    Some(Thumbprint::from(bytes))
}

/// A byte sequence of RFC 8941 §3.3.5: base64 between colons.
fn structured(value: &str) -> Option<Thumbprint> {
    base64(value.trim().strip_prefix(':')?.strip_suffix(':')?)
}

/// PEM, percent-encoded or with its line ends replaced by white space; or its base64 alone.
fn pem(value: &str) -> Option<Thumbprint> {
    const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
    const END: &str = "-----END CERTIFICATE-----";
    let value = percent_decode_str(value.trim().trim_matches('"')).decode_utf8().ok()?;
    let value = value.trim();
    match value.strip_prefix(BEGIN) {
        // END occurs once: a chain would have it several times, and a dash is not base64
        Some(rest) => base64(rest.trim_end().strip_suffix(END)?),
        None => base64(value),
    }
}

fn base64(text: &str) -> Option<Thumbprint> {
    let text: String = text.split_ascii_whitespace().collect();
    let der = STANDARD.decode(text).ok().filter(|der| !der.is_empty())?;
    Some(Thumbprint::hash(&der))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Forwarded;
    use http::{HeaderMap, HeaderValue};

    /// Any bytes do: nothing is read of a certificate.
    const DER: &[u8] = b"\x30\x82\x01\x02 a certificate of some length, with ++ and // in base64 \xfb\xef\xbe\xff\xff";

    fn base64_of(der: &[u8]) -> String {
        STANDARD.encode(der)
    }

    fn pem_of(der: &[u8]) -> String {
        let text = base64_of(der);
        let (first, second) = text.split_at(64);
        format!("-----BEGIN CERTIFICATE-----\n{first}\n{second}\n-----END CERTIFICATE-----\n")
    }

    fn escaped(text: &str) -> String {
        percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
    }

    fn hex_of(der: &[u8]) -> String {
        Thumbprint::hash(der).as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn found(trusted_peer: bool, lines: &[(&str, String)]) -> Option<Thumbprint> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(*name), HeaderValue::try_from(value))
            {
                headers.append(name, value);
            }
        }
        let forwarded = Forwarded::default();
        let bare = RequestView::bare(&headers, &forwarded);
        presented(&RequestView { trusted_peer, certificate: None, ..bare })
    }

    #[test]
    fn every_proxy_has_its_form() {
        let spaces = pem_of(DER).replace('\n', " ");
        let own = Some(Thumbprint::hash(DER));
        let (hash, cert) = (hex_of(DER), escaped(&pem_of(DER)));
        for (name, value) in [
            ("x-forwarded-client-cert", format!("Hash={hash}")),
            (
                "x-forwarded-client-cert",
                format!("By=spiffe://a/b;Hash={hash};Subject=\"/CN=a, b;\\\"c\";URI=x"),
            ),
            ("x-forwarded-client-cert", format!("hash={};cert=\"{cert}\"", hash.to_uppercase())),
            ("x-forwarded-client-cert", format!("Cert=\"{cert}\";DNS=a.test")),
            ("client-cert", format!(":{}:", base64_of(DER))),
            ("ssl-client-cert", cert.clone()),
            ("x-ssl-client-cert", cert),
            ("x-ssl-client-cert", spaces),
            ("x-ssl-client-cert", base64_of(DER)),
            ("x-ssl-client-cert", format!("\"{}\"", base64_of(DER))),
        ] {
            assert_eq!(found(true, &[(name, value.clone())]), own, "{name}: {value}");
            assert_eq!(found(false, &[(name, value.clone())]), None, "a stranger: {value}");
        }
    }

    #[test]
    fn an_unclear_certificate_is_none() {
        let (hash, other) = (hex_of(DER), hex_of(b"other"));
        let (cert, chain) = (escaped(&pem_of(DER)), escaped(&pem_of(DER).repeat(2)));
        for (name, value) in [
            ("x-forwarded-client-cert", String::new()),
            ("x-forwarded-client-cert", "By=x".to_owned()),
            ("x-forwarded-client-cert", format!("Hash={}", &hash[1..])),
            ("x-forwarded-client-cert", format!("Hash={hash}0")),
            ("x-forwarded-client-cert", format!("Hash=+{}", &hash[1..])),
            ("x-forwarded-client-cert", format!("Hash={hash},Hash={hash}")),
            ("x-forwarded-client-cert", format!("Hash={other},Hash={hash}")),
            ("x-forwarded-client-cert", format!("Hash={hash};Hash={hash}")),
            ("x-forwarded-client-cert", format!("Hash={other};Cert=\"{cert}\"")),
            ("x-forwarded-client-cert", format!("Subject=\"a;Hash={hash}")),
            ("x-forwarded-client-cert", format!("Subject=\"a\\\";Hash={hash};\"")),
            ("client-cert", base64_of(DER)),
            ("client-cert", "::".to_owned()),
            ("client-cert", ":!:".to_owned()),
            ("ssl-client-cert", "(null)".to_owned()),
            ("ssl-client-cert", "-".to_owned()),
            ("ssl-client-cert", chain),
            ("ssl-client-cert", "-----BEGIN CERTIFICATE-----".to_owned()),
            ("ssl-client-cert", "x".repeat(60_001)),
        ] {
            assert_eq!(found(true, &[(name, value.clone())]), None, "{name}: {value:.200}");
        }
        let (one, another) = (format!("Hash={hash}"), format!(":{}:", base64_of(b"other")));
        let lines = [("x-forwarded-client-cert", one.clone()), ("client-cert", another)];
        assert_eq!(found(true, &lines), None, "they disagree");
        let lines = [("x-forwarded-client-cert", one.clone()), ("ssl-client-cert", "?".into())];
        assert_eq!(found(true, &lines), None, "one is malformed");
        let lines =
            [("client-cert", format!(":{}:", base64_of(DER))), ("x-forwarded-client-cert", one)];
        assert_eq!(found(true, &lines), Some(Thumbprint::hash(DER)), "they agree");
    }
}
