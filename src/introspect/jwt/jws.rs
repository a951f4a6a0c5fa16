//! A JWS in compact form (RFC 7515 §3.1), taken apart strictly. Nothing in it is believed yet.

use super::{Algorithm, JwtFlaw};
use crate::token::json;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

/// Larger ones are no access tokens. (The gateway's `token.max_length` is usually far below.)
pub const MAX_TOKEN: usize = 64 << 10;
pub const MAX_HEADER: usize = 8 << 10;

#[derive(Debug)]
pub struct Jws<'t> {
    pub header: JwsHeader,
    payload: &'t str,
    /// The signed octets.
    pub signed: &'t str,
    pub signature: &'t str,
}

/// The members that matter. `jwk`, `jku`, `x5u`, `x5c` and their like are not among them: a token
/// does not choose the key that verifies it.
#[derive(Debug)]
pub struct JwsHeader {
    pub algorithm: Algorithm,
    pub kid: Option<String>,
    /// In lower case and without `application/` (RFC 7515 §4.1.9).
    pub typ: Option<String>,
    /// Microsoft's mark of tokens for Graph.
    pub has_nonce: bool,
}

impl<'t> Jws<'t> {
    pub fn parse(token: &'t str) -> Result<Self, JwtFlaw> {
        if token.len() > MAX_TOKEN {
            return Err(JwtFlaw::TOO_LARGE);
        }
        let mut parts = token.split('.');
        let (header, payload, signature) =
            match (parts.next(), parts.next(), parts.next(), parts.count()) {
                (Some(header), Some(payload), Some(signature), 0) => (header, payload, signature),
                (Some(_), Some(_), Some(_), 2) => return Err(JwtFlaw::ENCRYPTED),
                _ => return Err(JwtFlaw::invalid("not a JWT: it does not have three parts")),
            };
        let signed = token.get(..header.len() + 1 + payload.len()).unwrap_or_default();
        Ok(Self {
            header: JwsHeader::from_members(&object(header, MAX_HEADER)?)?,
            payload,
            signed,
            signature,
        })
    }

    /// The claims, to be read after the signature was found to hold.
    pub fn claims(&self) -> Result<Map<String, Value>, JwtFlaw> {
        object(self.payload, MAX_TOKEN)
    }
}

impl JwsHeader {
    fn from_members(members: &Map<String, Value>) -> Result<Self, JwtFlaw> {
        if members.contains_key("crit") {
            // RFC 7515 §4.1.11: no extension is understood here
            return Err(JwtFlaw::invalid(
                "the header has `crit`, and no critical extension is supported",
            ));
        }
        if members.get("b64").is_some_and(|b64| *b64 != Value::Bool(true)) {
            return Err(JwtFlaw::invalid("the header has `b64`, which no JWT may (RFC 7797 §7)"));
        }
        if members.contains_key("zip") {
            return Err(JwtFlaw::invalid("the header has `zip`"));
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(JwtFlaw::invalid("`alg`, `kid` or `typ` of the header is not a text")),
        };
        let algorithm = text("alg")?.ok_or(JwtFlaw::invalid("the header has no `alg`"))?;
        let algorithm =
            algorithm.parse::<Algorithm>().ok().filter(|algorithm| !algorithm.is_by_secret());
        Ok(Self {
            algorithm: algorithm.ok_or(JwtFlaw::invalid(
                "`alg` is none, a secret-key algorithm or an unknown one",
            ))?,
            kid: text("kid")?.map(str::to_owned),
            typ: text("typ")?.map(media_type),
            has_nonce: members.contains_key("nonce"),
        })
    }
}

/// RFC 7515 §4.1.9: `application/` may be left out, and case does not count.
pub fn media_type(text: &str) -> String {
    let text = text.to_ascii_lowercase();
    text.strip_prefix("application/").map(str::to_owned).unwrap_or(text)
}

