//! TLS in front of a fake server: the name that the client asked for, and its own certificate.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// An authority that certifies servers and clients.
pub struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

impl Authority {
    pub fn new() -> Authority {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let pem = parameters.self_signed(&key).expect("a certificate").pem();
        Authority { issuer: rcgen::Issuer::new(parameters, key), pem }
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The same, of a year that is over.
    pub fn certify_expired(&self, names: &[&str]) -> Identity {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = rcgen::CertificateParams::new(names).expect("names");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "expired");
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        Identity { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// For a server of these names or addresses, or for a client.
    pub fn certify(&self, names: &[&str]) -> Identity {
        // OpenSSL takes a certificate with its issuer's name for a self-signed one
        self.certify_as("leaf", names)
    }

    /// The same, with the subject `CN=subject`.
    pub fn certify_as(&self, subject: &str, names: &[&str]) -> Identity {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = rcgen::CertificateParams::new(names).expect("names");
        parameters.distinguished_name.push(rcgen::DnType::CommonName, subject);
        let certificate = parameters.signed_by(&key, &self.issuer);
        Identity {
            certificate: certificate.expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Identity {
    pub fn self_signed() -> Identity {
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate =
            rcgen::CertificateParams::new(Vec::new()).expect("no names").self_signed(&key);
        Identity {
            certificate: certificate.expect("a certificate").pem(),
            key: key.serialize_pem(),
        }
    }

    pub fn der(&self) -> Vec<u8> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).expect("a certificate").to_vec()
    }
}

/// The client's parameters in one successful handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    pub server_name: Option<String>,
    /// The client's own certificate, DER.
    pub certificate: Option<Vec<u8>>,
}

/// Accepts TLS connections and forwards their content. Dropping it stops it.
pub struct Tls {
    port: u16,
    seen: Arc<Mutex<Vec<Hello>>>,
    stop: Arc<Notify>,
    thread: Option<JoinHandle<()>>,
}

impl Tls {
    /// In front of a port, with the server's certificate; `clients`: the certificate (PEM) that
    /// those of clients lead to, who must then show one.
    pub fn before(port: u16, identity: &Identity, clients: Option<&str>) -> Tls {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let mut roots = RootCertStore::empty();
                roots
                    .add(CertificateDer::from_pem_slice(pem.as_bytes()).expect("a certificate"))
                    .expect("a root");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
                builder.with_client_cert_verifier(verifier.expect("a verifier"))
            }
        };
        let certificate =
            CertificateDer::from_pem_slice(identity.certificate.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).expect("a key");
        let mut config =
            builder.with_single_cert(vec![certificate], key).expect("a certificate and its key");
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (seen, stop) = (Arc::<Mutex<Vec<Hello>>>::default(), Arc::new(Notify::new()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let own = listener.local_addr().expect("its address").port();
        listener.set_nonblocking(true).expect("non-blocking");
        let serving = serve(listener, TlsAcceptor::from(Arc::new(config)), port, seen.clone());
        let stopped = stop.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = serving => {}
                    () = stopped.notified() => {}
                }
            });
        });
        Tls { port: own, seen, stop, thread: Some(thread) }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Of all handshakes so far that succeeded.
    pub fn seen(&self) -> Vec<Hello> {
        self.seen.lock().expect("what was seen").clone()
    }
}

impl Drop for Tls {
    fn drop(&mut self) {
        self.stop.notify_one();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    listener: std::net::TcpListener,
    acceptor: TlsAcceptor,
    port: u16,
    seen: Arc<Mutex<Vec<Hello>>>,
) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        tokio::spawn(async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let (_, connection) = stream.get_ref();
            let certificate = connection
                .peer_certificates()
                .and_then(|chain| chain.first())
                .map(|certificate| certificate.to_vec());
            let hello =
                Hello { server_name: connection.server_name().map(str::to_owned), certificate };
            seen.lock().expect("what was seen").push(hello);
            if let Ok(mut behind) = TcpStream::connect(("127.0.0.1", port)).await {
                let _ = copy_bidirectional(&mut stream, &mut behind).await;
            }
        });
    }
}
