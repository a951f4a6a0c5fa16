//! Where a request carries its token. Pure: it only reads, and returns its findings.

mod form;
mod remove;
mod settings;

pub use form::{FORM_LIMIT, OF_BODY_BYTES};
pub use settings::{TokenPlace, TokenSettings};

use crate::deny::Reason;
use crate::request::RequestView;
use crate::token::{AccessToken, AuthScheme, MalformedToken};
use http::header;
use std::borrow::Cow;

/// A token as the client presented it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented<'r> {
    pub token: Cow<'r, str>,
    pub scheme: AuthScheme,
}

/// The token of a request, if any.
///
/// Errors: [`Reason::MultipleTokens`] for more than one, in one place or in several;
/// [`Reason::MalformedToken`] for something that is not a token (RFC 6750 §2, §3.1);
/// [`Reason::BadRequest`] when `Connection` names `Authorization`.
pub fn token<'r>(
    request: &RequestView<'r>,
    settings: &TokenSettings,
) -> Result<Option<Presented<'r>>, Reason> {
    // read before hop-by-hop headers go; a client has no reason to have its credential dropped
    // midway
    if request.list(&header::CONNECTION).any(|name| name.eq_ignore_ascii_case(b"authorization")) {
        return Err(Reason::BadRequest);
    }
    let mut found: Option<(Cow<'_, [u8]>, AuthScheme)> = None;
    for place in &settings.from {
        let without_scheme = |bytes| (bytes, AuthScheme::Bearer);
        let here = match place {
            TokenPlace::Authorization => authorization(request)?,
            TokenPlace::Header(name) => {
                let lines = request.headers.get_all(name).iter();
                one(lines.map(|value| Cow::Borrowed(value.as_bytes())))?.map(without_scheme)
            }
            TokenPlace::Query(name) => one(query(request, name))?.map(without_scheme),
            TokenPlace::Cookie(name) => one(cookies(request, name))?.map(without_scheme),
            TokenPlace::Form => {
                one(request.form.into_iter().flat_map(form::tokens))?.map(without_scheme)
            }
        };
        if here.is_some() && found.is_some() {
            return Err(Reason::MultipleTokens);
        }
        found = found.or(here);
    }
    let Some((bytes, scheme)) = found else { return Ok(None) };
    Ok(Some(Presented { token: well_formed(bytes, settings.max_length)?, scheme }))
}

impl TokenSettings {
    /// Whether a request carries its token where caches do not expect one: for the same URL, they
    /// would give its response to others.
    pub fn is_seen_by_caches(&self, request: &RequestView<'_>) -> bool {
        self.from.iter().any(|place| match place {
            TokenPlace::Authorization | TokenPlace::Header(_) => false,
            TokenPlace::Query(name) => query(request, name).next().is_some(),
            TokenPlace::Cookie(name) => cookies(request, name).next().is_some(),
            TokenPlace::Form => request.form.into_iter().flat_map(form::tokens).next().is_some(),
        })
    }
}

/// A token in `Authorization`, and its scheme.
type Authorization<'r> = (Cow<'r, [u8]>, AuthScheme);

/// `Authorization: Bearer TOKEN` or `DPoP TOKEN`; the scheme without regard to case, at least one
/// space behind it. A header with another scheme has no token. A repeated header is refused, with
/// any content.
fn authorization<'r>(request: &RequestView<'r>) -> Result<Option<Authorization<'r>>, Reason> {
    let lines = request.headers.get_all(header::AUTHORIZATION).iter();
    let value = match one(lines.map(|value| Cow::Borrowed(value.as_bytes())))? {
        Some(Cow::Borrowed(value)) => value,
        _ => return Ok(None),
    };
    for (name, scheme) in [(&b"bearer"[..], AuthScheme::Bearer), (&b"dpop"[..], AuthScheme::Dpop)] {
        if let Some((start, rest)) = value.split_at_checked(name.len())
            && start.eq_ignore_ascii_case(name)
        {
            return Ok(behind_scheme(rest)?.map(|token| (Cow::Borrowed(token), scheme)));
        }
    }
    Ok(None)
}

fn behind_scheme(rest: &[u8]) -> Result<Option<&[u8]>, Reason> {
    match rest.iter().position(|&byte| byte != b' ') {
        // `Bearer` and nothing behind it, or nothing but spaces
        None => Err(Reason::MalformedToken),
        // `Bearerx`, or another separator than a space
        Some(0) if rest[0].is_ascii_alphanumeric() => Ok(None),
        Some(0) => Err(Reason::MalformedToken),
        Some(spaces) => Ok(Some(&rest[spaces..])),
    }
}

/// The values of a form-encoded query parameter (RFC 6750 §2.3).
fn query<'r>(request: &RequestView<'r>, name: &str) -> impl Iterator<Item = Cow<'r, [u8]>> {
    values(request.query.unwrap_or_default().as_bytes(), name)
}

/// The values of a name in form-encoded pairs.
fn values<'p>(pairs: &'p [u8], name: &str) -> impl Iterator<Item = Cow<'p, [u8]>> {
    let pairs = form_urlencoded::parse(pairs);
    pairs.filter(move |(key, _)| key == name).map(|(_, value)| match value {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    })
}

