//! How the gateway shows who it is: exactly one method on a call.

use super::ClientAuth;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

impl ClientAuth {
    /// The `Authorization` header, where the method uses one. `None` in the result's place of a
    /// value: the credentials do not fit into a header.
    pub fn header(&self) -> Option<Option<HeaderValue>> {
        let text = match self {
            Self::None | Self::ClientSecretPost { .. } => return None,
            Self::Bearer { token } => format!("Bearer {}", token.expose()),
            Self::ClientSecretBasic { client_id, client_secret, form_encode } => {
                let (id, secret) = (client_id.as_str(), client_secret.expose());
                let pair = if *form_encode { format!("{}:{}", form_encoded(id), form_encoded(secret)) } else { format!("{id}:{secret}") };
                format!("Basic {}", STANDARD.encode(pair))
            }
        };
        Some(HeaderValue::try_from(text).ok().map(|mut value| {
            value.set_sensitive(true);
            value
        }))
    }

    /// Form parameters, where the method uses them.
    pub fn parameters(&self) -> Vec<(&str, &str)> {
        match self {
            Self::ClientSecretPost { client_id, client_secret } => {
                vec![("client_id", client_id.as_str()), ("client_secret", client_secret.expose())]
            }
            _ => Vec::new(),
        }
    }

    /// All of it that can change what a server answers, for the key of cache entries.
    pub fn fingerprint(&self) -> Vec<&str> {
        match self {
            Self::None => vec!["none"],
            Self::Bearer { token } => vec!["bearer", token.expose()],
            Self::ClientSecretBasic { client_id, client_secret, .. } => vec!["basic", client_id, client_secret.expose()],
            Self::ClientSecretPost { client_id, client_secret } => vec!["post", client_id, client_secret.expose()],
        }
    }
}

/// RFC 6749 §2.3.1 with appendix B: `application/x-www-form-urlencoded`, before the colon joins them.
fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn basic(id: &str, secret: &str, form_encode: bool) -> Option<String> {
        let auth = ClientAuth::ClientSecretBasic { client_id: id.into(), client_secret: Secret::new(secret), form_encode };
        let value = auth.header()??;
        let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
        String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
    }

    #[test]
    fn rfc6749_section_2_3_1_encodes_before_joining() {
        assert_eq!(basic("a:b", "p+%/ é", true).as_deref(), Some("a%3Ab:p%2B%25%2F+%C3%A9"));
        assert_eq!(basic("id", "p+%/", false).as_deref(), Some("id:p+%/"));
    }

    #[test]
    fn one_method_on_a_call() {
        let post = ClientAuth::ClientSecretPost { client_id: "i".into(), client_secret: Secret::new("s") };
        assert!(post.header().is_none() && post.parameters().len() == 2);
        let bearer = ClientAuth::Bearer { token: Secret::new("t") };
        assert!(bearer.header().is_some() && bearer.parameters().is_empty());
        assert!(ClientAuth::None.header().is_none() && ClientAuth::None.parameters().is_empty());
    }
}
