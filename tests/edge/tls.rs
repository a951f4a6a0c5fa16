//! TLS and HTTP/2 to clients, with curl and openssl.

use crate::support::{Authority, Builder, Identity, Setup, one_route, wait_until};
use introgate::parts::Thumbprint;
use serde_json::json;
use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

/// A listener with these keys for `tls`, e.g. `min_version: "1.3"`; `a.test` by an authority whose
/// certificate is in `ca.pem`.
struct Secure {
    setup: Setup,
    authority: Authority,
}

impl Secure {
    fn start(tls: &str, protocols: &str) -> Secure {
        let authority = Authority::new();
        let (a, b) = (authority.certify(&["a.test"]), authority.certify(&["b.test", "*.c.test"]));
        let client = authority.certify(&["client"]);
        let builder = Builder::new()
            .file("ca.pem", authority.pem())
            .file("a.crt", &a.certificate)
            .file("a.key", &a.key)
            .file("b.crt", &b.certificate)
            .file("b.key", &b.key)
            .file("client.crt", &client.certificate)
            .file("client.key", &client.key);
        let yaml = format!(
            "listeners: [{{ address: \"127.0.0.1:@PORT@\", protocols: [{protocols}], tls: {{ certificate: a.crt, private_key: a.key, {tls} }} }}]\n{}",
            one_route("scopes: [read]")
        );
        Secure { setup: Setup::build(builder, &yaml), authority }
    }

    fn path(&self, name: &str) -> String {
        self.setup.gateway.directory().join(name).display().to_string()
    }

    /// curl's exit code and standard output: the body, then the protocol and the status.
    fn curl(&self, name: &str, more: &[&str]) -> (i32, String) {
        let port = self.setup.gateway.port();
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--max-time", "10", "--cacert"])
            .arg(self.path("ca.pem"))
            .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
            .args(["--header", "Authorization: Bearer good"])
            .args(["--write-out", "\n%{http_version} %{http_code}"])
            .args(more)
            .arg(format!("https://{name}:{port}/"))
            .output()
            .expect("curl");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code().unwrap_or(-1), out)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("write a file");
    }

    /// A handshake is counted a moment after the client knows its outcome.
    #[track_caller]
    fn counts(&self, result: &str, expected: f64) {
        let sample = format!("introgate_tls_handshakes_total{{result=\"{result}\"}}");
        wait_until("the handshakes are counted", || self.setup.gateway.metric(&sample) >= expected);
        assert_eq!(self.setup.gateway.metric(&sample), expected);
    }
}

#[test]
fn requests_come_over_tls_and_the_upstream_learns_it() {
    let secure = Secure::start("certificates: []", "h1, h2");
    for (options, ends) in [
        (&["--http1.1"][..], "1.1 200"),
        (&["--http2"], "2 200"),
        (&["--http2", "--tls-max", "1.2"], "2 200"),
        (&["--http1.1", "--head"], "1.1 200"),
        (&["--http2", "--data", "abc"], "2 200"),
        (&["--http1.1", "--data", "abc"], "1.1 200"),
        (&["--http2", "--header", "Authorization: Bearer second"], "2 400"),
    ] {
        let (code, out) = secure.curl("a.test", options);
        assert_eq!((code, out.lines().last()), (0, Some(ends)), "{options:?}: {out}");
    }
    assert_eq!(secure.setup.upstream.count(), 6);
    for request in secure.setup.upstream.requests() {
        assert_eq!(request.header("x-forwarded-proto"), Some("https"));
        assert_eq!(request.header("x-introspected-sub"), Some("alice"));
        let host = request.header("host").expect("a host");
        assert_eq!(host, format!("a.test:{}", secure.setup.gateway.port()));
    }
    // versions that are too old; a client that does not trust the certificate
    assert_ne!(secure.curl("a.test", &["--tls-max", "1.1"]).0, 0);
    assert_ne!(secure.curl("a.test", &["--cacert", "/etc/hostname"]).0, 0);
    secure.counts("ok", 7.0);
}

#[test]
fn the_oldest_version_can_be_raised() {
    let secure = Secure::start("min_version: \"1.3\"", "h1");
    assert_ne!(secure.curl("a.test", &["--tls-max", "1.2"]).0, 0);
    assert_eq!(secure.curl("a.test", &[]).0, 0);
    secure.counts("incompatible", 1.0);
}

#[test]
fn the_server_name_chooses_the_certificate() {
    let secure = Secure::start("certificates: [{ certificate: b.crt, private_key: b.key }]", "h1");
    for (name, code) in
        [("a.test", 0), ("b.test", 0), ("x.c.test", 0), ("c.test", 60), ("other.test", 60)]
    {
        assert_eq!(secure.curl(name, &[]).0, code, "{name}");
    }
    for name in ["a.crt", "b.crt"] {
        let ends = secure
            .setup
            .gateway
            .metric(&format!("introgate_certificate_expiry_timestamp_seconds{{name=\"{name}\"}}"));
        assert!(ends > 1e9, "{ends}");
    }
}

