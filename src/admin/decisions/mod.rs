//! `GET /api/decisions`: the last decisions as in the access log, newest first, or as they happen.

mod filter;
mod follow;

pub use filter::Filter;
pub use follow::{Followers, follow};

use super::respond::{problem, response};
use crate::runtime::Process;
use http::{Response, StatusCode, header};
use pingora_http::RequestHeader;

/// Whether the request asks for a stream.
pub fn wants_stream(request: &RequestHeader) -> bool {
    let accept = request.headers.get_all(header::ACCEPT).iter();
    accept
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|kind| kind.split(';').next().unwrap_or_default().trim())
        .any(|kind| kind.eq_ignore_ascii_case("text/event-stream"))
}

/// The filter in a request's query.
pub fn filter(request: &RequestHeader) -> Result<Filter, Response<Vec<u8>>> {
    Filter::parse(request.uri.query().unwrap_or_default())
        .map_err(|why| problem(StatusCode::BAD_REQUEST, &why))
}

/// A JSON array.
pub fn list(process: &Process, filter: &Filter) -> Response<Vec<u8>> {
    let decisions = &process.decisions;
    let found = decisions.range(0, decisions.next()).rev().filter(|one| filter.takes(&one.line()));
    let lines: Vec<String> = found.map(|one| one.json()).collect();
    response(StatusCode::OK, "application/json", format!("[{}]\n", lines.join(",\n")))
}
