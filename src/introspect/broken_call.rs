//! Calls that ended without an answer: the party at fault, and the remedy.

use super::{Failure, FailureKind};
use reqwest::Error;
use rustls::{AlertDescription, CertificateError, Error as TlsError};
use std::error::Error as StdError;
use std::io;

/// The failure behind reqwest's error, without the URL (its query could hold a token) and with all
/// causes.
pub fn failure(error: Error) -> Failure {
    let error = error.without_url();
    let text = sentence(&error);
    if let Some(alert) = refused_certificate(&error) {
        let detail = format!(
            "the server ends the TLS handshake because of the client certificate ({alert:?}): {}",
            advice_about_certificate(alert)
        );
        return Failure::new(FailureKind::RejectedUs, detail);
    }
    if error.is_connect() {
        let kind = if error.is_timeout() { FailureKind::Timeout } else { FailureKind::Unavailable };
        let advice = advice(&error);
        return Failure {
            transient: true,
            ..Failure::new(kind, format!("cannot connect: {text}{advice}"))
        };
    }
    if error.is_timeout() {
        return too_slow();
    }
    if error.is_decode() {
        return undecodable(&error);
    }
    broken_off(&text, was_closed(&error))
}

/// How a direct call ended without an answer.
#[derive(Debug)]
pub enum Broken {
    /// A URL that HTTP cannot express.
    UnusableUrl,
    /// There is no connection.
    Unconnected { timed_out: bool, why: String },
    /// Before the head of a response was there.
    Unanswered(hyper::Error),
    /// In the middle of a response's body.
    CutOff(hyper::Error),
}

impl Broken {
    /// The connection ended before any answer came.
    pub fn was_closed(&self) -> bool {
        matches!(self, Self::Unanswered(error) if !is_timeout(error) && is_end(error))
    }
}

impl From<Broken> for Failure {
    /// The same failures as those behind reqwest's errors.
    fn from(broken: Broken) -> Self {
        let closed = broken.was_closed();
        match broken {
            Broken::UnusableUrl => broken_off("the URL cannot be called", false),
            Broken::Unconnected { timed_out, why } => {
                let kind = if timed_out { FailureKind::Timeout } else { FailureKind::Unavailable };
                Self { transient: true, ..Self::new(kind, format!("cannot connect: {why}")) }
            }
            Broken::Unanswered(error) | Broken::CutOff(error) if is_timeout(&error) => too_slow(),
            Broken::Unanswered(error) => broken_off(&sentence(&error), closed),
            Broken::CutOff(error) => undecodable(&error),
        }
    }
}

fn too_slow() -> Failure {
    Failure::new(FailureKind::Timeout, "no answer in time")
}

fn broken_off(why: &str, closed: bool) -> Failure {
    Failure {
        transient: closed,
        ..Failure::new(FailureKind::Unavailable, format!("the call broke off: {why}"))
    }
}

/// The body of an answer is not what its headers say.
pub fn undecodable(error: &(dyn StdError + 'static)) -> Failure {
    let detail = format!("the answer cannot be decoded: {}", sentence(error));
    Failure::new(FailureKind::BadResponse, detail)
}

/// The connection ended before any answer came.
pub fn was_closed(error: &Error) -> bool {
    !error.is_connect() && !error.is_timeout() && is_end(error)
}

/// Whether an error means that the connection ended.
fn is_end(error: &(dyn StdError + 'static)) -> bool {
    let closed = |kind| {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        matches!(kind, BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof)
    };
    causes(error).any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| closed(error.kind()))
            || cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(|error| error.is_incomplete_message() || error.is_canceled())
    })
}

/// Whether the network gave up after waiting.
pub fn is_timeout(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    })
}

/// An error with all its causes.
pub fn sentence(error: &(dyn StdError + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// The alert by which a server refuses our certificate, or its absence (RFC 8446 §6.2); of these
/// `decrypt_error` means that a signature on it, or by its key, cannot be verified. With TLS 1.3
/// the alert comes when the handshake is over for us.
fn refused_certificate(error: &Error) -> Option<AlertDescription> {
    use AlertDescription::{
        AccessDenied, BadCertificate, CertificateExpired, CertificateRequired, CertificateRevoked,
        CertificateUnknown, DecryptError, UnknownCA, UnsupportedCertificate,
    };
    match tls_error(error)? {
        TlsError::AlertReceived(
            alert @ (AccessDenied
            | BadCertificate
            | CertificateExpired
            | CertificateRequired
            | CertificateRevoked
            | CertificateUnknown
            | DecryptError
            | UnknownCA
            | UnsupportedCertificate),
        ) => Some(*alert),
        _ => None,
    }
}

fn advice_about_certificate(alert: AlertDescription) -> &'static str {
    match alert {
        AlertDescription::CertificateRequired => {
            "it wants one; write a `client_auth` with `certificate` and `private_key`"
        }
        AlertDescription::CertificateExpired => "it has expired; put the present one in its place",
        AlertDescription::CertificateRevoked => "it is revoked; have a new one issued",
        _ => {
            "check client_auth: client_id and certificate; some servers want the issuing CA's certificate behind ours in the file"
        }
    }
}

/// The remedy for a connection that cannot be made.
fn advice(error: &Error) -> &'static str {
    let text = sentence(error);
    if text.contains("proxy authorization required")
        || text.contains("407") && text.contains("tunnel")
    {
        return "; check user and password of `proxy`";
    }
    if text.contains("tunnel error") {
        return "; the proxy makes no connection to the server: check `proxy`, and that it may be used for this host and port";
    }
    match tls_error(error) {
        Some(TlsError::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "; name the authority that issued the server's certificate in `tls.ca`"
        }
        Some(TlsError::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => {
            "; write the URL with a name that the certificate has, or that name as `tls.server_name`"
        }
        _ => "",
    }
}

fn tls_error(error: &Error) -> Option<&TlsError> {
    causes(error).find_map(|cause| {
        let wrapped = cause.downcast_ref::<io::Error>().and_then(innermost);
        cause.downcast_ref().or_else(|| wrapped?.downcast_ref())
    })
}

/// The error inside an I/O error, however often it is wrapped: `source` skips it.
fn innermost(error: &io::Error) -> Option<&(dyn StdError + Send + Sync + 'static)> {
    let inner = error.get_ref()?;
    match inner.downcast_ref::<io::Error>() {
        Some(wrapped) => innermost(wrapped),
        None => Some(inner),
    }
}

fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| (**error).source())
}
