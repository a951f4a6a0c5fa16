//! An authorization server's own metadata, held against its configuration.

use super::DoctorReport;
use crate::introspect::{CalledUrl, Failure, ServerSettings, metadata};
use crate::runtime::CarriedOver;
use serde_json::{Map, Value};

/// Only for servers with an `issuer`, whose introspection is described there.
pub async fn examine(server: &ServerSettings, parts: &CarriedOver, report: &mut DoctorReport<'_>) {
    let Some(method) = server.profile().auth_method else { return };
    match metadata(server, &parts.clock).await {
        None => {}
        Some(Ok(members)) => {
            compare_methods(&members, method, report);
            compare_endpoints(server, &members, report);
        }
        Some(Err(failure)) => not_compared(server, &failure, report),
    }
}

/// RFC 8414 §2: `introspection_endpoint_auth_methods_supported`.
fn compare_methods(members: &Map<String, Value>, method: &str, report: &mut DoctorReport<'_>) {
    let listed = members.get("introspection_endpoint_auth_methods_supported");
    let Some(listed) = listed.and_then(Value::as_array).filter(|listed| !listed.is_empty()) else {
        return;
    };
    let same =
        |theirs: &str| theirs == method || is_by_certificate(theirs) && is_by_certificate(method);
    let words: Vec<&str> =
        listed.iter().filter_map(Value::as_str).filter(|word| is_word(word)).collect();
    if !words.iter().any(|theirs| same(theirs)) {
        report.note(format_args!(
            "client_auth: `{method}` is not among the methods that the server's metadata lists for introspection: {}",
            words.join(", ")
        ));
    }
}

/// Both ways of RFC 8705 look the same from here.
fn is_by_certificate(method: &str) -> bool {
    matches!(method, "tls_client_auth" | "self_signed_tls_client_auth")
}

/// Fit to be printed.
fn is_word(text: &str) -> bool {
    text.len() <= 60
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
}

fn compare_endpoints(
    server: &ServerSettings,
    members: &Map<String, Value>,
    report: &mut DoctorReport<'_>,
) {
    let theirs = members.get("introspection_endpoint").and_then(Value::as_str);
    let mtls = members.get("mtls_endpoint_aliases").and_then(|it| it.get("introspection_endpoint"));
    let theirs: Vec<&str> = theirs.into_iter().chain(mtls.and_then(Value::as_str)).collect();
    let calls = server.profile().calls;
    let discovered = calls.iter().any(|call| matches!(call, CalledUrl::FoundBy(_)));
    let named = calls.iter().any(|call| theirs.contains(&call.url().as_str()));
    if !discovered && !named && !theirs.is_empty() {
        report.note(
            "introspection_endpoint: the metadata of `issuer` names another one; is it the same server?",
        );
    }
}

fn not_compared(server: &ServerSettings, failure: &Failure, report: &mut DoctorReport<'_>) {
    let calls = server.profile().calls;
    // where the endpoint is found by the issuer, that is a problem, and reported as one
    if calls.iter().all(|call| matches!(call, CalledUrl::To(_))) {
        report.note(format_args!(
            "issuer: not compared with the server's metadata, which cannot be read ({}); `iss` of answers must be equal to it",
            failure.detail
        ));
    }
}
