//! How the gateway shows who it is: exactly one method on a call.

mod assertion;
mod assertion_file;
mod certificate;
mod own_token;
mod signing_key;

pub use assertion::{SignedAssertion, TYPE as ASSERTION_TYPE};
pub use assertion_file::AssertionFile;
pub use certificate::{CertificateFacts, ClientCertificate, Part};
pub use own_token::{FetchedToken, OwnToken};
pub use signing_key::{Signer, SigningKey};

use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use std::sync::Arc;
use url::Url;

/// How the gateway authenticates to the introspection endpoint.
#[derive(Clone, Debug)]
pub enum ClientAuth {
    None,
    /// RFC 6750, as RFC 7662 §2.1 suggests.
    Bearer {
        token: Secret,
    },
    /// RFC 6749 §2.3.1; `form_encode: false` for servers that do not decode.
    ClientSecretBasic {
        client_id: String,
        client_secret: Secret,
        form_encode: bool,
    },
    /// RFC 6749 §2.3.1, in the body.
    ClientSecretPost {
        client_id: String,
        client_secret: Secret,
    },
    /// `client_secret_jwt` and `private_key_jwt`: RFC 7523 §2.2, OpenID Connect Core §9.
    Assertion(Arc<SignedAssertion>),
    /// `client_assertion`: RFC 7523 §2.2, made and kept fresh by the platform.
    PlatformAssertion {
        /// Sent along where it is written; the assertion itself names its subject.
        client_id: Option<String>,
        file: Arc<AssertionFile>,
    },
    /// `tls_client_auth` and `self_signed_tls_client_auth`: RFC 8705 §2. The server verifies the
    /// certificate by its registration there.
    Tls {
        client_id: String,
        certificate: ClientCertificate,
    },
    ClientCredentials(ClientCredentials),
}

/// The gateway fetches its own bearer token (RFC 6749 §4.4).
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// How the gateway authenticates to the token endpoint: `ClientSecretBasic`,
    /// `ClientSecretPost`, `Assertion` or `Tls`.
    pub auth: Box<ClientAuth>,
    /// `None`: found by the issuer.
    pub token_endpoint: Option<Url>,
    pub scope: Option<String>,
}

impl ClientAuth {
    /// The `Authorization` header, where the method has one that is the same for every call.
    pub fn header(&self) -> Result<Option<HeaderValue>, NotAHeader> {
        let text = match self {
            Self::Bearer { token } => format!("Bearer {}", token.expose()),
            Self::ClientSecretBasic { client_id, client_secret, form_encode } => {
                let (id, secret) = (client_id.as_str(), client_secret.expose());
                let pair = if *form_encode {
                    format!("{}:{}", form_encoded(id), form_encoded(secret))
                } else {
                    format!("{id}:{secret}")
                };
                format!("Basic {}", STANDARD.encode(pair))
            }
            _ => return Ok(None),
        };
        sensitive(&text).map(Some)
    }

    /// Form parameters that are the same for every call, where the method has such.
    pub fn parameters(&self) -> Vec<(&str, &str)> {
        match self {
            Self::ClientSecretPost { client_id, client_secret } => {
                vec![("client_id", client_id.as_str()), ("client_secret", client_secret.expose())]
            }
            // RFC 8705 §2: the certificate alone does not say which client
            Self::Tls { client_id, .. } => vec![("client_id", client_id.as_str())],
            // RFC 7521 §4.2 allows it beside an assertion, and some servers insist on it
            Self::Assertion(assertion) => vec![("client_id", assertion.client_id())],
            Self::PlatformAssertion { client_id, .. } => {
                client_id.iter().map(|client_id| ("client_id", client_id.as_str())).collect()
            }
            Self::None
            | Self::Bearer { .. }
            | Self::ClientSecretBasic { .. }
            | Self::ClientCredentials(_) => Vec::new(),
        }
    }