#[test]
fn sessions_are_taken_up_again() {
    let secure = Secure::start("certificates: []", "h1");
    let session = secure.path("session");
    let connect = |option: &str| {
        let port = secure.setup.gateway.port();
        // the ticket of TLS 1.3 comes behind the handshake: the client waits for an answer
        let command = format!(
            "printf 'GET / HTTP/1.0\\r\\nHost: a\\r\\n\\r\\n' | timeout 10 openssl s_client -ign_eof -connect 127.0.0.1:{port} -servername a.test {option} {session} 2>&1"
        );
        let output = Command::new("sh").args(["-c", &command]).output().expect("openssl");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(connect("-sess_out").contains("New, TLSv1.3"));
    let again = connect("-sess_in");
    assert!(again.contains("Reused, TLSv1.3"), "{again}");
}

/// The old pair stays until the new one is whole, fits together and is in force.
#[test]
fn certificates_change_with_their_files() {
    let secure = Secure::start("certificates: []", "h1");
    let works = || secure.curl("a.test", &[]).0 == 0;
    let refused =
        || secure.setup.gateway.metric("introgate_config_reloads_total{result=\"failure\"}");
    assert!(works());
    let next = secure.authority.certify(&["a.test", "next.test"]);
    let failures = refused();
    secure.put("a.crt", &next.certificate[..next.certificate.len() / 2]);
    wait_until("the half-written certificate is refused", || refused() > failures);
    assert!(works());
    let failures = refused();
    secure.put("a.crt", &next.certificate);
    wait_until("the pair that does not fit is refused", || refused() > failures);
    assert!(works() && secure.curl("next.test", &[]).0 != 0);
    secure.put("a.key", &next.key);
    wait_until("the new pair serves", || secure.curl("next.test", &[]).0 == 0);

    let expired = secure.authority.certify_expired(&["a.test"]);
    secure.put("a.crt", &expired.certificate);
    secure.put("a.key", &expired.key);
    secure.setup.gateway.log_with("the old one stays");
    assert!(works() && secure.curl("next.test", &[]).0 == 0);
}

/// Kubernetes changes a mounted secret by one link: `tls.crt` → `..data/tls.crt`, `..data` → a folder
/// with another name.
#[test]
fn certificates_change_when_the_link_to_their_folder_does() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::new();
    let put = |authority: &Authority, version: &str, name: &str| {
        let (place, identity) = (folder.path().join(version), authority.certify(&[name]));
        fs::create_dir(&place).expect("a folder");
        fs::write(place.join("tls.crt"), &identity.certificate).expect("write");
        fs::write(place.join("tls.key"), &identity.key).expect("write");
        let next = folder.path().join("..next");
        symlink(version, &next).expect("a link");
        fs::rename(next, folder.path().join("..data")).expect("the swap");
    };
    put(&authority, "..1", "a.test");
    for name in ["tls.crt", "tls.key"] {
        symlink(format!("..data/{name}"), folder.path().join(name)).expect("a link");
    }
    let at = folder.path().display();
    let yaml = format!(
        "listeners: [{{ address: \"127.0.0.1:@PORT@\", tls: {{ certificate: {at}/tls.crt, private_key: {at}/tls.key }} }}]\n{}",
        one_route("scopes: [read]")
    );
    let setup = Setup::build(Builder::new().file("ca.pem", authority.pem()), &yaml);
    let secure = Secure { setup, authority };
    assert_eq!((secure.curl("a.test", &[]).0, secure.curl("b.test", &[]).0), (0, 60));
    put(&secure.authority, "..2", "b.test");
    wait_until("the new certificate is shown", || secure.curl("b.test", &[]).0 == 0);
    assert_eq!(secure.curl("a.test", &[]).0, 60);
}

#[test]
fn clients_show_certificates() {
    for (wanted, without) in [("required", false), ("optional", true)] {
        let tls = format!("client_ca: ca.pem, client_certificates: {wanted}");
        let secure = Secure::start(&tls, "h1, h2");
        let with = |certificate: &str, key: &str| {
            let (certificate, key) = (secure.path(certificate), secure.path(key));
            secure.curl("a.test", &["--cert", &certificate, "--key", &key]).0 == 0
        };
        assert!(with("client.crt", "client.key"), "{wanted}");
        assert_eq!(secure.curl("a.test", &[]).0 == 0, without, "{wanted}");
        let stranger = Identity::self_signed();
        secure.put("stranger.crt", &stranger.certificate);
        secure.put("stranger.key", &stranger.key);
        assert!(!with("stranger.crt", "stranger.key"), "{wanted}");
        secure.counts("bad_certificate", 1.0);
        secure.counts("no_certificate", f64::from(u8::from(!without)));

        // another authority: the old client is a stranger now, also with its old session
        let other = Authority::new();
        secure.put("ca2.pem", other.pem());
        let ca = secure.path("ca.pem");
        let kept = fs::read_to_string(&ca).expect("the authority");
        secure.put("ca.pem", other.pem());
        secure.put("keep.pem", &kept);
        wait_until("the new authority counts", || {
            let port = secure.setup.gateway.port();
            let status = Command::new("curl")
                .args(["--silent", "--max-time", "5", "--output", "/dev/null", "--cacert"])
                .arg(secure.path("keep.pem"))
                .args(["--resolve", &format!("a.test:{port}:127.0.0.1"), "--cert"])
                .arg(secure.path("client.crt"))
                .arg("--key")
                .arg(secure.path("client.key"))
                .arg(format!("https://a.test:{port}/"))
                .status();
            status.is_ok_and(|status| !status.success())
        });
    }
}

