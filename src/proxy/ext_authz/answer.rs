//! The answer to Envoy.

use super::asked::CheckedRequest;
use crate::deny::Denial;
use crate::proxy::client_headers::is_ours;
use crate::proxy::exchange::Exchange;
use crate::proxy::forward::cookies;
use crate::proxy::refuse::{Prepared, prepare_for_proxy};
use envoy_types::ext_authz::v3::pb::{
    CheckResponse, DeniedHttpResponse, HeaderAppendAction, HeaderValue, HeaderValueOption,
    HttpResponse, HttpStatus, OkHttpResponse,
};
use envoy_types::pb::google::protobuf::{Struct, Value, value::Kind};
use envoy_types::pb::google::rpc;
use http::{StatusCode, Version, header};
use tonic::Code;

pub struct CheckAnswer {
    pub response: CheckResponse,
    /// For the log.
    pub status: StatusCode,
}

/// The request passes: with the identity headers, and without the token and the client's own
/// identity headers, in every spelling.
pub fn permit(asked: &CheckedRequest, exchange: &Exchange) -> CheckAnswer {
    let mut ok = OkHttpResponse::default();
    for (name, value) in &asked.headers {
        let name_text = name.as_str();
        if is_ours(name, value, exchange) && !ok.headers_to_remove.iter().any(|n| n == name_text) {
            ok.headers_to_remove.push(name_text.to_owned());
        }
    }
    if let Some(kept) = cookies(&asked.headers, exchange) {
        let kept: Vec<&[u8]> = kept.iter().map(http::HeaderValue::as_bytes).collect();
        match String::from_utf8(kept.join(&b"; "[..])) {
            Ok(kept) if !kept.is_empty() => ok.headers.push(set("cookie", kept)),
            // Envoy takes values in UTF-8 alone: rather no cookies than the token
            _ => ok.headers_to_remove.push(header::COOKIE.to_string()),
        }
    }
    let query = exchange.query.as_deref().unwrap_or_default();
    ok.query_parameters_to_remove = exchange.runtime.gate.token.removed_parameters(query);
    if let Some((entry, rendered)) = &exchange.identity {
        for (name, value) in exchange.runtime.identity.headers(rendered, &entry.facts) {
            ok.headers.push(set(name.as_str(), text(&value)));
        }
    }
    ok.headers.push(set("x-request-id", exchange.request_id().to_owned()));
    // Envoy sets headers first and removes then
    ok.headers_to_remove.retain(|name| !ok.headers.iter().any(|header| sets(header, name)));
    if let Some(nonce) = &exchange.trail.nonce {
        ok.response_headers_to_add.push(set("dpop-nonce", text(nonce)));
    }
    CheckAnswer {
        response: CheckResponse {
            status: Some(status(Code::Ok)),
            http_response: Some(HttpResponse::OkResponse(ok)),
            dynamic_metadata: Some(metadata(exchange)),
        },
        status: StatusCode::OK,
    }
}

/// The refusal that the gateway itself would send. Envoy makes a gRPC status of it where the client
/// speaks gRPC.
pub fn refuse(asked: &CheckedRequest, denial: &Denial, exchange: &mut Exchange) -> CheckAnswer {
    let Prepared { response: refusal, .. } =
        prepare_for_proxy(&asked.method, Version::HTTP_11, denial, exchange);
    let code = match refusal.status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        status if status.is_server_error() => Code::Unavailable,
        _ => Code::PermissionDenied,
    };
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus { code: refusal.status.as_u16().into() }),
        headers: refusal
            .headers
            .iter()
            .map(|(name, value)| set(&name.to_ascii_lowercase(), text(value)))
            .collect(),
        body: String::from_utf8_lossy(&refusal.body).into_owned(),
    };
    CheckAnswer {
        response: CheckResponse {
            status: Some(status(code)),
            http_response: Some(HttpResponse::DeniedResponse(denied)),
            dynamic_metadata: Some(metadata(exchange)),
        },
        status: refusal.status,
    }
}

/// A value of our own, which is visible ASCII.
fn text(value: &http::HeaderValue) -> String {
    value.to_str().unwrap_or_default().to_owned()
}

/// A header that takes the place of all lines of its name. Envoy does not read `raw_value` here.
fn set(name: &str, value: String) -> HeaderValueOption {
    let header = HeaderValue { key: name.to_owned(), value, ..HeaderValue::default() };
    HeaderValueOption {
        header: Some(header),
        append_action: HeaderAppendAction::OverwriteIfExistsOrAdd.into(),
        ..HeaderValueOption::default()
    }
}

fn sets(option: &HeaderValueOption, name: &str) -> bool {
    option.header.as_ref().is_some_and(|header| header.key == name)
}

fn status(code: Code) -> rpc::Status {
    rpc::Status { code: code.into(), ..rpc::Status::default() }
}

/// For Envoy's access log and for other filters.
fn metadata(exchange: &Exchange) -> Struct {
    let facts = exchange.trail.entry.as_ref().map(|entry| &entry.facts);
    let route = exchange.route.as_ref().map(|route| &*route.name);
    let members = [
        ("route", route),
        ("sub", facts.and_then(|facts| facts.subject())),
        ("client_id", facts.and_then(|facts| facts.client_id())),
        ("reason", exchange.reason.map(|reason| reason.as_str())),
    ];
    let fields = members.into_iter().filter_map(|(name, text)| {
        let value = Value { kind: Some(Kind::StringValue(text?.to_owned())) };
        Some((name.to_owned(), value))
    });
    Struct { fields: fields.collect() }
}
