//! Listeners: whether their addresses can be opened, and which peers are believed or may ask.

use super::DoctorReport;
use crate::config::Settings;
use crate::listen::{Listen, ListenerSettings, Serves};
use ipnet::IpNet;
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

pub fn examine(settings: &Settings, report: &mut DoctorReport<'_>) {
    for listener in &settings.listeners {
        let serves = match listener.serves {
            Serves::Proxy => "proxy",
            Serves::ForwardAuth { .. } => "forward_auth",
            Serves::ExtAuthz => "ext_authz",
        };
        report.section(&format!("listener {} ({serves})", listener.address));
        if let Listen::Tcp(address) = listener.address {
            examine_address(address, report);
        }
        match listener.serves {
            Serves::Proxy => examine_trust(settings, report),
            Serves::ForwardAuth { .. } | Serves::ExtAuthz => {
                examine_peers(listener, settings, report);
            }
        }
    }
}

/// Binds the address and does not listen, so that no client is taken from anybody.
fn examine_address(address: SocketAddr, report: &mut DoctorReport<'_>) {
    match bind(address) {
        Ok(()) => report.good("its address can be opened"),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            report.note("its address is in use, by a gateway that runs or by another program");
        }
        Err(error) if error.kind() == ErrorKind::PermissionDenied => report
            .note("this user may not open its address; ports below 1024 need CAP_NET_BIND_SERVICE"),
        Err(error) => {
            report.wrong(format_args!(
                "its address cannot be opened: {error}; does this machine have it?"
            ));
        }
    }
}

fn bind(address: SocketAddr) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())
}

/// Whose word about the client is believed.
fn examine_trust(settings: &Settings, report: &mut DoctorReport<'_>) {
    match settings.trusted_proxies.as_slice() {
        [] => report.good(
            "X-Forwarded-* and Forwarded are believed from no peer; with a proxy in front, name it in trusted_proxies",
        ),
        trusted => report.good(format_args!(
            "X-Forwarded-* and Forwarded are believed from {}; only proxies that replace what their clients send may be there",
            listed(trusted)
        )),
    }
}

/// Who may ask for decisions, and how long a decision may take.
fn examine_peers(listener: &ListenerSettings, settings: &Settings, report: &mut DoctorReport<'_>) {
    let local = match listener.address {
        Listen::Tcp(address) => address.ip().is_loopback(),
        Listen::Unix(_) => true,
        Listen::Systemd(_) => false,
    };
    match settings.trusted_proxies.as_slice() {
        [] if local => report.good("proxies on this machine may ask"),
        [] => report.note(
            "proxies on this machine may ask, all others get 403: trusted_proxies is empty; name their addresses there",
        ),
        trusted => report
            .good(format_args!("proxies on this machine and in {} may ask", listed(trusted))),
    }
    if !local && listener.tls.is_none() {
        report.note("tokens and identities cross the network in plaintext; write `tls`, or keep the listener on loopback");
    }
    let longest = settings.servers.iter().map(|server| server.timeout).max();
    report.good(format_args!(
        "a decision takes up to {}: the proxy's own time limit must be longer",
        humantime::format_duration(longest.unwrap_or(Duration::ZERO))
    ));
}

fn listed(networks: &[IpNet]) -> String {
    networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
