//! Against the real thing: authorization servers and services that other people wrote, as a user
//! would run them.
//!
//! Each server is fetched once, at a pinned version, from its language's registry and kept below
//! `target/interop`. Where the language or the registry is missing, its test is skipped with a
//! message on standard error that the test runner cannot hide; with `INTEROP=required` in the
//! environment a missing part is a failure. The servers in Java and Go take minutes the first time
//! and most of two cores: `make interop` runs them, and prints the table of results.

mod authlib;
mod clients;
mod collector;
mod dex;
mod django;
mod django_oauth_toolkit;
pub mod go;
mod grpc;
mod h2spec;
mod hydra;
mod keycloak;
mod keycloak_bound;
mod keycloak_events;
mod keys;
mod legacy_service;
mod mcp;
mod node;
mod oidc_provider;
mod parts;
pub mod python;
mod server;
mod situations;
mod spring;
mod websockets;
mod zitadel;

pub use parts::{Process, cache, fetch, kept, run, source, unless_missing};
use situations::{Peer, go_through, table};

const PEERS: [Peer; 7] = [
    django::PEER,
    oidc_provider::PEER,
    authlib::PEER,
    keycloak::PEER,
    hydra::PEER,
    spring::PEER,
    zitadel::PEER,
];

#[test]
fn django_oauth_toolkit_in_every_situation() {
    go_through(&PEERS[0]);
}

#[test]
fn oidc_provider_in_every_situation() {
    go_through(&PEERS[1]);
}

#[test]
fn authlib_in_every_situation() {
    go_through(&PEERS[2]);
}

#[test]
#[ignore = "slow; make interop"]
fn keycloak_in_every_situation() {
    go_through(&PEERS[3]);
}

#[test]
#[ignore = "slow; make interop"]
fn hydra_in_every_situation() {
    go_through(&PEERS[4]);
}

#[test]
#[ignore = "slow; make interop"]
fn spring_in_every_situation() {
    go_through(&PEERS[5]);
}

#[test]
#[ignore = "slow; make interop"]
fn zitadel_in_every_situation() {
    go_through(&PEERS[6]);
}

/// `INTROGATE_UPDATE=1` rewrites it.
#[test]
fn the_table_in_the_docs_shows_the_results_of_real_servers() {
    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/interop.md");
    let page = std::fs::read_to_string(FILE).expect("docs/interop.md");
    let (before, rest) = page.split_once("| server | asked by |").expect("the table's head");
    let (_, after) = rest.split_once("|\n\n").expect("the table's end");
    let present = format!("{before}{}\n{after}", table(&PEERS));
    if std::env::var_os("INTROGATE_UPDATE").is_some() {
        std::fs::write(FILE, present).expect("docs/interop.md is written");
        return;
    }
    assert!(page == present, "docs/interop.md should have:\n{}", table(&PEERS));
}
