//! Refuses a request whose header section is incomplete or malformed.

use super::client::Client;
use super::connection::ConnectionUse;
use super::exchange::Exchange;
use super::fast_path::own_response;
use super::head::Head;
use super::judge::introduce;
use super::refuse::{Prepared, prepare};
use super::report;
use crate::deny::{Denial, Reason};
use crate::per_thread::Spread;
use crate::runtime::Process;
use http::{HeaderMap, Method, Version};

/// Sends the refusal, reports it, and ends the connection. Only the method of the request is used,
/// and only if the request line is complete.
pub async fn refuse(mut client: Client, reason: Reason, process: &Spread<Process>) {
    let mut exchange = Exchange::begin(process);
    let (method, headers) = (method(&client.read), HeaderMap::new());
    let version = Version::HTTP_11;
    let head = Head { method: &method, target: b"", authority: None, version, headers: &headers };
    let _ = introduce(&head, &client.arrival, &mut exchange);
    let Prepared { response: prepared, .. } =
        prepare(head, &Denial::because(reason), &mut exchange);
    let sent = client.write(&own_response(&prepared, ConnectionUse::Ended)).await;
    report::report(&method, sent.is_ok().then_some(prepared.status), &exchange);
    drop(exchange); // the request is over: a stop does not wait for the rest of the client's body
    if sent.is_ok() {
        client.end(false).await;
    }
}

/// `-` where it is not known.
fn method(read: &[u8]) -> Method {
    let mut request = httparse::Request::new(&mut []);
    // it fails for want of header lines, with the request line read
    let _ = request.parse(read);
    request
        .path
        .and(request.method)
        .and_then(|method| Method::from_bytes(method.as_bytes()).ok())
        .or_else(|| Method::from_bytes(b"-").ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_method_is_that_of_a_request_line_that_came_in_whole() {
        for (read, expected) in [
            ("POST / HTTP/1.1\r\nHost: a", "POST"),
            ("HEAD /a?b HTTP/1.1\r\nHost: a\r\n", "HEAD"),
            ("DELETE", "-"),
            ("", "-"),
        ] {
            assert_eq!(method(read.as_bytes()).as_str(), expected, "{read:?}");
        }
    }
}
