//! Request bodies on their way to the service (RFC 9112 §6, §7).

use super::GOOD;
use crate::support::Setup;

/// The service gets what the client sent, in whatever pieces it came.
#[test]
fn bodies_arrive_whole_at_any_pace() {
    let setup = Setup::route("");
    let body = "POST / HTTP/1.1\r\nHost: gateway.test\r\n";
    for (text, expected) in [
        (format!("{body}{GOOD}Content-Length: 10\r\n\r\n0123456789"), "0123456789"),
        (
            format!(
                "{body}{GOOD}Transfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n5;a\r\n56789\r\n0\r\n\r\n"
            ),
            "0123456789",
        ),
    ] {
        for pieces in [1, 2, 3, 7] {
            let mut connection = setup.gateway.connect();
            for piece in text.as_bytes().chunks(text.len().div_ceil(pieces)) {
                connection.send(piece).expect("a piece");
                std::thread::sleep(std::time::Duration::from_millis(15));
            }
            assert_eq!(connection.read_response("POST").expect("an answer").status, 200);
            assert_eq!(String::from_utf8_lossy(&setup.upstream.last().body), expected);
        }
    }
}