    /// Its name in a server's metadata (RFC 8414 §2); a bearer token has none that servers agree on.
    pub fn method(&self) -> Option<&'static str> {
        match self {
            Self::None => Some("none"),
            Self::Bearer { .. } | Self::ClientCredentials(_) => None,
            Self::ClientSecretBasic { .. } => Some("client_secret_basic"),
            Self::ClientSecretPost { .. } => Some("client_secret_post"),
            Self::Assertion(assertion) => Some(assertion.method()),
            Self::PlatformAssertion { .. } => Some("private_key_jwt"),
            Self::Tls { .. } => Some("tls_client_auth"),
        }
    }

    /// Advice for a server that does not accept the gateway.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::None => "it wants client_auth, and none is configured",
            Self::Bearer { .. } => "check client_auth: token, its end and its scope",
            Self::ClientSecretBasic { .. } => {
                "check client_auth: client_id, client_secret and form_encode, and that this client may use Basic"
            }
            Self::ClientSecretPost { .. } => {
                "check client_auth: client_id and client_secret, and that this client may send them in the form"
            }
            Self::Assertion(assertion) => assertion.advice(),
            Self::PlatformAssertion { .. } => {
                "check client_auth: client_id, that the server trusts the issuer of assertion_file for this client and its `aud`, and both clocks"
            }
            Self::Tls { .. } => {
                "check client_auth: client_id and certificate; some servers want the issuing CA's certificate behind ours in the file"
            }
            Self::ClientCredentials(_) => {
                "check client_auth: scope, and that this client may introspect; the token endpoint did issue a token"
            }
        }
    }

    /// The certificate that every TLS connection to the server shows.
    pub fn certificate(&self) -> Option<&ClientCertificate> {
        match self {
            Self::Tls { certificate, .. } => Some(certificate),
            // a token that the server binds to the certificate is good with it alone (RFC 8705 §3)
            Self::ClientCredentials(own) => own.auth.certificate(),
            _ => None,
        }
    }

    /// All parts that can change a server's answers, for the key of cache entries. Keys and
    /// certificates are included as digests, so a new one makes the gateway ask again.
    pub fn fingerprint(&self) -> Vec<&str> {
        match self {
            Self::None => vec!["none"],
            Self::Bearer { token } => vec!["bearer", token.expose()],
            Self::ClientSecretBasic { client_id, client_secret, .. } => {
                vec!["basic", client_id, client_secret.expose()]
            }
            Self::ClientSecretPost { client_id, client_secret } => {
                vec!["post", client_id, client_secret.expose()]
            }
            Self::Assertion(assertion) => {
                vec!["assertion", assertion.client_id(), assertion.key_digest()]
            }
            Self::PlatformAssertion { client_id, file } => vec![
                "platform assertion",
                client_id.as_deref().unwrap_or_default(),
                file.identity(),
            ],
            Self::Tls { client_id, certificate } => vec!["tls", client_id, certificate.digest()],
            Self::ClientCredentials(own) => {
                let mut texts = vec![
                    "client_credentials",
                    own.token_endpoint.as_ref().map_or("", Url::as_str),
                    own.scope.as_deref().unwrap_or_default(),
                ];
                texts.extend(own.auth.fingerprint());
                texts
            }
        }
    }
}

/// A text that does not fit into a header, such as one with a line end.
#[derive(Debug)]
pub struct NotAHeader;

/// A header's value that no log shows.
fn sensitive(text: &str) -> Result<HeaderValue, NotAHeader> {
    let mut value = HeaderValue::try_from(text).map_err(|_| NotAHeader)?;
    value.set_sensitive(true);
    Ok(value)
}

/// RFC 6749 §2.3.1 with appendix B: `application/x-www-form-urlencoded`, before the colon joins
/// them. A space is `%20`, which servers that percent-decode understand as well; a `+` of the text
/// is `%2B` by now.
fn form_encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(id: &str, secret: &str, form_encode: bool) -> Option<String> {
        let auth = ClientAuth::ClientSecretBasic {
            client_id: id.into(),
            client_secret: Secret::new(secret),
            form_encode,
        };
        let value = auth.header().ok()??;
        let encoded = value.to_str().ok()?.strip_prefix("Basic ")?;
        String::from_utf8(STANDARD.decode(encoded).ok()?).ok()
    }

    #[test]
    fn rfc6749_section_2_3_1_encodes_before_joining() {
        assert_eq!(basic("a:b", "p+%/ é", true).as_deref(), Some("a%3Ab:p%2B%25%2F%20%C3%A9"));
        assert_eq!(basic("id", "p+%/", false).as_deref(), Some("id:p+%/"));
    }

    #[test]
    fn one_method_on_a_call() {
        let post =
            ClientAuth::ClientSecretPost { client_id: "i".into(), client_secret: Secret::new("s") };
        assert!(post.header().is_ok_and(|header| header.is_none()) && post.parameters().len() == 2);
        let bearer = ClientAuth::Bearer { token: Secret::new("t") };
        assert!(
            bearer.header().is_ok_and(|header| header.is_some()) && bearer.parameters().is_empty()
        );
        assert!(ClientAuth::None.header().is_ok_and(|header| header.is_none()));
        assert!(ClientAuth::None.parameters().is_empty());
    }
}
