//! Taking the token out of what is forwarded, wherever it was.

use super::{Place, TokenSettings};
use http::{HeaderName, header};
use std::borrow::Cow;

impl TokenSettings {
    /// Headers that are removed whole, so that the upstream never sees a credential that was not
    /// meant for it; none with `forward: true`. `Authorization` goes wherever tokens are read from:
    /// what is in it was presented to this gateway.
    pub fn removed_headers(&self) -> impl Iterator<Item = &HeaderName> {
        let others = self.from.iter().filter_map(|place| match place {
            Place::Header(name) => Some(name),
            _ => None,
        });
        std::iter::once(&header::AUTHORIZATION).chain(others).filter(|_| !self.forward)
    }

    /// The query without the parameters that carry tokens; the rest stays to the byte.
    /// `None` when nothing is left.
    pub fn forwarded_query<'q>(&self, query: &'q str) -> Option<Cow<'q, str>> {
        let carries = |pair: &str| {
            let name = form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name).unwrap_or_default();
            self.from.iter().any(|place| matches!(place, Place::Query(carrier) if *carrier == name))
        };
        without(query, '&', carries, self.forward)
    }

    /// A `Cookie` header's value without the cookies that carry tokens. `None` when nothing is left.
    pub fn forwarded_cookies<'c>(&self, cookies: &'c str) -> Option<Cow<'c, str>> {
        let carries = |pair: &str| {
            let name = pair.trim_ascii().split('=').next().unwrap_or_default();
            self.from.iter().any(|place| matches!(place, Place::Cookie(carrier) if carrier == name))
        };
        without(cookies, ';', carries, self.forward)
    }
}

fn without<'t>(text: &'t str, separator: char, carries: impl Fn(&str) -> bool, forward: bool) -> Option<Cow<'t, str>> {
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
        let from = vec![Place::Authorization, Place::Query("access_token".into()), Place::Cookie("session".into())];
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
    fn everything_stays_when_the_upstream_is_to_get_the_token() {
        let settings = settings(true);
        assert_eq!(settings.forwarded_query("access_token=t").as_deref(), Some("access_token=t"));
        assert_eq!(settings.removed_headers().count(), 0);
    }
}
