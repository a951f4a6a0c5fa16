//! Spring Authorization Server from Maven Central, as Spring Boot sets it up: chunked answers,
//! assertions that need `client_id` beside them, and certificates by their subject.

use super::parts::{fetch, kept, run, source};
use super::server::{Launch, Server};
use super::situations::{Peer, Running, Way};
use crate::support::{Authority, free_port};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

pub const PEER: Peer = Peer {
    name: "Spring Authorization Server, Spring Boot",
    pinned: (include_str!("spring/pom.xml"), "<version>"),
    start,
    ways: &[
        Way::new(
            "`client_secret_basic`, discovery",
            "{ issuer: @ORIGIN@, require_issuer: true, timeout: 10s, client_auth: { method: client_secret_basic, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_secret_post`",
            "{ introspection_endpoint: @ORIGIN@/oauth2/introspect, timeout: 10s, client_auth: { method: client_secret_post, client_id: gateway, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`client_secret_jwt`, discovery",
            "{ issuer: @ORIGIN@, timeout: 10s, client_auth: { method: client_secret_jwt, client_id: gateway-jwt, client_secret: \"@SECRET@\" } }",
        ),
        Way::new(
            "`tls_client_auth`",
            "{ introspection_endpoint: @HTTPS@/oauth2/introspect, timeout: 10s, tls: { ca: ca.pem }, client_auth: { method: tls_client_auth, client_id: gateway-tls, certificate: \"@CLIENT@.crt\", private_key: \"@CLIENT@.key\" } }",
        ),
    ],
};

const SECRET: &str = "gate:way+100% secret, of 32 bytes and more";

fn start() -> Result<Running, String> {
    let folder = classes()?;
    let (authority, https) = (Authority::new(), free_port());
    let own = authority.certify(&["127.0.0.1"]);
    let directory = tempfile::tempdir().expect("a temporary folder");
    for (name, contents) in
        [("own.crt", &*own.certificate), ("own.key", &*own.key), ("ca.pem", authority.pem())]
    {
        std::fs::write(directory.path().join(name), contents).expect("write a file");
    }
    let launch = Launch {
        command: Box::new(move |ports, directory| {
            let mut command = Command::new("java");
            let shown = folder.display();
            command.args(["-Xmx256m", "-cp", &format!("{shown}/classes:{shown}/lib/*"), "Server"]);
            for (key, value) in [
                ("plain.port", &*ports.public.to_string()),
                ("gateway.secret", SECRET),
                ("server.address", "127.0.0.1"),
                ("server.port", &https.to_string()),
                ("server.ssl.certificate", "file:own.crt"),
                ("server.ssl.certificate-private-key", "file:own.key"),
                ("server.ssl.trust-certificate", "file:ca.pem"),
                ("server.ssl.client-auth", "want"),
            ] {
                command.arg(format!("--{key}={value}"));
            }
            command.current_dir(directory);
            command
        }),
        token: "/oauth2/token",
        revocation: "/oauth2/revoke",
        alive: "/.well-known/oauth-authorization-server",
        patience: Duration::from_secs(200),
    };
    let server = Server::start(directory, false, launch);
    let mut files = vec![("ca.pem", authority.pem().to_owned())];
    for (subject, certificate, key) in
        [("gateway", "client.crt", "client.key"), ("stranger", "stranger.crt", "stranger.key")]
    {
        let identity = authority.certify_as(subject, &[]);
        // a certificate without its issuer's counts as self-signed there
        files.extend([(certificate, identity.certificate + authority.pem()), (key, identity.key)]);
    }
    let places = vec![("@HTTPS@", format!("https://127.0.0.1:{https}"))];
    Ok(Running { server, places, credentials: vec![("@SECRET@", SECRET.to_owned())], files })
}

/// The libraries that `spring/pom.xml` names, in `lib`, and the server's own class in `classes`.
fn classes() -> Result<PathBuf, String> {
    let pinned = ["pom.xml", "Server.java"]
        .map(|name| std::fs::read(source("spring").join(name)).expect(name));
    kept("spring", pinned, |making| {
        for (program, package) in [("javac", "openjdk-17-jdk-headless"), ("mvn", "maven")] {
            run(Command::new(program).arg("--version"))
                .map_err(|_| format!("no {program}; apt-get install {package}"))?;
        }
        let mut maven = Command::new("mvn");
        maven
            .args(["--quiet", "--batch-mode", "dependency:copy-dependencies"])
            .arg("--file")
            .arg(source("spring/pom.xml"))
            .arg(format!("-DoutputDirectory={}/lib", making.display()));
        fetch("Spring Authorization Server from Maven Central", &mut maven)?;
        let mut javac = Command::new("javac");
        javac.args(["-d", "classes", "-cp", "lib/*"]).arg(source("spring/Server.java"));
        run(javac.current_dir(making)).map(drop)
    })
}
