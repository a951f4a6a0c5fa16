//! Explains the outcome of a request: `introgate explain` and `POST /api/explain`.

use crate::clock::Now;
use crate::deny::{Denial, Shape};
use crate::gate::Explained;
use crate::introspect::read_answer;
use crate::policy::Admission;
use crate::request::{Forwarded, RequestView};
use crate::resource::{self, ResourceMetadata};
use crate::route::{Host, Reach, normalise};
use crate::runtime::Runtime;
use crate::token::ActiveFacts;
use crate::upstream::Destination;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr};

/// A request to explain.
pub struct Question {
    method: Method,
    host: String,
    target: String,
    proto: &'static str,
    headers: HeaderMap,
    /// The answer to assume, in place of an introspection.
    response: Option<Vec<u8>>,
}

impl Question {
    /// `url`: `https://HOST/PATH`, or a path alone. Errors are sentences for the user.
    pub fn new<'h>(
        method: &str,
        url: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h str)>,
        response: Option<Vec<u8>>,
    ) -> Result<Self, String> {
        let method = Method::from_bytes(method.as_bytes());
        let method = method.map_err(|_| "the method is invalid; write one such as GET")?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::try_from(name).map_err(|_| "a header has no valid name")?;
            let value = HeaderValue::try_from(value);
            map.append(name, value.map_err(|_| "a header has a value that none can have")?);
        }
        let (proto, rest) = match url.split_once("://") {
            Some(("https", rest)) => ("https", Some(rest)),
            Some(("http", rest)) => ("http", Some(rest)),
            None if url.starts_with('/') => ("http", None),
            _ => return Err("the URL must be https://HOST/PATH, http://HOST/PATH or /PATH".into()),
        };
        let (authority, target) = match rest {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
                let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
                (authority.to_owned(), path)
            }
            None => {
                let host = map.get(header::HOST).and_then(|host| host.to_str().ok());
                (host.unwrap_or_default().to_owned(), url.to_owned())
            }
        };
        let host = match authority.as_str() {
            "" => String::new(),
            written => Host::parse(written.as_bytes()).ok_or("the host is none")?.name.into(),
        };
        Ok(Self { method, host, target, proto, headers: map, response })
    }
}

/// The explanation as JSON, and whether the request would be allowed. An error explains in words
/// why the assumed answer cannot be used.
pub async fn explain(
    runtime: &Runtime,
    question: &Question,
    now: Now,
) -> Result<(Value, bool), String> {
    let assumed = match &question.response {
        None => None,
        Some(body) => {
            Some(read_answer(body).map_err(|error| format!("the response is unusable: {error}"))?)
        }
    };
    let forwarded = Forwarded {
        client: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        proto: HeaderValue::from_static(question.proto),
        host: HeaderValue::try_from(question.host.as_str()).unwrap_or(HeaderValue::from_static("")),
        ..Forwarded::default()
    };
    let target = match normalise(question.target.as_bytes()) {
        Ok(target) => target,
        Err(why) => {
            let denial = Denial::with_detail(crate::deny::Reason::BadRequest, why.sentence());
            let refusal = refusal(&denial, &runtime.challenge, question);
            let explained =
                json!({"decision": "deny", "reason": "bad_request", "refusal": refusal});
            return Ok((explained, false));
        }
    };
    if let Some(metadata) = &runtime.resource_metadata
        && metadata.owns(target.comparable())
    {
        return Ok(of_metadata(runtime, metadata, question, target.comparable()));
    }
    let view = RequestView {
        method: &question.method,
        host: &question.host,
        path: target.comparable(),
        query: target.query,
        public_url: runtime.settings.public_url.as_deref(),
        at: now,
        ..RequestView::bare(&question.headers, &forwarded)
    };
    let mut identity = Vec::new();
    let mut too_large = false;
    let mut seen =
        |facts: &ActiveFacts, server: &str| match runtime.identity.show(facts, server, now) {
            Ok(rendered) => {
                let lines = runtime.identity.parts(&rendered, facts);
                identity.extend(lines.map(|(name, value)| {
                    (name.to_string(), String::from_utf8_lossy(value).into_owned())
                }));
            }
            Err(_) => too_large = true,
        };
    let mut explained = runtime.gate.explain(&view, assumed, now, &mut seen).await;
    if too_large && explained.outcome.as_ref().is_ok_and(is_identified) {
        let denial = Denial::because(crate::deny::Reason::IdentityTooLarge);
        let policy = explained.route.as_ref().map(|route| &route.policy);
        match policy.and_then(|policy| policy.unenforced(&denial)) {
            Some(permit) => {
                explained.outcome = Ok(permit);
                explained.unenforced = Some(denial);
            }
            None => explained.outcome = Err(denial),
        }
    }
    Ok(shown(runtime, question, &view, &explained, identity))
}

