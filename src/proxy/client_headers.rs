//! The headers of a client that are forwarded, hop-by-hop headers aside. Both ways ask here.
//!
//! Names are compared by [`names`]: a header that the gateway sets, removes or decides by is
//! removed in every other spelling.

use super::exchange::Exchange;
use super::hop_by_hop::Field;
use crate::request::names;
use http::{HeaderName, HeaderValue, header};

/// Whether a header is forwarded: not one that could be taken for the gateway's own, nor the
/// token, nor a header that is set anew or that only proxies may send. Where a header has several
/// lines, all of them must pass.
pub fn passes(name: &HeaderName, value: &HeaderValue, exchange: &Exchange) -> bool {
    is_left(name, exchange.trusted_peer)
        && !is_ours(name, value, exchange)
        && !(exchange.trace.is_new && *name == TRACESTATE)
}

/// Belongs to the trace that `traceparent` names, and to no other one (Trace Context §3.3).
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Whether a header could be taken for the gateway's own, or carries the token: another proxy that
/// forwards the request removes these, and keeps its own rules for all others.
pub fn is_ours(name: &HeaderName, value: &HeaderValue, exchange: &Exchange) -> bool {
    let runtime = &exchange.runtime;
    runtime.identity.owns(name) || runtime.gate.token.removes(name, value)
}

/// The headers of most requests, which every rule lets pass: asked first, it saves most of the time.
const COMMON: [HeaderName; 12] = [
    header::HOST,
    header::USER_AGENT,
    header::ACCEPT,
    header::ACCEPT_ENCODING,
    header::ACCEPT_LANGUAGE,
    header::AUTHORIZATION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::REFERER,
    header::CACHE_CONTROL,
    header::IF_NONE_MATCH,
];

fn is_left(name: &HeaderName, trusted: bool) -> bool {
    COMMON.contains(name) || is_left_by_rule(name, trusted)
}

fn is_left_by_rule(name: &HeaderName, trusted: bool) -> bool {
    let folded = names::folded(name);
    let as_written = *folded == *name.as_str();
    match Rule::named(&folded) {
        Rule::Passes => true,
        Rule::Removed => false,
        // a proxy passes a spelling on that it does not know
        Rule::OfProxies => trusted && as_written,
        Rule::OneSpelling => as_written,
    }
}

/// Decided by the folded name alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    Passes,
    /// Set anew, or would have the service take the request for another one.
    Removed,
    /// Describes how a request reached a proxy: trusted only from `trusted_proxies`.
    OfProxies,
    /// The gateway reads it, or the way that the request takes sets it.
    OneSpelling,
}

impl Rule {
    fn named(name: &str) -> Self {
        match name.as_bytes() {
            [b'x', b'-', ..] => Self::of_extension(name),
            // CGI makes HTTP_PROXY of it, and HTTP clients take that for their proxy
            b"proxy" => Self::Removed,
            b"traceparent" => Self::Removed,
            b"forwarded"
            | b"client-ip"
            | b"true-client-ip"
            | b"proxy-client-ip"
            | b"wl-proxy-client-ip"
            | b"cf-connecting-ip"
            | b"cf-connecting-ipv6"
            | b"fastly-client-ip"
            | b"fly-client-ip"
            | b"front-end-https"
            | b"client-cert"
            | b"client-cert-chain" => Self::OfProxies,
            [b's', b's', b'l', b'-', b'c', b'l', b'i', b'e', b'n', b't', b'-', ..] => {
                Self::OfProxies
            }
            b"content-type" | b"content-encoding" | b"access-control-request-method" => {
                Self::OneSpelling
            }
            _ if Field::named(name) != Field::EndToEnd => Self::OneSpelling,
            _ => Self::Passes,
        }
    }

    fn of_extension(name: &str) -> Self {
        match name {
            "x-request-id" | "x-forwarded-for" | "x-forwarded-host" | "x-forwarded-proto" => {
                Self::Removed
            }
            // the route was chosen by the method on the wire
            "x-http-method-override" | "x-http-method" | "x-method-override" => Self::Removed,
            // the same of the path and the host
            "x-original-url" | "x-original-uri" | "x-original-path" | "x-original-method"
            | "x-original-host" | "x-original-proto" | "x-original-forwarded-for"
            | "x-original-remote-addr" | "x-rewrite-url" | "x-rewrite-uri" | "x-host"
            | "x-host-override" | "x-http-host-override" | "x-scheme" | "x-url-scheme"
            // and of the address
            | "x-real-ip" | "x-client-ip" | "x-cluster-client-ip" | "x-remote-ip"
            | "x-remote-addr" | "x-originating-ip" | "x-azure-clientip" | "x-proxyuser-ip"
            | "x-forwarded" | "x-client-cert" => Self::OfProxies,
            _ if ["x-forwarded-", "x-envoy-", "x-ssl-"].iter().any(|of| name.starts_with(of)) => {
                Self::OfProxies
            }
            _ => Self::Passes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_that_are_kept_for_each_kind_of_client() {
        for (names, stranger, proxy) in [
            (&["accept", "x-own", "x_own", "x.own", "tracestate", "x-introspect"][..], true, true),
            (&["x-request-id", "X_Request_Id", "traceparent", "proxy", "Proxy"], false, false),
            (&["X-HTTP-Method-Override", "X_HTTP_Method_Override", "x.http.method"], false, false),
            (&["X-Forwarded-For", "X_Forwarded_For", "x-forwarded_proto"], false, false),
            (&["Forwarded", "X-Forwarded-Prefix", "X-Real-IP", "X-Original-URL"], false, true),
            (&["X-Rewrite-URL", "X-HTTP-Host-Override", "Client-Cert", "X-SSL-CN"], false, true),
            (&["X_Real_IP", "X.Original.URL", "X_Forwarded_Prefix", "Client_Cert"], false, false),
            (&["content-length", "transfer-encoding", "content-type", "te"], true, true),
            (&["Content_Length", "Transfer_Encoding", "Content.Type", "Keep_Alive"], false, false),
            (
                &["Proxy_Authorization", "HTTP2_Settings", "Access_Control.Request-Method"],
                false,
                false,
            ),
        ] {
            for name in names {
                let header = HeaderName::try_from(*name);
                let left = |trusted| header.as_ref().is_ok_and(|name| is_left(name, trusted));
                assert_eq!((left(false), left(true)), (stranger, proxy), "{name}");
            }
        }
    }

    #[test]
    fn the_rules_let_common_headers_pass() {
        for name in COMMON {
            assert!(is_left_by_rule(&name, false) && is_left_by_rule(&name, true), "{name}");
        }
    }
}
