//! The certificates that a configuration names, for those who watch their ends.

use super::Settings;
use crate::introspect::CertificateFacts;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// One certificate, or one file of certificates, and the part that uses it.
#[derive(Clone, Debug)]
pub struct NamedCertificate {
    pub user: CertificateUser,
    /// The user's own name in the configuration.
    pub name: String,
    /// The file of a listener's certificate; for others, the purpose.
    pub certificate: String,
    pub facts: CertificateFacts,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateUser {
    Listener,
    Upstream,
    AuthorizationServer,
}

impl CertificateUser {
    /// For the status, as JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Upstream => "upstream",
            Self::AuthorizationServer => "authorization_server",
        }
    }

    /// In sentences.
    pub fn word(self) -> &'static str {
        match self {
            Self::Listener => "listener",
            Self::Upstream => "upstream",
            Self::AuthorizationServer => "authorization server",
        }
    }
}

/// Shown to servers that ask for one.
const SHOWN: &str = "client certificate";
/// Trusted for what servers show.
const ROOTS: &str = "tls.ca";

impl Settings {
    /// The certificates of listeners, as they are in the files.
    pub fn listener_certificates(&self) -> Vec<NamedCertificate> {
        let pairs = self.listeners.iter().flat_map(|listener| {
            let pairs = listener.tls.iter().flat_map(|tls| &tls.pairs);
            pairs.map(|pair| (listener.address.to_string(), pair))
        });
        pairs
            .map(|(name, pair)| NamedCertificate {
                user: CertificateUser::Listener,
                name,
                certificate: pair.name.clone(),
                facts: pair.pair.facts().clone(),
            })
            .collect()
    }

    /// The certificates for connections to upstreams and authorization servers: the ones that are
    /// shown, and the trust roots, of which the first one to end counts.
    pub fn outgoing_certificates(&self) -> Vec<NamedCertificate> {
        let mut all = Vec::new();
        for upstream in &self.upstreams {
            let user = CertificateUser::Upstream;
            let shown = upstream.tls.certificate.as_ref();
            let shown = shown.and_then(|shown| CertificateFacts::from_chain(&shown.chain));
            push(&mut all, user, &upstream.name, SHOWN, shown);
            let roots = upstream.tls.roots.as_deref().and_then(first_to_end);
            push(&mut all, user, &upstream.name, ROOTS, roots);
        }
        for server in &self.servers {
            let user = CertificateUser::AuthorizationServer;
            let shown = server.profile().certificate.map(|shown| shown.facts().clone());
            push(&mut all, user, &server.name, SHOWN, shown);
            let roots = server.extra_roots.as_ref().and_then(|(_, pem)| {
                let roots: Vec<_> = CertificateDer::pem_slice_iter(pem).flatten().collect();
                first_to_end(&roots)
            });
            push(&mut all, user, &server.name, ROOTS, roots);
        }
        all
    }
}

fn push(
    all: &mut Vec<NamedCertificate>,
    user: CertificateUser,
    name: &str,
    certificate: &str,
    facts: Option<CertificateFacts>,
) {
    if let Some(facts) = facts {
        let (name, certificate) = (name.to_owned(), certificate.to_owned());
        all.push(NamedCertificate { user, name, certificate, facts });
    }
}

/// Of certificates that do not depend on each other.
fn first_to_end<D: AsRef<[u8]>>(roots: &[D]) -> Option<CertificateFacts> {
    let each =
        roots.iter().filter_map(|root| CertificateFacts::from_chain(std::slice::from_ref(root)));
    each.min_by_key(|facts| facts.ends)
}
