//! One reading of header names. CGI, WSGI, Rack and PHP turn a name into a variable: letters and
//! digits stay, every other character becomes the same one. `X_Forwarded_For` and `x.forwarded.for`
//! are `X-Forwarded-For` to them, so they are here too, for every header that the gateway sets,
//! removes or decides by.

use http::HeaderName;
use std::borrow::Cow;

/// The name with `-` for every character other than letters and digits; borrowed where it is so
/// already, as nearly every name is.
pub fn folded(name: &HeaderName) -> Cow<'_, str> {
    let name = name.as_str();
    if name.bytes().all(|byte| fold(byte) == byte) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.bytes().map(fold).map(char::from).collect())
}

/// Whether some reader takes both names for one.
pub fn are_one(name: &HeaderName, other: &HeaderName) -> bool {
    let (name, other) = (name.as_str().bytes(), other.as_str().bytes());
    name.len() == other.len() && name.map(fold).eq(other.map(fold))
}

/// Whether some reader takes the beginning of the name for this prefix, which is folded.
pub fn starts_with(name: &HeaderName, folded_prefix: &[u8]) -> bool {
    let name = name.as_str().bytes();
    name.len() >= folded_prefix.len()
        && name.zip(folded_prefix).all(|(byte, &prefix)| fold(byte) == prefix)
}

/// One character of a name, in lower case.
pub fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> HeaderName {
        HeaderName::try_from(text).unwrap_or(HeaderName::from_static("x-none"))
    }

    #[test]
    fn every_spelling_is_one_name() {
        for spelling in
            ["X-Request-Id", "x_request_id", "X.Request.Id", "x-request_id", "X~Request!Id"]
        {
            assert_eq!(folded(&name(spelling)), "x-request-id", "{spelling}");
            assert!(are_one(&name(spelling), &name("x-request-id")), "{spelling}");
            assert!(starts_with(&name(spelling), b"x-request-"), "{spelling}");
        }
        assert!(matches!(folded(&name("X-Request-Id")), Cow::Borrowed(_)));
        for other in ["x-request--id", "xrequest-id", "x-request-id-", "x-request"] {
            assert!(!are_one(&name(other), &name("x-request-id")), "{other}");
        }
        assert!(!starts_with(&name("x-req"), b"x-request-"));
    }
}