/// RFC 8705 §3: a token that is bound to a client certificate passes on a connection with that
/// certificate, over HTTP/1.1 and HTTP/2, and on no other one.
#[test]
fn a_bound_token_needs_the_certificate_of_its_connection() {
    let secure = Secure::start("client_ca: ca.pem, client_certificates: optional", "h1, h2");
    let other = secure.authority.certify(&["other"]);
    secure.put("other.crt", &other.certificate);
    secure.put("other.key", &other.key);
    let client = fs::read_to_string(secure.path("client.crt")).expect("the certificate");
    let client = Identity { certificate: client, key: String::new() };
    let thumbprint = Thumbprint::hash(&client.der()).to_string();
    let answer = json!({ "active": true, "scope": "read", "cnf": { "x5t#S256": thumbprint } });
    secure.setup.server.answer("good", answer);
    for (certificate, status) in [("client", "200"), ("other", "401"), ("", "401")] {
        for version in ["--http1.1", "--http2"] {
            let (pem, key) = (format!("{certificate}.crt"), format!("{certificate}.key"));
            let (pem, key) = (secure.path(&pem), secure.path(&key));
            let shown = ["--cert", &*pem, "--key", &*key];
            let shown = if certificate.is_empty() { &[][..] } else { &shown[..] };
            let (code, out) = secure.curl("a.test", &[shown, &[version]].concat());
            assert_eq!(code, 0, "{certificate} {version}: {out}");
            assert!(out.ends_with(status), "{certificate} {version}: {out}");
        }
    }
}

/// The certificate of a proxy that asks is the proxy's own: it proves nothing about the client.
#[test]
fn a_proxy_that_asks_does_not_prove_possession_for_its_client() {
    let tls = "client_ca: ca.pem, client_certificates: optional }, serves: forward_auth, limits: { streams: 9";
    let secure = Secure::start(tls, "h1, h2");
    let proxy = fs::read_to_string(secure.path("client.crt")).expect("the certificate");
    let proxy = Identity { certificate: proxy, key: String::new() };
    let thumbprint = Thumbprint::hash(&proxy.der()).to_string();
    let (pem, key) = (secure.path("client.crt"), secure.path("client.key"));
    let unbound = json!({ "active": true, "scope": "read" });
    let bound = json!({ "active": true, "scope": "read", "cnf": { "x5t#S256": thumbprint } });
    for (answer, status) in [(unbound, "200"), (bound, "401")] {
        secure.setup.server.answer("good", answer);
        secure.setup.gateway.admin_post("/api/cache/purge", &json!({ "all": true }));
        let (code, out) = secure.curl("a.test", &["--cert", &pem, "--key", &key]);
        assert_eq!(code, 0, "{out}");
        assert!(out.ends_with(status), "{status}: {out}");
    }
}

#[test]
fn plaintext_on_a_tls_port_gets_a_sentence() {
    let secure = Secure::start("certificates: []", "h1");
    let response = secure.setup.gateway.get("/", &[]);
    assert_eq!((response.status, response.reason().as_str()), (400, "bad_request"));
    assert!(response.text().contains("TLS"), "{}", response.text());
    secure.counts("plaintext", 1.0);
    assert_eq!(secure.setup.upstream.count(), 0);
}

/// HTTP/2 without TLS, by prior knowledge; HTTP/1 beside it, unless it is not spoken.
#[test]
fn http2_without_tls_is_known_by_its_preface() {
    for (protocols, http1) in [("h1, h2c", 200), ("h2c", 505)] {
        let setup = Setup::start(&format!(
            "listeners: [{{ address: \"127.0.0.1:@PORT@\", protocols: [{protocols}] }}]\n{}",
            one_route("scopes: [read]")
        ));
        let url = format!("http://127.0.0.1:{}/a?b=c", setup.gateway.port());
        let output = Command::new("curl")
            .args(["--silent", "--http2-prior-knowledge", "--max-time", "10"])
            .args(["--header", "Authorization: Bearer good", "--header", "X-Introspected-Sub: eve"])
            .args(["--write-out", "\n%{http_version} %{http_code}", &url])
            .output()
            .expect("curl");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(out.ends_with("2 200"), "{protocols}: {out}");
        assert_eq!(setup.upstream.count(), 1);
        let seen = setup.upstream.last();
        assert_eq!(
            (seen.target.as_str(), seen.header("x-introspected-sub")),
            ("/a?b=c", Some("alice"))
        );
        assert_eq!(seen.header("authorization"), None);
        let plain = setup.gateway.get_with("/", "good");
        assert_eq!(plain.status, http1, "{protocols}");
    }
}
