//! A token in a form-encoded body (RFC 6750 §2.2).

use super::remove::without;
use super::{TokenPlace, TokenSettings};
use http::{HeaderMap, Method, header};
use std::borrow::Cow;

/// Bytes of a body that is searched for a token. In a longer one there is no token.
pub const FORM_LIMIT: usize = 64 * 1024;

/// RFC 6750 §2.2.
const FIELD: &str = "access_token";

/// Header fields that describe the bytes of a body (RFC 9530, RFC 1864): they are wrong once a
/// field is taken out of it.
pub const OF_BODY_BYTES: [&str; 4] = ["content-digest", "repr-digest", "digest", "content-md5"];

impl TokenSettings {
    /// Whether the body of this request is searched for a token: a `POST` with one
    /// `Content-Type: application/x-www-form-urlencoded`, that is not encoded any further, and whose
    /// announced length is within [`FORM_LIMIT`].
    pub fn searches_form(&self, method: &Method, headers: &HeaderMap) -> bool {
        if !self.from.contains(&TokenPlace::Form) {
            return false;
        }
        let length = headers
            .get(header::CONTENT_LENGTH)
            .map(|length| length.to_str().ok().and_then(|length| length.parse::<usize>().ok()));
        *method == Method::POST
            && length.is_none_or(|length| length.is_some_and(|length| length <= FORM_LIMIT))
            && !headers.contains_key(header::CONTENT_ENCODING)
            && is_form(headers)
    }

    /// The body without the fields that carry tokens; the rest stays to the byte.
    pub fn forwarded_form<'b>(&self, body: &'b [u8]) -> Cow<'b, [u8]> {
        if self.forward || !self.from.contains(&TokenPlace::Form) {
            return Cow::Borrowed(body);
        }
        without(body, b'&', |pair| {
            form_urlencoded::parse(pair).next().is_some_and(|(name, _)| name == FIELD)
        })
        .unwrap_or_default()
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return false };
    let essence = line.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

/// The tokens of a body.
pub(super) fn tokens(body: &[u8]) -> impl Iterator<Item = Cow<'_, [u8]>> {
    super::values(body, FIELD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn settings(forward: bool) -> TokenSettings {
        TokenSettings {
            from: vec![TokenPlace::Authorization, TokenPlace::Form],
            max_length: 100,
            forward,
        }
    }

    #[test]
    fn posts_of_short_forms_are_searched() {
        let searched = |method: &str, lines: &[(&'static str, &str)]| {
            let headers = lines
                .iter()
                .filter_map(|(name, value)| {
                    Some((HeaderName::from_static(name), HeaderValue::try_from(*value).ok()?))
                })
                .collect();
            Method::from_bytes(method.as_bytes())
                .is_ok_and(|method| settings(false).searches_form(&method, &headers))
        };
        const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
        for (method, lines, expected) in [
            ("POST", &[FORM][..], true),
            (
                "POST",
                &[("content-type", "Application/X-WWW-Form-Urlencoded ; charset=UTF-8")],
                true,
            ),
            ("POST", &[FORM, ("content-length", "65536")], true),
            ("POST", &[FORM, ("content-length", "65537")], false),
            ("POST", &[FORM, ("content-length", "x")], false),
            ("POST", &[FORM, ("content-encoding", "gzip")], false),
            ("POST", &[FORM, FORM], false),
            ("POST", &[], false),
            ("POST", &[("content-type", "application/json")], false),
            ("POST", &[("content-type", "application/x-www-form-urlencodedx")], false),
            ("POST", &[("content-type", "multipart/form-data; boundary=x")], false),
            ("PUT", &[FORM], false),
            ("GET", &[FORM], false),
        ] {
            assert_eq!(searched(method, lines), expected, "{method} {lines:?}");
        }
    }

    #[test]
    fn only_the_field_with_the_token_goes() {
        for (body, kept) in [
            (&b"a=1&access_token=t&b=%2F"[..], &b"a=1&b=%2F"[..]),
            (b"access%5Ftoken=t&a", b"a"),
            (b"access_token=t", b""),
            (b"access_token", b""),
            (b"access_token=t&access_token=u&a=\xff", b"a=\xff"),
            (b"xaccess_token=t&&", b"xaccess_token=t&&"),
            (b"\xff\xfe", b"\xff\xfe"),
            (b"", b""),
        ] {
            assert_eq!(&*settings(false).forwarded_form(body), kept, "{}", body.escape_ascii());
            assert_eq!(&*settings(true).forwarded_form(body), body, "{}", body.escape_ascii());
        }
    }
}
