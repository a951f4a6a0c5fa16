//! Real proxies with the configurations of `deploy/beside/`, in every situation.

use super::running::{Proxy, installed};
use super::situations::{Peer, Situation::*, go_through, table};
use super::traefik;
use crate::interop::python;
use std::path::Path;

const NGINX: Peer = Peer {
    name: "nginx",
    proxy: || Ok(Proxy { program: installed("nginx")?, files: &["nginx.conf"], arguments: nginx }),
    differs: &[(Body, "the proxy's"), (ForgedDescription, "403")],
};

fn nginx(folder: &Path) -> Vec<String> {
    let at = folder.display();
    let globals = format!("daemon off; pid {at}/nginx.pid; error_log {at}/error.log;");
    let configuration = format!("{at}/nginx.conf");
    words(&["-c", &configuration, "-e", "error.log", "-g", &globals, "-p", &at.to_string()])
}

const CADDY: Peer = Peer {
    name: "Caddy",
    proxy: || {
        let arguments =
            |_: &Path| words(&["run", "--config", "Caddyfile", "--adapter", "caddyfile"]);
        Ok(Proxy { program: installed("caddy")?, files: &["Caddyfile"], arguments })
    },
    differs: &[(NoGateway, "502")],
};

const HAPROXY: Peer = Peer {
    name: "HAProxy",
    proxy: || {
        let arguments = |_: &Path| words(&["-f", "haproxy.cfg", "-db"]);
        let files = &["haproxy.cfg", "introgate.lua"];
        Ok(Proxy { program: installed("haproxy")?, files, arguments })
    },
    differs: &[(ForgedDescription, "403")],
};

const TRAEFIK: Peer = Peer {
    name: "Traefik",
    proxy: || {
        let arguments = |_: &Path| words(&["--configFile=traefik.yaml"]);
        let files = &["traefik.yaml", "traefik-routes.yaml"];
        Ok(Proxy { program: traefik::program()?, files, arguments })
    },
    differs: &[(NoGateway, "500")],
};

const ENVOY: Peer = Peer {
    name: "Envoy, gRPC",
    proxy: || envoy(&["envoy.yaml"], |_| envoy_arguments("envoy.yaml")),
    differs: &[(ForgedDescription, "403")],
};

const ENVOY_HTTP: Peer = Peer {
    name: "Envoy, HTTP",
    proxy: || envoy(&["envoy-http.yaml"], |_| envoy_arguments("envoy-http.yaml")),
    // Envoy takes an answer of 5xx for a failure of the one that it asks
    differs: &[(ForgedDescription, "403"), (NoFacts, "503, without `Retry-After`")],
};

const PEERS: [&Peer; 6] = [&NGINX, &CADDY, &HAPROXY, &TRAEFIK, &ENVOY, &ENVOY_HTTP];

pub fn envoy(
    files: &'static [&'static str],
    arguments: fn(&Path) -> Vec<String>,
) -> Result<Proxy, String> {
    Ok(Proxy { program: python::envoy()?, files, arguments })
}

pub fn envoy_arguments(configuration: &str) -> Vec<String> {
    let quick = ["--concurrency", "1", "--log-level", "error", "--file-flush-interval-msec", "100"];
    [words(&["-c", configuration, "--disable-hot-restart"]), words(&quick)].concat()
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[test]
fn nginx_in_every_situation() {
    go_through(&NGINX);
}

#[test]
fn caddy_in_every_situation() {
    go_through(&CADDY);
}

#[test]
fn haproxy_in_every_situation() {
    go_through(&HAPROXY);
}

#[test]
#[ignore = "building Traefik takes minutes; make beside"]
fn traefik_in_every_situation() {
    go_through(&TRAEFIK);
}

#[test]
fn envoy_in_every_situation() {
    go_through(&ENVOY);
}

#[test]
fn envoy_by_http_in_every_situation() {
    go_through(&ENVOY_HTTP);
}

/// `INTROGATE_UPDATE=1` rewrites it.
#[test]
fn the_table_in_the_docs_shows_the_results_of_real_proxies() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/beside.md");
    let page = std::fs::read_to_string(FILE).expect("docs/beside.md");
    let (before, rest) = page.split_once("| proxy | token in |").expect("the table's head");
    let (_, after) = rest.split_once("|\n\n").expect("the table's end");
    let present = format!("{before}{}\n{after}", table(&PEERS));
    if std::env::var_os("INTROGATE_UPDATE").is_some() {
        std::fs::write(FILE, present).expect("docs/beside.md is written");
        return;
    }
    assert!(page == present, "docs/beside.md should have:\n{}", table(&PEERS));
}