/// The gateway answers without asking a route.
fn of_metadata(
    runtime: &Runtime,
    metadata: &ResourceMetadata,
    question: &Question,
    path: &str,
) -> (Value, bool) {
    let mut all = json!({
        "request": {"method": question.method.as_str(), "host": question.host, "path": path},
        "route": resource::ROUTE,
        "token": "not looked at",
    });
    match metadata.respond(&question.method, path) {
        Ok(_) => {
            all["decision"] = "allow".into();
            (all, true)
        }
        Err(denial) => {
            all["decision"] = "deny".into();
            all["reason"] = denial.reason.as_str().into();
            all["refusal"] = refusal(&denial, &runtime.challenge, question);
            (all, false)
        }
    }
}

fn is_identified(permit: &crate::policy::Permit) -> bool {
    permit.admission() == Admission::Identified
}

fn shown(
    runtime: &Runtime,
    question: &Question,
    view: &RequestView<'_>,
    explained: &Explained<Destination>,
    identity: Vec<(String, String)>,
) -> (Value, bool) {
    let route = explained.route.as_ref();
    let checks: Vec<Value> = explained
        .findings
        .iter()
        .map(|finding| {
            let mut check = json!({"check": finding.check});
            check["outcome"] = match (&finding.compared, &finding.outcome) {
                (_, Err(_)) => "fail".into(),
                (None, Ok(())) => "nothing demanded".into(),
                (Some(_), Ok(())) => "pass".into(),
            };
            if let Some(compared) = &finding.compared {
                check["demanded"] = compared.demanded.as_str().into();
                check["found"] = compared.found.as_str().into();
            }
            if let Err(denial) = &finding.outcome {
                check["reason"] = denial.reason.as_str().into();
            }
            check
        })
        .collect();
    let mut all = json!({
        "request": {"method": question.method.as_str(), "host": view.host, "path": view.path},
        "route": route.map(|route| &*route.name),
        "other_routes": others(runtime, view, route.map(|route| &*route.name)),
        "authorization_server": explained.server.as_deref(),
        "token": explained.token,
        "checks": checks,
    });
    let challenge = route.map_or(&runtime.challenge, |route| &*route.challenge);
    if let Some(denial) = explained.unenforced.as_ref().or(explained.outcome.as_ref().err()) {
        all["reason"] = denial.reason.as_str().into();
        all["refusal"] = refusal(denial, challenge, question);
        all["enforced"] = explained.unenforced.is_none().into();
        all["cause"] = denial.cause.as_deref().into();
    }
    let allowed = match &explained.outcome {
        Err(_) => {
            all["decision"] = "deny".into();
            false
        }
        Ok(permit) => {
            let identified = permit.admission() == Admission::Identified;
            all["decision"] = match permit.admission() {
                Admission::Anonymous => "anonymous".into(),
                Admission::Identified | Admission::Unchecked => "allow".into(),
            };
            let headers = if identified { identity } else { Vec::new() };
            all["headers"] =
                headers.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
            true
        }
    };
    (all, allowed)
}

/// The exact refusal.
fn refusal(denial: &Denial, challenge: &crate::deny::Challenge, question: &Question) -> Value {
    let shape = Shape::for_request(&question.method, &question.headers);
    let refusal = denial.respond(challenge, shape, "explained");
    let headers: serde_json::Map<String, Value> = refusal
        .headers
        .iter()
        .filter_map(|(name, value)| Some(((*name).to_owned(), value.to_str().ok()?.into())))
        .collect();
    let body = serde_json::from_slice(&refusal.body).unwrap_or(Value::Null);
    json!({"status": refusal.status.as_u16(), "headers": headers, "body": body})
}

/// Routes whose path matches, and why they are not the one.
fn others(runtime: &Runtime, view: &RequestView<'_>, chosen: Option<&str>) -> Vec<Value> {
    let routes = runtime.settings.routes.iter().filter(|route| Some(&*route.name) != chosen);
    routes
        .filter_map(|route| {
            let why = why_not(&route.reach, view)?;
            Some(json!({"route": &*route.name, "why_not": why}))
        })
        .take(10)
        .collect()
}

fn why_not(reach: &Reach, view: &RequestView<'_>) -> Option<String> {
    if !reach.paths.iter().any(|path| path.parameters(view.path).is_some()) {
        return None;
    }
    let listed = |texts: Vec<String>| texts.join(", ");
    if !reach.hosts.is_empty() && !reach.hosts.iter().any(|host| host.takes(view.host)) {
        let hosts = reach.hosts.iter().map(ToString::to_string).collect();
        return Some(format!("the host is none of {}", listed(hosts)));
    }
    if !reach.methods.is_empty() && !reach.methods.contains(view.method) {
        let methods = reach.methods.iter().map(ToString::to_string).collect();
        return Some(format!("the method is none of {}", listed(methods)));
    }
    Some("matches too, and is less specific".into())
}
