//! Removes the token from the forwarded request, from every place.

use super::{TokenPlace, TokenSettings};
use crate::request::names;
use http::{HeaderName, HeaderValue, header};
use std::borrow::Cow;

impl TokenSettings {
    /// Whether a client's header is a credential for this gateway and for no service behind it: a
    /// configured one, or `Authorization` with a scheme for tokens. Other schemes are between the
    /// client and the service. A header that some service reads as a configured one, since it is
    /// spelled alike, is removed in any case: its token was not checked.
    pub fn removes(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        self.from.iter().any(|place| match place {
            TokenPlace::Authorization => {
                let carries = *name == DPOP
                    || *name == header::AUTHORIZATION
                        && SCHEMES.iter().any(|scheme| starts_with(value, scheme));
                carries && !self.forward
            }
            TokenPlace::Header(carrier) if name == carrier => !self.forward,
            TokenPlace::Header(carrier) => names::are_one(name, carrier),
            TokenPlace::Query(_) | TokenPlace::Cookie(_) | TokenPlace::Form => false,
        })
    }

    /// The query without the parameters that carry tokens; the rest stays to the byte.
    /// `None` when nothing is left.
    pub fn forwarded_query<'q>(&self, query: &'q str) -> Option<Cow<'q, str>> {
        if self.forward || !self.from.iter().any(|place| matches!(place, TokenPlace::Query(_))) {
            return Some(Cow::Borrowed(query));
        }
        match without(query.as_bytes(), b'&', |pair| self.is_token_parameter(pair))? {
            Cow::Borrowed(_) => Some(Cow::Borrowed(query)),
            Cow::Owned(kept) => String::from_utf8(kept).ok().map(Cow::Owned),
        }
    }

    /// The names of the query's parameters that carry tokens, as they are spelled in `query`: a
    /// reader that does not decode names finds them by these.
    pub fn removed_parameters(&self, query: &str) -> Vec<String> {
        if self.forward {
            return Vec::new();
        }
        let spelled = |pair: &str| pair.split('=').next().unwrap_or_default().to_owned();
        let carriers = query.split('&').filter(|pair| self.is_token_parameter(pair.as_bytes()));
        carriers.map(spelled).collect()
    }

    /// Whether a parameter of the query is one that carries the token, by its decoded name.
    fn is_token_parameter(&self, pair: &[u8]) -> bool {
        let name = form_urlencoded::parse(pair).next().map(|(name, _)| name);
        let name = name.unwrap_or_default();
        self.from
            .iter()
            .any(|place| matches!(place, TokenPlace::Query(carrier) if *carrier == name))
    }

    /// Whether a cookie may carry a token that is removed.
    pub fn removes_cookies(&self) -> bool {
        !self.forward && self.from.iter().any(|place| matches!(place, TokenPlace::Cookie(_)))
    }

    /// A `Cookie` line without the cookies that carry tokens; the rest stays to the byte. `None`
    /// when nothing is left.
    pub fn forwarded_cookies<'c>(&self, line: &'c [u8]) -> Option<Cow<'c, [u8]>> {
        let carries = |pair: &[u8]| {
            let name = pair.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
            self.from.iter().any(
                |place| matches!(place, TokenPlace::Cookie(carrier) if carrier.as_bytes() == name),
            )
        };
        if !self.removes_cookies() {
            return Some(Cow::Borrowed(line));
        }
        without(line, b';', carries)
    }
}

/// A proof goes with its token (RFC 9449 §7.1).
const DPOP: HeaderName = HeaderName::from_static("dpop");

const SCHEMES: [&[u8]; 2] = [b"bearer", b"dpop"];

