//! `POST /api/explain`: explains the outcome of a request.

use super::purge::body_of_trusted;
use super::respond::{json, problem};
use crate::explain::{Question, explain as explained};
use crate::runtime::Process;
use http::{Response, StatusCode};
use pingora_core::protocols::http::ServerSession;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The request, and perhaps the answer to assume.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainRequest {
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    response: Option<Value>,
}

pub async fn explain(process: &Process, session: &mut ServerSession) -> Response<Vec<u8>> {
    let body = match body_of_trusted(process, session).await {
        Ok(body) => body,
        Err(refused) => return refused.response(),
    };
    let Ok(body) = serde_json::from_slice::<ExplainRequest>(&body) else {
        let detail = "The body must be JSON: method, url, and perhaps headers and response.";
        return problem(StatusCode::BAD_REQUEST, detail);
    };
    let headers = body.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let response = body.response.map(|response| response.to_string().into_bytes());
    let runtime = process.runtime.load_full();
    let question = match Question::new(&body.method, &body.url, headers, response) {
        Ok(question) => question,
        Err(error) => return problem(StatusCode::BAD_REQUEST, &error),
    };
    match explained(&runtime, &question, process.parts.clock.now()).await {
        Ok((explanation, _)) => json(StatusCode::OK, &explanation),
        Err(error) => problem(StatusCode::BAD_REQUEST, &error),
    }
}
