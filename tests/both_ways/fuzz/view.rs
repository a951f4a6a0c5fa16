//! A case as the client and the service saw it, without the parts that differ between runs.

use crate::support::Request;

#[derive(Debug)]
pub struct Seen {
    pub client: View,
    pub service: Vec<Request>,
}

/// The responses on a connection, in their order.
#[derive(Debug, PartialEq)]
pub struct View {
    responses: Vec<Response>,
    closed: bool,
}

#[derive(Debug, PartialEq)]
struct Response {
    status: String,
    headers: Vec<String>,
    body: Body,
}

#[derive(Debug, PartialEq)]
enum Body {
    Whole(String),
    /// How much comes before a response breaks off depends on the moment.
    Broken,
}

impl View {
    pub fn of(raw: &[u8], methods: &[String], closed: bool) -> View {
        let (mut rest, mut responses) = (raw, Vec::new());
        let mut methods = methods.iter();
        let mut method = methods.next();
        while !rest.is_empty() {
            let Some((response, after)) = take(rest, method.map_or("GET", |m| m), closed) else {
                responses.push(Response {
                    status: format!("not a response: {}", text(rest).escape_debug()),
                    headers: Vec::new(),
                    body: Body::Broken,
                });
                break;
            };
            if !response.status.starts_with('1') {
                method = methods.next();
            }
            // an interim response may be dropped when the final one comes with it and is refused
            if response.status.starts_with("502") || response.body == Body::Broken {
                while responses.last().is_some_and(|last: &Response| last.status.starts_with('1')) {
                    responses.pop();
                }
            }
            // whether a response breaks off before or behind its head is a matter of moments
            let failed = response.body == Body::Broken || response.status.starts_with("502");
            if failed {
                let headers = Vec::new();
                responses.push(Response { status: "failed".into(), headers, body: Body::Broken });
                return View { responses, closed };
            }
            responses.push(response);
            rest = after;
        }
        View { responses, closed }
    }
}

fn take<'r>(raw: &'r [u8], method: &str, closed: bool) -> Option<(Response, &'r [u8])> {
    let end = raw.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (head, mut rest) = (String::from_utf8_lossy(&raw[..end]).into_owned(), &raw[end + 4..]);
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.to_owned();
    let lines: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let value = |name: &str| lines.iter().find(|line| line.0 == name).map(|line| &*line.1);
    // a mutated method may be another one
    let no_body = rest.is_empty() || rest.starts_with(b"HTTP/1.");
    let none =
        (method == "HEAD" && no_body) || ["1", "204", "304"].iter().any(|s| status.starts_with(s));
    let body = if none {
        Body::Whole(String::new())
    } else if value("transfer-encoding") == Some("chunked") {
        match chunks(rest) {
            Some((body, after)) => {
                rest = after;
                Body::Whole(body)
            }
            None => {
                rest = &[];
                Body::Broken
            }
        }
    } else if let Some(length) = value("content-length").and_then(|n| n.parse::<usize>().ok()) {
        match rest.split_at_checked(length) {
            Some((body, after)) => {
                rest = after;
                Body::Whole(text(body))
            }
            None => {
                rest = &[];
                Body::Broken
            }
        }
    } else {
        let all = std::mem::take(&mut rest);
        if closed { Body::Whole(text(all)) } else { Body::Broken }
    };
    let mut headers: Vec<String> = lines
        .iter()
        .map(|(name, value)| match name.as_str() {
            "date" | "x-request-id" => format!("{name}: …"),
            // of a refusal, whose request id differs
            "content-length" if head.contains("problem+json") => format!("{name}: …"),
            _ => format!("{name}: {value}"),
        })
        .collect();
    headers.sort();
    Some((Response { status, headers, body }, rest))
}

/// A body without the id of a refusal. Where a response was read with the wrong method, the head of
/// the next one is in it: its date and its id are left out too.
fn text(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body).into_owned();
    let text = match text.find("\"request_id\"") {
        Some(at) => &text[..at],
        None => &text,
    };
    let lines = text.split_inclusive("\r\n");
    lines
        .filter(|line| !line.starts_with("Date: ") && !line.starts_with("X-Request-Id: "))
        .collect()
}

fn chunks(mut rest: &[u8]) -> Option<(String, &[u8])> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).ok()?, 16).ok()?;
        rest = &rest[end + 2..];
        let (data, after) = rest.split_at_checked(size)?;
        rest = after.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some((text(&body), rest));
        }
        body.extend_from_slice(data);
    }
}

impl Seen {
    /// The first difference, in words.
    pub fn differs(&self, other: &Seen) -> Option<String> {
        // a request whose end does not come waits for as long as the client does, which is a matter
        // of moments
        let (one, two) = (&self.client, &other.client);
        if !one.closed || !two.closed {
            let both = one.responses.iter().zip(&two.responses);
            let differ = both.filter(|(one, two)| one != two).count();
            return (differ > 0).then(|| format!("client: {one:#?}\nelse: {two:#?}"));
        }
        if self.client != other.client {
            return Some(format!("client: {:#?}\nelse: {:#?}", self.client, other.client));
        }
        let (one, two) = (told(&self.service), told(&other.service));
        (one != two).then(|| format!("service: {one:#?}\nelse: {two:#?}"))
    }
}

fn told(requests: &[Request]) -> Vec<String> {
    requests
        .iter()
        .map(|request| {
            let mut lines: Vec<String> = request
                .headers
                .iter()
                .map(|(name, value)| match name.to_ascii_lowercase() {
                    name if name == "traceparent" || name == "x-request-id" => format!("{name}: …"),
                    name => format!("{name}: {value}"),
                })
                .collect();
            lines.sort();
            let body = String::from_utf8_lossy(&request.body);
            format!("{} {} {lines:?} {body:?}", request.method, request.target)
        })
        .collect()
}
