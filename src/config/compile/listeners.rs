//! `listeners` and `admin`.

use super::Context;
use super::files::Given;
use super::url::unix_path;
use crate::config::path::KeyPath;
use crate::config::settings::{AdminSettings, Listen};
use std::net::SocketAddr;

pub fn listeners(cx: Context) -> Vec<Listen> {
    let section = KeyPath::root().key("listeners");
    let mut known: Vec<Listen> = Vec::new();
    for (i, listener) in cx.raw.listeners.iter().enumerate() {
        let path = section.item(i).key("address");
        if cx.report.is_broken(&path) {
            continue;
        }
        let listen = match unix_path(&listener.address) {
            Some(Ok(socket)) => Listen::Unix(socket.into()),
            Some(Err(message)) => {
                cx.report.error(&path, message);
                continue;
            }
            None => match listener.address.parse() {
                Ok(address) => Listen::Tcp(address),
                Err(_) => {
                    cx.report.error(
                        &path,
                        not_an_address(cx, &path, &listener.address, ", or `unix:/path`"),
                    );
                    continue;
                }
            },
        };
        if known.iter().any(|other| collide(other, &listen)) {
            cx.report
                .error(&path, "another listener has this address already; remove one of the two");
        }
        known.push(listen);
    }
    known
}

pub fn admin(cx: Context, listeners: &[Listen]) -> Option<AdminSettings> {
    let section = KeyPath::root().key("admin");
    let (path, text) = (section.key("address"), &*cx.raw.admin.address);
    let token =
        cx.secret(&section, "token", &cx.raw.admin.token, cx.raw.admin.token_file.as_deref());
    let address: Option<SocketAddr> = match text {
        "off" => None,
        text => match text.parse() {
            Ok(address) => Some(address),
            Err(_) => {
                cx.report.error(&path, not_an_address(cx, &path, text, ", or `off`"));
                return None;
            }
        },
    };
    if let Some(address) = address {
        if listeners.iter().any(|listener| collide(listener, &Listen::Tcp(address))) {
            cx.report.error(&path, "a listener has this address already; give the admin endpoints an address of their own");
        }
        if !address.ip().to_canonical().is_loopback() && matches!(token, Given::Missing) {
            let message = "is not on loopback and there is no `token`: whoever reaches it can read the status, and nobody can purge the \
                           cache; write a token, or 127.0.0.1";
            cx.report.warning(&path, message);
        }
    }
    let token = match token {
        Given::Missing => None,
        Given::Broken => return None,
        Given::Secret(token) => {
            if !token.expose().bytes().all(|b| matches!(b, 0x21..=0x7e)) {
                cx.report.error(
                    &section.key("token"),
                    "must be visible ASCII without spaces: it is sent in a header",
                );
                return None;
            }
            Some(token)
        }
    };
    Some(AdminSettings { address, token })
}

/// Whether the second could not be opened besides the first.
fn collide(one: &Listen, other: &Listen) -> bool {
    match (one, other) {
        (Listen::Tcp(one), Listen::Tcp(other)) => {
            let any = one.ip().is_unspecified() || other.ip().is_unspecified();
            one.port() == other.port()
                && one.port() != 0
                && (one.ip() == other.ip() || any && one.is_ipv4() == other.is_ipv4())
        }
        (one, other) => one == other,
    }
}

fn not_an_address(cx: Context, path: &KeyPath, text: &str, or: &str) -> String {
    let example = match text.strip_prefix(':') {
        Some(port) if port.parse::<u16>().is_ok() && !cx.report.hides(path) => {
            format!("0.0.0.0:{port}")
        }
        _ => "127.0.0.1:8080".into(),
    };
    format!(
        "{} is not an IP address with a port; write one such as `{example}`{or}",
        cx.report.shown(path, text)
    )
}
