//! `listeners[].tls`.

use crate::clock::Clock;
use crate::config::compile::Context;
use crate::config::path::KeyPath;
use crate::config::raw;
use crate::introspect::{ClientCertificate, Part};
use crate::listen::tls::{ClientCertificates, ListenerTlsSettings, MinVersion, TlsPair};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// `None` without TLS; also where something is wrong, and reported.
pub fn tls(
    cx: Context,
    section: &KeyPath,
    raw: Option<&raw::ListenerTls>,
) -> Option<ListenerTlsSettings> {
    let raw = raw?;
    let first = pair(cx, section, &raw.certificate, &raw.private_key);
    let list = section.key("certificates");
    let further = raw.certificates.iter().enumerate();
    let further: Vec<Option<TlsPair>> = further
        .map(|(i, each)| pair(cx, &list.item(i), &each.certificate, &each.private_key))
        .collect();
    let clients = clients(cx, section, raw);
    let pairs: Option<Vec<TlsPair>> = std::iter::once(first).chain(further).collect();
    Some(ListenerTlsSettings {
        pairs: pairs?,
        min_version: match raw.min_version {
            raw::TlsVersion::Tls12 => MinVersion::Tls12,
            raw::TlsVersion::Tls13 => MinVersion::Tls13,
        },
        clients: clients?,
    })
}

fn pair(cx: Context, section: &KeyPath, certificate: &str, key: &str) -> Option<TlsPair> {
    let (at, key_at) = (section.key("certificate"), section.key("private_key"));
    for (path, name) in [(&at, certificate), (&key_at, key)] {
        if name.is_empty() && !cx.report.is_broken(path) {
            cx.report.error(path, "is empty; name a PEM file");
        }
    }
    if certificate.is_empty() || key.is_empty() {
        return None;
    }
    let (content, key) = (cx.content(&at, certificate), cx.content(&key_at, key));
    match ClientCertificate::from_pem(&content?, &key?) {
        Ok(pair) => {
            if pair.ends() <= Clock::system().now().unix_seconds() {
                cx.report.warning(
                    &at,
                    "has expired: clients will refuse it; put the present one in its place",
                );
            }
            Some(TlsPair { name: certificate.to_owned(), pair })
        }
        Err((part, wrong)) => {
            cx.report.error(if part == Part::Certificate { &at } else { &key_at }, wrong);
            None
        }
    }
}

/// `None`: wrong, and reported.
fn clients(cx: Context, section: &KeyPath, raw: &raw::ListenerTls) -> Option<ClientCertificates> {
    let at = section.key("client_ca");
    let wanted = raw.client_certificates;
    match (wanted, raw.client_ca.is_empty()) {
        (raw::ClientCertificates::None, true) => return Some(ClientCertificates::None),
        (raw::ClientCertificates::None, false) => {
            let message = "has no effect while `client_certificates` is `none`; write `optional` or `required` there, or remove it";
            cx.report.error(&at, message);
            return None;
        }
        (_, true) => {
            let message = "needs `client_ca`: the file with the authorities that certify clients";
            cx.report.error(&section.key("client_certificates"), message);
            return None;
        }
        (_, false) => {}
    }
    let (_, content) = cx.roots(&at, &raw.client_ca)?;
    let roots: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&content).filter_map(Result::ok).collect();
    let mut store = RootCertStore::empty();
    if roots.iter().any(|root| store.add(root.clone()).is_err()) {
        cx.report.error(
            &at,
            "has a certificate that cannot be an authority; name the authorities' own certificates",
        );
        return None;
    }
    Some(match wanted {
        raw::ClientCertificates::Required => ClientCertificates::Required(roots),
        _ => ClientCertificates::Optional(roots),
    })
}