/// The values of a cookie (RFC 6265 §4.2.1).
fn cookies<'r>(request: &RequestView<'r>, name: &str) -> impl Iterator<Item = Cow<'r, [u8]>> {
    let lines = request.headers.get_all(header::COOKIE).iter();
    let pairs =
        lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b';')).map(<[u8]>::trim_ascii);
    pairs
        .filter_map(move |pair| pair.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
        .map(Cow::Borrowed)
}

fn one<'r>(
    mut values: impl Iterator<Item = Cow<'r, [u8]>>,
) -> Result<Option<Cow<'r, [u8]>>, Reason> {
    let first = values.next();
    match values.next() {
        Some(_) => Err(Reason::MultipleTokens),
        None => Ok(first),
    }
}

fn well_formed(bytes: Cow<'_, [u8]>, max_length: usize) -> Result<Cow<'_, str>, Reason> {
    match bytes {
        Cow::Borrowed(bytes) => {
            AccessToken::parse(bytes, max_length).map(|token| Cow::Borrowed(token.expose()))
        }
        Cow::Owned(bytes) => AccessToken::parse(&bytes, max_length)
            .map(|token| Cow::Owned(token.expose().to_owned())),
    }
    .map_err(|MalformedToken| Reason::MalformedToken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Forwarded;
    use http::{HeaderMap, HeaderName, HeaderValue};

    /// The result for a request with these headers and this query.
    fn found(
        from: &[TokenPlace],
        query: Option<&str>,
        headers: &[(&str, &str)],
    ) -> Result<Option<String>, Reason> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            if let (Ok(name), Ok(value)) =
                (HeaderName::try_from(*name), HeaderValue::from_bytes(value.as_bytes()))
            {
                map.append(name, value);
            }
        }
        let forwarded = Forwarded::default();
        let view = RequestView { query, ..RequestView::bare(&map, &forwarded) };
        token(&view, &TokenSettings { from: from.to_vec(), max_length: 100, forward: false })
            .map(|found| found.map(|found| found.token.into_owned()))
    }

    #[test]
    fn the_authorization_header_is_read_to_the_letter() {
        let one =
            |value: &str| found(&[TokenPlace::Authorization], None, &[("authorization", value)]);
        for (value, token) in [
            ("Bearer t", Some("t")),
            ("bearer t", Some("t")),
            ("BEARER   t", Some("t")),
            ("Basic dTpw", None),
            ("Bearerx t", None),
            ("t", None),
            ("", None),
        ] {
            assert_eq!(one(value), Ok(token.map(str::to_owned)), "{value:?}");
        }
        for value in [
            "Bearer",
            "Bearer\tt",
            "Bearer t u",
            "Bearer t, Bearer u",
            "Bearer é",
            "Bearer=t",
            "Bearer \"t\"",
        ] {
            assert_eq!(one(value), Err(Reason::MalformedToken), "{value:?}");
        }
        assert_eq!(one("Basic x, Bearer y"), Ok(None));
        for (value, token) in [
            ("DPoP t", Some("t")),
            ("dpop t", Some("t")),
            ("DPOP   t", Some("t")),
            ("DPoPx t", None),
            ("DPo", None),
        ] {
            assert_eq!(one(value), Ok(token.map(str::to_owned)), "{value:?}");
        }
        for value in ["DPoP", "DPoP ", "DPoP\tt", "DPoP t u", "DPoP=t"] {
            assert_eq!(one(value), Err(Reason::MalformedToken), "{value:?}");
        }
        assert_eq!(
            found(
                &[TokenPlace::Authorization],
                None,
                &[("authorization", "Bearer t"), ("authorization", "Bearer t")]
            ),
            Err(Reason::MultipleTokens)
        );
        assert_eq!(
            found(
                &[TokenPlace::Authorization],
                None,
                &[("authorization", "Basic x"), ("authorization", "Bearer t")]
            ),
            Err(Reason::MultipleTokens)
        );
    }

    #[test]
    fn other_places_are_read_when_configured() {
        let places = [
            TokenPlace::Authorization,
            TokenPlace::Header(HeaderName::from_static("x-access-token")),
            TokenPlace::Query("access_token".into()),
            TokenPlace::Cookie("session".into()),
        ];
        assert_eq!(found(&places, Some("a=b&access_token=t%7Cu"), &[]), Ok(Some("t|u".into())));
        assert_eq!(found(&places, None, &[("x-access-token", "t")]), Ok(Some("t".into())));
        assert_eq!(
            found(&places, None, &[("cookie", "a=b; session=t; c=d")]),
            Ok(Some("t".into()))
        );
        assert_eq!(
            found(&places[..1], Some("access_token=t"), &[("x-access-token", "t")]),
            Ok(None)
        );
        assert_eq!(
            found(&places, Some("access_token=t"), &[("authorization", "Bearer t")]),
            Err(Reason::MultipleTokens)
        );
        assert_eq!(
            found(&places, Some("access_token=t&access_token=t"), &[]),
            Err(Reason::MultipleTokens)
        );
        assert_eq!(found(&places, Some("access_token="), &[]), Err(Reason::MalformedToken));
        assert_eq!(found(&places, Some("access_token=%00"), &[]), Err(Reason::MalformedToken));
    }

    #[test]
    fn connection_cannot_name_the_credential_away() {
        let headers = [("connection", "close, Authorization"), ("authorization", "Bearer t")];
        assert_eq!(found(&[TokenPlace::Authorization], None, &headers), Err(Reason::BadRequest));
    }
}
