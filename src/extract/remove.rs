//! Taking the token out of what is forwarded, wherever it was.

use super::{Place, TokenSettings};
use http::{HeaderName, HeaderValue, header};
use std::borrow::Cow;

impl TokenSettings {
    /// Whether a header of the client's is a credential that was meant for this gateway and for
    /// nobody behind it: a configured one, or `Authorization` with a scheme for tokens. What else
    /// stands in `Authorization` is between the client and the service.
    pub fn removes(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        let carries = |place: &Place| match place {
            Place::Authorization => {
                *name == header::AUTHORIZATION
                    && SCHEMES.iter().any(|scheme| starts_with(value, scheme))
            }
            Place::Header(carrier) => name == carrier,
            Place::Query(_) | Place::Cookie(_) => false,
        };
        !self.forward && self.from.iter().any(carries)
    }

    /// The query without the parameters that carry tokens; the rest stays to the byte.
    /// `None` when nothing is left.
    pub fn forwarded_query<'q>(&self, query: &'q str) -> Option<Cow<'q, str>> {
        let carries = |pair: &str| {
            let name = form_urlencoded::parse(pair.as_bytes())
                .next()
                .map(|(name, _)| name)
                .unwrap_or_default();
            self.from.iter().any(|place| matches!(place, Place::Query(carrier) if *carrier == name))
        };
        let none = !self.from.iter().any(|place| matches!(place, Place::Query(_)));
        without(query, '&', carries, self.forward || none)
    }

    /// A `Cookie` header's value without the cookies that carry tokens. `None` when nothing is
    /// left.
    pub fn forwarded_cookies<'c>(&self, cookies: &'c str) -> Option<Cow<'c, str>> {
        let carries = |pair: &str| {
            let name = pair.trim_ascii().split('=').next().unwrap_or_default();
            self.from.iter().any(|place| matches!(place, Place::Cookie(carrier) if carrier == name))
        };
        without(cookies, ';', carries, self.forward)
    }
}

const SCHEMES: [&[u8]; 2] = [b"bearer", b"dpop"];

fn starts_with(value: &HeaderValue, scheme: &[u8]) -> bool {
    value.as_bytes().get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme))
}

fn without<'t>(
    text: &'t str,
    separator: char,
    carries: impl Fn(&str) -> bool,
    forward: bool,
) -> Option<Cow<'t, str>> {
    if forward || !text.split(separator).any(&carries) {
        return Some(Cow::Borrowed(text));
    }
    let kept: Vec<&str> = text.split(separator).filter(|pair| !carries(pair)).collect();
    let kept = kept.join(separator.encode_utf8(&mut [0; 4]));
    let kept = kept.trim_ascii_start();
    (!kept.is_empty()).then(|| Cow::Owned(kept.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(forward: bool) -> TokenSettings {
        let from = vec![
            Place::Authorization,
            Place::Query("access_token".into()),
            Place::Cookie("session".into()),
        ];
        TokenSettings { from, max_length: 100, forward }
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
        let cookies = |text| settings.forwarded_cookies(text).map(Cow::into_owned);
        assert_eq!(cookies("a=1; session=t; b=2").as_deref(), Some("a=1; b=2"));
        assert_eq!(cookies("session=t; b=2").as_deref(), Some("b=2"));
        assert_eq!(cookies("session=t"), None);
        assert_eq!(cookies("sessions=t").as_deref(), Some("sessions=t"));
    }

    #[test]
    fn a_credential_for_the_service_itself_stays() {
        let removes =
            |name, value| settings(false).removes(&name, &HeaderValue::from_static(value));
        assert!(
            removes(header::AUTHORIZATION, "Bearer t")
                && removes(header::AUTHORIZATION, "bEARER\tt")
                && removes(header::AUTHORIZATION, "DPoP t")
        );
        assert!(
            !removes(header::AUTHORIZATION, "Basic dTpw") && !removes(header::COOKIE, "Bearer")
        );
        let elsewhere = TokenSettings {
            from: vec![Place::Header(HeaderName::from_static("x-access-token"))],
            ..settings(false)
        };
        assert!(
            elsewhere.removes(
                &HeaderName::from_static("x-access-token"),
                &HeaderValue::from_static("t")
            )
        );
        assert!(!elsewhere.removes(&header::AUTHORIZATION, &HeaderValue::from_static("Bearer t")));
    }

    #[test]
    fn everything_stays_when_the_upstream_is_to_get_the_token() {
        let settings = settings(true);
        assert_eq!(settings.forwarded_query("access_token=t").as_deref(), Some("access_token=t"));
        assert!(!settings.removes(&header::AUTHORIZATION, &HeaderValue::from_static("Bearer t")));
    }
}