fn starts_with(value: &HeaderValue, scheme: &[u8]) -> bool {
    value.as_bytes().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

/// The parts of `text` between separators, without those that carry a token. `None` when nothing is
/// left.
pub(super) fn without(
    text: &[u8],
    separator: u8,
    carries: impl Fn(&[u8]) -> bool,
) -> Option<Cow<'_, [u8]>> {
    let pairs = || text.split(|&byte| byte == separator);
    if !pairs().any(&carries) {
        return Some(Cow::Borrowed(text));
    }
    let kept: Vec<&[u8]> = pairs().filter(|pair| !carries(pair)).collect();
    let kept = kept.join(&separator).trim_ascii_start().to_vec();
    (!kept.is_empty()).then_some(Cow::Owned(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(forward: bool) -> TokenSettings {
        let from = vec![
            TokenPlace::Authorization,
            TokenPlace::Query("access_token".into()),
            TokenPlace::Cookie("session".into()),
        ];
        TokenSettings { from, max_length: 100, forward }
    }

    #[test]
    fn parameters_are_named_as_they_are_spelled() {
        let query = "a=1&access%5Ftoken=x&%61ccess_token=y&access_token&b";
        let names = ["access%5Ftoken", "%61ccess_token", "access_token"];
        assert_eq!(settings(false).removed_parameters(query), names);
        assert!(settings(true).removed_parameters(query).is_empty());
    }

    #[test]
    fn only_the_token_goes() {
        let settings = settings(false);
        let query = |text| settings.forwarded_query(text).map(Cow::into_owned);
        assert_eq!(query("a=1&access_token=t&b=%2F").as_deref(), Some("a=1&b=%2F"));
        assert_eq!(query("access%5ftoken=t&a").as_deref(), Some("a"));
        assert_eq!(query("access_token=t"), None);
        assert_eq!(query("access_token").as_deref(), None);
        assert_eq!(query("x_access_token=t&&").as_deref(), Some("x_access_token=t&&"));
    }

    /// RFC 6265 §5.4: a cookie's value is bytes.
    #[test]
    fn only_the_cookie_with_the_token_goes() {
        let settings = settings(false);
        for (line, kept) in [
            (&b"a=1; session=t; b=2"[..], Some(&b"a=1; b=2"[..])),
            (b"session=t; b=2", Some(b"b=2")),
            (b"session=t", None),
            (b" session = t ;", Some(b"")),
            (b"sessions=t", Some(b"sessions=t")),
            (b"a=\xff\xe9; session=t; b=\xc3", Some(b"a=\xff\xe9; b=\xc3")),
            (b"session=\xff; b=2", Some(b"b=2")),
            (b"a=\xff", Some(b"a=\xff")),
            (b"Session=t", Some(b"Session=t")),
        ] {
            let kept = kept.filter(|kept| !kept.is_empty());
            assert_eq!(
                settings.forwarded_cookies(line).as_deref(),
                kept,
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[test]
    fn a_credential_for_the_service_itself_stays() {
        let removes =
            |name, value| settings(false).removes(&name, &HeaderValue::from_static(value));
        assert!(
            removes(header::AUTHORIZATION, "Bearer t")
                && removes(header::AUTHORIZATION, "bEARER\tt")
                && removes(header::AUTHORIZATION, "DPoP t")
                && removes(DPOP, "proof")
        );
        assert!(
            !removes(header::AUTHORIZATION, "Basic dTpw") && !removes(header::COOKIE, "Bearer")
        );
        let elsewhere = TokenSettings {
            from: vec![TokenPlace::Header(HeaderName::from_static("x-access-token"))],
            ..settings(false)
        };
        assert!(
            elsewhere.removes(
                &HeaderName::from_static("x-access-token"),
                &HeaderValue::from_static("t")
            )
        );
        assert!(!elsewhere.removes(&header::AUTHORIZATION, &HeaderValue::from_static("Bearer t")));
        let value = HeaderValue::from_static("t");
        for forward in [true, false] {
            let elsewhere = TokenSettings { forward, ..elsewhere.clone() };
            for name in ["x_access_token", "x.access-token"] {
                let name = HeaderName::from_static(name);
                assert!(elsewhere.removes(&name, &value), "{name} was not checked");
            }
            assert!(!elsewhere.removes(&HeaderName::from_static("x-access-tokens"), &value));
        }
    }

    #[test]
    fn everything_stays_when_the_upstream_is_to_get_the_token() {
        let settings = settings(true);
        assert_eq!(settings.forwarded_query("access_token=t").as_deref(), Some("access_token=t"));
        assert!(!settings.removes(&header::AUTHORIZATION, &HeaderValue::from_static("Bearer t")));
    }
}
