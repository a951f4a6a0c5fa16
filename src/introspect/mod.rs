//! The part that turns a token into facts: one file for each kind of authorization server
//! (`kinds/`), and the guards around each of them (time-out, retry, circuit breaker, concurrency
//! limit).

mod answer;
mod breaker;
mod broken_call;
mod client_auth;
mod direct_client;
mod discovery;
mod document;
mod documents;
mod endpoint;
mod event;
mod failure;
mod fetched;
mod guarded;
mod http_client;
pub mod jwt;
mod kind;
mod kinds;
mod placed;
mod proxy;
mod reach;
mod retry;
mod selector;
mod settings;
mod signed_answer;
mod status;
mod tokeninfo;
mod transmitter;
mod xml;
mod xpath;

pub use answer::{BadAnswer, read_answer};
pub use breaker::{Breaker, CircuitState};
pub use client_auth::{
    AssertionFile, CertificateFacts, ClientAuth, ClientCertificate, ClientCredentials, Part,
    SignedAssertion, Signer, SigningKey,
};
pub use discovery::{callable, metadata, transmitter_configuration};
pub use documents::Documents;
pub use endpoint::{is_loopback, is_safe};
pub use event::result_label;
pub use failure::{Failure, FailureKind};
pub use guarded::Guarded;
pub use kind::{BuildParts, CalledUrl, Credentials, LocalVerification, Profile, ServerKind};
pub use kinds::*;
pub use placed::{Template, TokenContext};
pub use proxy::ProxySettings;
pub use reach::reach;
pub use selector::TokenSelector;
pub use settings::{
    BreakerSettings, EventSettings, PollSettings, ServerSettings, SettingsFingerprint,
    StreamSettings,
};
pub use signed_answer::SignedSettings;
pub use transmitter::{Responded, TransmitterClient};
pub use xml::is_xml;
pub use xpath::{Expression, Wrong, XPathName};

use crate::request::Forwarded;
use crate::secret::Secret;
use crate::token::Facts;
use async_trait::async_trait;
use thiserror::Error;

/// A question: a token and, if the server needs it, the client's own request.
#[derive(Clone, Debug)]
pub struct Inquiry {
    /// The token to ask about.
    pub token: Secret,
    /// Host, scheme and address of the client's request, for servers with `forward_host`.
    pub forwarded: Option<Forwarded>,
}

/// A source of facts about tokens.
#[async_trait]
pub trait Introspector: Send + Sync {
    /// Facts, or a failure of the server: an inactive token is not a failure.
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure>;
}

/// Of a kind that is known only at run time.
#[async_trait]
impl Introspector for Box<dyn Introspector> {
    async fn introspect(&self, inquiry: &Inquiry) -> Result<Facts, Failure> {
        (**self).introspect(inquiry).await
    }
}

/// Settings that look right and cannot be used.
#[derive(Debug, Error)]
pub enum UnusableSettings {
    #[error(
        "authorization server `{0}`: the credentials do not fit into a header; look for line breaks or other control characters in them"
    )]
    Credentials(String),
    #[error(
        "authorization server `{name}`: no HTTPS client can be made: {why}; are CA certificates installed, and is tls.ca a PEM file?"
    )]
    Client { name: String, why: String },
}
