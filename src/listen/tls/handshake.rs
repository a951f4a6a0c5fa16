//! Handshakes with clients.

use super::certificates::Certificates;
use super::{ClientCertificates, ListenerTlsSettings, MinVersion};
use crate::listen::socket_stream::SocketStream;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{Error, RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use std::io;
use std::sync::Arc;
use thiserror::Error as ThisError;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// ALPN names (RFC 7301 §6).
const H2: &[u8] = b"h2";
const HTTP11: &[u8] = b"http/1.1";

/// Ends TLS for one listener.
pub struct Terminator(TlsAcceptor);

/// A connection behind its handshake.
pub struct Secured {
    pub stream: Box<TlsStream<SocketStream>>,
    /// HTTP/2 was chosen.
    pub h2: bool,
    /// The client's own certificate, verified.
    pub certificate: Option<CertificateDer<'static>>,
}

/// The outcome of a handshake; the `result` label of its metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handshake {
    Done,
    /// The client spoke HTTP without TLS.
    Plaintext,
    TimedOut,
    /// The client showed no certificate, and one is required.
    NoCertificate,
    /// The client's certificate does not verify.
    BadCertificate,
    /// Client and listener have no version, cipher suite or protocol in common.
    Incompatible,
    /// The client refused: mostly it does not trust the listener's certificate.
    RefusedByClient,
    Failed,
}

impl Handshake {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "ok",
            Self::Plaintext => "plaintext",
            Self::TimedOut => "timeout",
            Self::NoCertificate => "no_certificate",
            Self::BadCertificate => "bad_certificate",
            Self::Incompatible => "incompatible",
            Self::RefusedByClient => "refused_by_client",
            Self::Failed => "failed",
        }
    }

    fn from_error(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::NoCertificatesPresented) => Self::NoCertificate,
            Some(Error::InvalidCertificate(_)) => Self::BadCertificate,
            Some(Error::PeerIncompatible(_) | Error::NoApplicationProtocol) => Self::Incompatible,
            Some(Error::AlertReceived(_)) => Self::RefusedByClient,
            _ => Self::Failed,
        }
    }
}

/// A pair or an authority that rustls does not take.
#[derive(Debug, ThisError)]
pub enum UnusableTls {
    #[error("the certificates cannot be used: {0}")]
    Certificates(#[from] Error),
    #[error("the authorities of clients cannot be used: {0}")]
    Clients(#[from] VerifierBuilderError),
}

impl Terminator {
    /// `h1` and `h2` say which protocols clients may choose. Sessions and tickets of another
    /// terminator are not taken up: a client that was verified by other authorities is verified
    /// again.
    pub fn new(settings: &ListenerTlsSettings, h1: bool, h2: bool) -> Result<Self, UnusableTls> {
        static TLS12: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
        static TLS13: &[&SupportedProtocolVersion] = &[&version::TLS13];

        let provider = CryptoProvider::get_default().cloned();
        let provider = provider.unwrap_or_else(|| Arc::new(aws_lc_rs::default_provider()));
        let certificates = Certificates::new(&settings.pairs, &provider)?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(match settings.min_version {
                MinVersion::Tls12 => TLS12,
                MinVersion::Tls13 => TLS13,
            })?;
        let verifier = |roots: &[CertificateDer<'static>]| -> Result<_, UnusableTls> {
            let mut store = RootCertStore::empty();
            for root in roots {
                store.add(root.clone())?;
            }
            Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider.clone()))
        };
        let builder = match &settings.clients {
            ClientCertificates::None => builder.with_no_client_auth(),
            ClientCertificates::Optional(roots) => {
                builder.with_client_cert_verifier(verifier(roots)?.allow_unauthenticated().build()?)
            }
            ClientCertificates::Required(roots) => {
                builder.with_client_cert_verifier(verifier(roots)?.build()?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(certificates));
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        let offered = [(h2, H2), (h1, HTTP11)];
        config.alpn_protocols = offered
            .into_iter()
            .filter(|(spoken, _)| *spoken)
            .map(|(_, name)| name.to_vec())
            .collect();
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// Takes a connection through its handshake; the caller limits the time.
    pub async fn secure(&self, mut stream: SocketStream) -> Result<Secured, Handshake> {
        let first = stream.look_ahead().await.map_err(|_| Handshake::Failed)?;
        // a TLS record begins with its type, which is never a letter
        if first.is_some_and(|byte| byte.is_ascii_alphabetic()) {
            let _ = stream.write_all(PLAINTEXT).await;
            let _ = stream.shutdown().await;
            return Err(Handshake::Plaintext);
        }
        let stream = self.0.accept(stream).await.map_err(|error| Handshake::from_error(&error))?;
        let (_, session) = stream.get_ref();
        let h2 = session.alpn_protocol() == Some(H2);
        let certificate = session
            .peer_certificates()
            .and_then(|chain| chain.first())
            .map(|leaf| leaf.clone().into_owned());
        Ok(Secured { stream: Box::new(stream), h2, certificate })
    }
}

const PLAINTEXT: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    Content-Type: application/problem+json\r\n\
    Cache-Control: no-store\r\n\
    Content-Length: 148\r\n\
    Connection: close\r\n\r\n\
    {\"type\":\"urn:introgate:bad_request\",\"title\":\"Bad Request\",\"status\":400,\
    \"detail\":\"This port speaks TLS: call it with https.\",\"reason\":\"bad_request\"}\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_plaintext_has_its_announced_length() {
        let text = String::from_utf8_lossy(PLAINTEXT);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{}", body.len());
        assert!(serde_json::from_str::<serde_json::Value>(body).is_ok());
    }
}
