//! One request and its response, from the first phase to the last.

use super::body_limit::BodyLimit;
use super::trace::{IdValue, TraceContext};
use crate::cache::{Entry, StreamEnd};
use crate::clock::Now;
use crate::deny::Reason;
use crate::gate::Trail;
use crate::identity::Rendered;
use crate::per_thread::{Counted, Handle, Spread};
use crate::policy::Permit;
use crate::request::Forwarded;
use crate::runtime::{Process, RouteHandle, Runtime};
use crate::upstream::{Aim, Attempts, PeerServer};
use compact_str::CompactString;
use http::StatusCode;
use pingora_core::Result;
use pingora_error::ErrorType;
use pingora_http::ResponseHeader;
use std::sync::Arc;

pub struct Exchange {
    pub process: Handle<Process>,
    /// The configuration that this request began with; a reload changes nothing for it.
    pub runtime: Handle<Runtime>,
    pub began: Now,
    pub request_id: IdValue,
    pub trace: TraceContext,
    /// Another proxy asks about the request; its account of the request is believed.
    pub on_behalf: bool,
    pub trusted_peer: bool,
    pub forwarded: Forwarded,
    /// The name that routes are matched by; empty where the client named none.
    pub host: CompactString,
    /// The host and port of the request target, where the client sent no `Host`.
    pub authority: Option<String>,
    /// In normal form, and the query as it came; empty until they were read.
    pub path: CompactString,
    pub query: Option<CompactString>,
    pub route: Option<RouteHandle>,
    pub trail: Trail,
    pub permit: Option<Permit>,
    /// The answer, and the headers that were rendered from it.
    pub identity: Option<(Arc<Entry>, Arc<Rendered>)>,
    pub reason: Option<Reason>,
    /// Why the response ended before its upstream ended it.
    pub end: Option<StreamEnd>,
    /// The path belongs to the resource metadata, and to no route.
    pub is_for_metadata: bool,
    /// The response must be kept out of shared caches.
    pub private: bool,
    pub upstream: UpstreamTrail,
    /// Of the request.
    pub body: BodyLimit,
    /// For a graceful stop.
    _in_flight: Counted,
}

/// The upstream's side of the exchange.
#[derive(Default)]
pub struct UpstreamTrail {
    pub attempts: Attempts,
    /// The last attempt, if its connection failed.
    pub failed: Option<(Aim, ErrorType)>,
    /// Where the last attempt went.
    pub aim: Option<Aim>,
    pub began: Option<Now>,
    pub answered: Option<(Now, StatusCode)>,
}

impl Exchange {
    pub fn begin(process: &Spread<Process>) -> Self {
        Self::under(process, process.runtime.load().handle())
    }

    /// Under a configuration that was in force just now.
    pub fn under(process: &Spread<Process>, runtime: Handle<Runtime>) -> Self {
        Self {
            runtime,
            began: process.parts.clock.now(),
            request_id: IdValue::default(),
            trace: TraceContext::default(),
            on_behalf: false,
            trusted_peer: false,
            forwarded: Forwarded::default(),
            host: CompactString::const_new(""),
            authority: None,
            path: CompactString::const_new(""),
            query: None,
            route: None,
            trail: Trail::default(),
            permit: None,
            identity: None,
            reason: None,
            end: None,
            is_for_metadata: false,
            private: false,
            upstream: UpstreamTrail::default(),
            body: BodyLimit::default(),
            _in_flight: process.in_flight.one(),
            process: process.handle(),
        }
    }

    pub fn now(&self) -> Now {
        self.process.parts.clock.after(self.began)
    }

    pub fn request_id(&self) -> &str {
        self.request_id.as_str()
    }

    pub fn upstream_answered(&mut self, status: StatusCode) {
        if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
            self.upstream.answered = Some((self.now(), status));
        }
    }

    /// Sets the headers that the gateway adds to the upstream's response.
    pub fn add_to_response(&self, response: &mut ResponseHeader) -> Result<()> {
        match &self.trail.nonce {
            Some(nonce) => response.insert_header("DPoP-Nonce", nonce.clone()),
            None => Ok(()),
        }
    }

    /// The upstream's server that was tried last.
    pub fn server(&self) -> Option<&PeerServer> {
        self.route.as_ref()?.leads_to.upstream.server(self.upstream.aim?)
    }

    pub fn upstream_is_up(&self, up: bool) {
        if let (Some(route), Some(server)) = (&self.route, self.server()) {
            let upstream = &route.leads_to.upstream.settings.name;
            self.process
                .parts
                .metrics
                .upstream_up
                .with_label_values(&[upstream, server.label()])
                .set(up.into());
        }
    }

    /// The upstream's server is left out after failed connections, or is back.
    pub fn upstream_is_good(&self, good: bool) {
        let (Some(route), Some(server)) = (&self.route, self.server()) else { return };
        let (upstream, label) = (&*route.leads_to.upstream.settings.name, &**server.label());
        let good = good && server.health.is_checked_good();
        self.process
            .parts
            .metrics
            .upstream_healthy
            .with_label_values(&[upstream, label])
            .set(good.into());
        if good {
            tracing::info!(upstream, server = label, "connections to a server succeed again");
        } else {
            tracing::warn!(
                upstream,
                server = label,
                "connections to a server fail; others are preferred"
            );
        }
    }
}
