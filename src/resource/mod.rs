//! Protected resource metadata (RFC 9728): documents that tell clients which authorization servers
//! issue tokens for the routes, with which scopes and in which form. They are made once for each
//! configuration, from the file alone.

mod coverage;
mod document;
mod identifier;

pub use coverage::Coverage;
pub use identifier::{ResourceId, WELL_KNOWN};

use crate::deny::{Denial, OwnResponse, Reason};
use crate::telemetry::{Metrics, RouteMetrics};
use bytes::Bytes;
use document::ResourceFacts;
use http::{HeaderValue, Method, StatusCode};
use std::collections::HashMap;
use std::sync::Arc;

pub use document::Sources;

/// The `route` label of requests for metadata, in logs and metrics.
pub const ROUTE: &str = "protected-resource-metadata";

/// All documents of one configuration.
pub struct ResourceMetadata {
    /// By the path of a request, in the form that routes are matched by.
    documents: HashMap<String, Bytes>,
    /// Of requests for metadata.
    pub metrics: RouteMetrics,
}

impl ResourceMetadata {
    /// Makes the documents.
    pub fn new(coverage: &Coverage<'_>, sources: &Sources<'_>, metrics: &Arc<Metrics>) -> Self {
        let mut documents = HashMap::new();
        for (identifier, routes) in coverage.identifiers() {
            let body = ResourceFacts::for_resource(identifier, &routes, sources).to_json();
            // RFC 9728 §3.1: a slash behind the host is no part of the path
            if identifier.path().is_empty() {
                documents.insert(format!("{WELL_KNOWN}/"), body.clone());
            }
            documents.insert(identifier.metadata_path(), body);
        }
        let metrics = RouteMetrics::new(metrics, &ROUTE.into(), &"-".into());
        Self { documents, metrics }
    }

    /// Whether a path belongs to the metadata: no route is asked about it. `path` is in the form
    /// that routes are matched by.
    pub fn owns(&self, path: &str) -> bool {
        path.strip_prefix(WELL_KNOWN).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The response to a request for a path that [`Self::owns`]. Anybody may read the documents,
    /// scripts of other sites included (RFC 9728 §3, Fetch §3.2).
    ///
    /// Errors: there is no such document, or the method is not GET, HEAD or OPTIONS.
    pub fn respond(&self, method: &Method, path: &str) -> Result<OwnResponse, Denial> {
        let body = self.documents.get(path).ok_or(Denial::because(Reason::NoRoute))?;
        let fixed = HeaderValue::from_static;
        let mut headers = vec![("Access-Control-Allow-Origin", fixed("*"))];
        match *method {
            Method::GET | Method::HEAD => {
                headers.push(("Cache-Control", fixed("public, max-age=300")));
                headers.push(("Content-Type", fixed("application/json")));
                let sent = if *method == Method::HEAD { Bytes::new() } else { body.clone() };
                Ok(OwnResponse { status: StatusCode::OK, headers, body: sent, length: body.len() })
            }
            Method::OPTIONS => {
                headers.push(("Allow", fixed("GET, HEAD, OPTIONS")));
                headers.push(("Access-Control-Allow-Methods", fixed("GET, HEAD, OPTIONS")));
                headers.push(("Access-Control-Allow-Headers", fixed("*")));
                headers.push(("Access-Control-Max-Age", fixed("86400")));
                let (status, body) = (StatusCode::OK, Bytes::new());
                Ok(OwnResponse { status, headers, body, length: 0 })
            }
            _ => Err(Denial::because(Reason::NoRoute)),
        }
    }
}
