//! One metadata document (RFC 9728 §2).

use super::ResourceId;
use crate::extract::{TokenPlace, TokenSettings};
use crate::gate::RouteSettings;
use crate::introspect::ServerSettings;
use crate::policy::{BindingMode, BindingSettings};
use crate::proof::dpop::DpopSettings;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The settings that documents are made from, beside the routes.
pub struct Sources<'s> {
    pub servers: &'s [ServerSettings],
    pub token: &'s TokenSettings,
    pub dpop: &'s DpopSettings,
    /// A listener asks its clients for a certificate.
    pub asks_for_certificates: bool,
}

/// The content of a document.
pub struct ResourceFacts<'s> {
    resource: &'s str,
    issuers: Vec<&'s str>,
    scopes: BTreeSet<&'s str>,
    methods: Vec<&'static str>,
    /// Empty: a covered route takes no proofs.
    dpop_algorithms: Vec<&'s str>,
    dpop_required: bool,
    certificate_bound: bool,
}

impl<'s> ResourceFacts<'s> {
    /// Collects what is said of `routes`, at least one in a useful document.
    pub fn for_resource(
        identifier: &'s ResourceId,
        routes: &[&'s RouteSettings],
        sources: &Sources<'s>,
    ) -> Self {
        let bindings = || routes.iter().map(|route| route.demands.policy.binding);
        let all =
            |demand: fn(BindingSettings) -> bool| !routes.is_empty() && bindings().all(demand);
        let takes_dpop = all(|binding| binding.dpop != BindingMode::Off);
        let names = sources.dpop.names.split(' ').filter(|_| takes_dpop);
        Self {
            resource: identifier.as_str(),
            issuers: issuers(routes, sources.servers),
            scopes: scopes(routes),
            methods: bearer_methods(sources.token),
            dpop_algorithms: names.collect(),
            dpop_required: all(|binding| binding.dpop == BindingMode::Required),
            certificate_bound: all(|binding| binding.mtls == BindingMode::Required)
                || sources.asks_for_certificates && all(|binding| binding.mtls != BindingMode::Off),
        }
    }

    /// The document. Members that would say nothing are left out.
    pub fn to_json(&self) -> Bytes {
        let mut document = json!({
            "resource": self.resource,
            "bearer_methods_supported": self.methods,
        });
        let mut add = |name: &str, value: Value, is_said: bool| {
            if is_said {
                document[name] = value;
            }
        };
        add("authorization_servers", json!(self.issuers), !self.issuers.is_empty());
        add("scopes_supported", json!(self.scopes), !self.scopes.is_empty());
        let algorithms = &self.dpop_algorithms;
        add("dpop_signing_alg_values_supported", json!(algorithms), !algorithms.is_empty());
        add("dpop_bound_access_tokens_required", true.into(), self.dpop_required);
        add("tls_client_certificate_bound_access_tokens", true.into(), self.certificate_bound);
        Bytes::from(document.to_string())
    }
}

/// In the order of the file, each once. A server without `issuer` has no name that clients know.
fn issuers<'s>(routes: &[&RouteSettings], servers: &'s [ServerSettings]) -> Vec<&'s str> {
    let asked: BTreeSet<&str> = routes
        .iter()
        .flat_map(|route| &route.demands.authorization_servers)
        .map(|name| &**name)
        .collect();
    let mut issuers: Vec<&str> = Vec::new();
    for server in servers.iter().filter(|server| asked.contains(&*server.name)) {
        if let Some(issuer) = server.issuer.as_deref()
            && !issuers.contains(&issuer)
        {
            issuers.push(issuer);
        }
    }
    issuers
}

fn scopes<'s>(routes: &[&'s RouteSettings]) -> BTreeSet<&'s str> {
    let policies = routes.iter().map(|route| &route.demands.policy);
    policies
        .flat_map(|policy| policy.scopes.iter().chain(&policy.scopes_any))
        .map(String::as_str)
        .collect()
}

/// The methods of RFC 6750 §2; a header, parameter or cookie of another name is none of them.
fn bearer_methods(token: &TokenSettings) -> Vec<&'static str> {
    let method = |place: &TokenPlace| match place {
        TokenPlace::Authorization => Some("header"),
        TokenPlace::Form => Some("body"),
        TokenPlace::Query(name) if &**name == "access_token" => Some("query"),
        TokenPlace::Header(_) | TokenPlace::Query(_) | TokenPlace::Cookie(_) => None,
    };
    token.from.iter().filter_map(method).collect()
}
