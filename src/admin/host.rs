//! By which names the admin listener may be called. A page of another site can make a browser send
//! requests here under that site's name (DNS rebinding), so names must be known.

use super::respond::problem;
use crate::route::Host;
use crate::runtime::Process;
use http::{Response, StatusCode, Version, header};
use pingora_http::RequestHeader;
use std::net::IpAddr;

/// The refusal of a request whose host is neither an address, nor `localhost`, nor in
/// `admin.hosts`.
pub fn check(request: &RequestHeader, process: &Process) -> Result<(), Response<Vec<u8>>> {
    let mut lines = request.headers.get_all(header::HOST).iter();
    let (line, further) = (lines.next(), lines.next());
    if further.is_some() || line.is_none() && request.version == Version::HTTP_11 {
        // RFC 9112 §3.2
        return Err(problem(StatusCode::BAD_REQUEST, "The request needs one Host header."));
    }
    let line = line.map(|line| String::from_utf8_lossy(line.as_bytes()));
    let target = request.uri.authority().map(|authority| authority.as_str());
    let named: Vec<&str> = target.into_iter().chain(line.as_deref()).collect();
    let settings = &process.runtime.load().settings;
    if !named.is_empty() && named.iter().all(|host| is_known(host, &settings.admin.hosts)) {
        return Ok(());
    }
    Err(problem(
        StatusCode::MISDIRECTED_REQUEST,
        "The Host of this request is not a name of this listener. Call it by its address or as localhost, or add the name to admin.hosts.",
    ))
}

/// `known`: in lower case, without port and final dot.
fn is_known(authority: &str, known: &[String]) -> bool {
    let Some(Host { name, .. }) = Host::parse(authority.as_bytes()) else { return false };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(&name);
    name == "localhost"
        || bare.parse::<IpAddr>().is_ok()
        || known.iter().any(|known| name == *known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_localhost_and_configured_names_are_known() {
        let known = ["gateway.example.com".to_owned()];
        for host in [
            "127.0.0.1",
            "127.0.0.1:9901",
            "[::1]:9901",
            "10.1.2.3",
            "localhost",
            "LOCALHOST:9901",
            "localhost.",
            "gateway.example.com",
            "Gateway.Example.com.:9901",
        ] {
            assert!(is_known(host, &known), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:127",
            "sub.gateway.example.com",
            "gateway.example.com.evil.example",
            "0x7f000001",
            "user@evil.example",
        ] {
            assert!(!is_known(host, &known), "{host}");
        }
    }
}