/// base64url without padding, in its one canonical form, of one JSON object without duplicates.
pub fn object(part: &str, max: usize) -> Result<Map<String, Value>, JwtFlaw> {
    if part.len() > max / 3 * 4 {
        return Err(JwtFlaw::invalid("the header is larger than 8 KiB"));
    }
    json::object(&bytes(part)?)
        .map_err(|_| JwtFlaw::invalid("a part is not one JSON object without duplicate members"))
}

/// base64url without padding, in its one canonical form.
pub fn bytes(part: &str) -> Result<Vec<u8>, JwtFlaw> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| JwtFlaw::invalid("not a JWT: a part is not canonical base64url"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str) -> String {
        format!("{}.{}.c2ln", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode("{}"))
    }

    fn why(token: &str) -> Option<&'static str> {
        Jws::parse(token).err().map(|flaw| flaw.why)
    }

    #[test]
    fn an_ordinary_header_is_read() {
        let token = token(
            r#"{"alg":"ES256","kid":"1","typ":"application/AT+JWT","jwk":{"kty":"EC"},"x5c":[]}"#,
        );
        let jws = Jws::parse(&token).unwrap_or_else(|flaw| panic!("{flaw:?}"));
        assert_eq!(
            (jws.header.algorithm, jws.header.kid.as_deref()),
            (Algorithm::ES256, Some("1"))
        );
        assert_eq!(jws.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(Some(jws.signed), token.strip_suffix(".c2ln"));
    }

    #[test]
    fn no_spelling_of_none_and_no_secret_key_algorithm_is_an_algorithm() {
        for alg in [
            "none", "None", "NONE", "nOnE", "", "none ", "HS256", "HS384", "HS512", "hs256",
            "rs256", "RS256 ", "ES256K", "es512",
        ] {
            let told = why(&token(&format!(r#"{{"alg":"{alg}"}}"#)));
            assert!(told.is_some_and(|why| why.starts_with("`alg`")), "{alg:?}");
        }
        for header in [
            "{}",
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"alg":"RS256","kid":1}"#,
            r#"{"alg":"RS256","typ":{}}"#,
        ] {
            assert!(why(&token(header)).is_some(), "{header}");
        }
    }

    #[test]
    fn extensions_are_refused() {
        for header in [
            r#"{"alg":"RS256","crit":["exp"]}"#,
            r#"{"alg":"RS256","crit":[]}"#,
            r#"{"alg":"RS256","b64":false}"#,
            r#"{"alg":"RS256","b64":"true"}"#,
            r#"{"alg":"RS256","zip":"DEF"}"#,
            r#"{"alg":"RS256","alg":"ES256"}"#,
            r#"["RS256"]"#,
        ] {
            assert!(why(&token(header)).is_some(), "{header}");
        }
        assert_eq!(why(&token(r#"{"alg":"RS256","b64":true}"#)), None);
    }

    #[test]
    fn only_three_canonical_parts_are_a_jws() {
        let good = token(r#"{"alg":"RS256"}"#);
        let (head, _) = good.split_once('.').unwrap_or_default();
        for bad in [
            "",
            ".",
            "..",
            "a",
            "a.b",
            &format!("{good}."),
            &format!("{good}.x"),
            &format!("{head}=.e30.c2ln"),
            &format!("{head}.e30"),
            &format!(" {good}"),
            "eyJhbGciOiJSUzI1NiJ+.e30.c2ln",
        ] {
            assert!(why(bad).is_some(), "{bad}");
        }
        // `e31` differs from `e30` in bits that canonical base64url leaves at zero
        assert!(Jws::parse(&format!("{head}.e31.c2ln")).is_ok_and(|jws| jws.claims().is_err()));
        assert!(Jws::parse(&format!("{head}.e30.c2ln")).is_ok_and(|jws| jws.claims().is_ok()));
        assert_eq!(Jws::parse("a.b.c.d.e").err(), Some(JwtFlaw::ENCRYPTED));
        assert!(
            why(&token(&format!(r#"{{"alg":"RS256","kid":"{}"}}"#, "k".repeat(9000)))).is_some()
        );
        assert!(why(&"a".repeat(70_000)).is_some_and(|why| why.contains("64 KiB")));
    }
}
