//! Request smuggling (RFC 9112 §11.2), as a table: the bytes that a client sends, the statuses that
//! it gets, and the requests that the service sees. Bytes that one reader could take for the end of
//! a message, and another one not, are refused, and the bytes behind it are no request.

use crate::support::Setup;

/// `sent` is placed between a request line and the request that hides behind the message.
struct Row {
    what: &'static str,
    sent: &'static str,
    /// Of all responses on the connection; nothing where it was closed without one.
    answers: &'static str,
    /// Method, target and body of each request that the service saw.
    seen: &'static [&'static str],
}

const fn row(
    what: &'static str,
    sent: &'static str,
    answers: &'static str,
    seen: &'static [&'static str],
) -> Row {
    Row { what, sent, answers, seen }
}

/// A row that is refused: nothing reaches the service.
const fn refused(what: &'static str, sent: &'static str) -> Row {
    row(what, sent, "400", &[])
}

/// Sends `POST / HTTP/1.1`, `Host` and `sent`, and behind it a request for `/hidden`.
#[track_caller]
fn check_framing(rows: &[Row]) {
    check(rows, |sent| {
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\n{sent}GET /hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
    });
}

#[track_caller]
fn check(rows: &[Row], whole: impl Fn(&str) -> String) {
    let setup = Setup::route("auth: none");
    let mut wrong = Vec::new();
    for Row { what, sent, answers, seen } in rows {
        let before = setup.upstream.count();
        let bytes: Vec<u8> =
            whole(sent).chars().map(|c| u8::try_from(c).expect("Latin-1")).collect();
        let answer: String = setup.gateway.raw(&bytes).into_iter().map(char::from).collect();
        let statuses: Vec<&str> = answer
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|rest| rest.get(..3).unwrap_or_default())
            .collect();
        let requests: Vec<String> = setup
            .upstream
            .requests()
            .split_off(before)
            .iter()
            .map(|request| {
                let body = String::from_utf8_lossy(&request.body).into_owned();
                format!("{} {} {body}", request.method, request.target)
                    .trim_end_matches(' ')
                    .to_owned()
            })
            .collect();
        if statuses.join(" ") != *answers || requests != *seen {
            wrong.push(format!(
                "{what}: {:?}\n  expected {answers} {seen:?}\n  was      {} {requests:?}",
                whole(sent),
                statuses.join(" ")
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const BOTH: &[&str] = &["POST / hello", "GET /hidden"];

/// §6.3: one length, which is a number.
#[test]
fn section_6_3_content_length() {
    check_framing(&[
        row("one length", "Content-Length: 5\r\n\r\nhello", "200 200", BOTH),
        row("white space around it", "Content-Length: \t 5 \t\r\n\r\nhello", "200 200", BOTH),
        row("no body", "\r\n", "200 200", &["POST /", "GET /hidden"]),
        refused("two lengths", "Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello"),
        refused("the same length twice", "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
        refused("a list", "Content-Length: 5, 5\r\n\r\nhello"),
        refused("a list of two lengths", "Content-Length: 5, 0\r\n\r\nhello"),
        refused("a sign", "Content-Length: +5\r\n\r\nhello"),
        refused("a negative one", "Content-Length: -5\r\n\r\nhello"),
        refused("hexadecimal", "Content-Length: 0x5\r\n\r\nhello"),
        refused("a fraction", "Content-Length: 5.0\r\n\r\nhello"),
        refused("an exponent", "Content-Length: 5e0\r\n\r\nhello"),
        refused("digits and a space", "Content-Length: 5 5\r\n\r\nhello"),
        refused("nothing", "Content-Length:\r\n\r\nhello"),
        refused("a word", "Content-Length: five\r\n\r\nhello"),
        refused("more than 64 bits", "Content-Length: 18446744073709551621\r\n\r\nhello"),
        refused("digits of another script", "Content-Length: \u{b2}5\r\n\r\nhello"),
        refused("a space before the colon", "Content-Length : 5\r\n\r\nhello"),
        refused("a folded line", "Content-Length:\r\n 5\r\n\r\nhello"),
        refused("a folded second length", "Content-Length: 5\r\n 0\r\n\r\nhello"),
        refused("a vertical tab", "Content-Length: \x0b5\r\n\r\nhello"),
        refused("NUL", "Content-Length: 5\0\r\n\r\nhello"),
        refused("behind a bare CR", "X: y\rContent-Length: 5\r\n\r\nhello"),
        row(
            "another spelling of the name",
            "Content_Length: 5\r\n\r\n",
            "200 200",
            &["POST /", "GET /hidden"],
        ),
        row(
            "named by Connection",
            "Connection: Content-Length\r\nContent-Length: 5\r\n\r\nhello",
            "200 200",
            BOTH,
        ),
    ]);
}

/// §6.1: `chunked` alone, and no length beside it.
#[test]
fn section_6_1_transfer_encoding() {
    check_framing(&[
        row(
            "chunked",
            "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "200 200",
            BOTH,
        ),
        row(
            "without case",
            "TRANSFER-ENCODING: CHUNKED\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "200 200",
            BOTH,
        ),
        row(
            "a tab before it",
            "Transfer-Encoding:\tchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "200 200",
            BOTH,
        ),
        refused("CL.TE", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        refused("TE.CL", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
        refused(
            "CL.TE of length 0",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        refused(
            "twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        refused("TE.TE", "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n"),
        refused(
            "TE.TE the other way",
            "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
        refused("a list of one twice", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n"),
        refused("identity", "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n"),
        refused("identity, chunked", "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n"),
        refused("chunked, identity", "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"),
        refused("gzip", "Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n"),
        refused("gzip, chunked", "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        refused("a parameter", "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n"),
        refused("quoted", "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n"),
        refused("a word with it in it", "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"),
        refused("a comma", "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n"),
        refused("nothing", "Transfer-Encoding:\r\n\r\n0\r\n\r\n"),
        refused("a vertical tab", "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n"),
        refused("NUL", "Transfer-Encoding: chunked\0\r\n\r\n0\r\n\r\n"),
        refused("a byte outside ASCII", "Transfer-Encoding: chunked\u{a0}\r\n\r\n0\r\n\r\n"),
        refused("a space before the colon", "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"),
        refused("a line end before the colon", "Transfer-Encoding\r\n : chunked\r\n\r\n0\r\n\r\n"),
        refused("a folded line", "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n"),
        refused("a leading space", " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        refused("folded behind another", "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        refused("behind a bare CR", "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        row(
            "another spelling of the name",
            "Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            "200 200",
            &["POST / 0\r\n\r\n", "GET /hidden"],
        ),
        row(
            "named by Connection",
            "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "200 200",
            BOTH,
        ),
    ]);
}

/// §7.1: a chunk's size, its line end, extensions and trailers.
#[test]
fn section_7_1_chunks() {
    let chunked = |body: &str| {
        format!(
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{body}GET /hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        )
    };
    check(
        &[
            row("two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "200 200", BOTH),
            row("leading zeros", "0005\r\nhello\r\n000\r\n\r\n", "200 200", BOTH),
            row("an extension", "5;a=b\r\nhello\r\n0;c\r\n\r\n", "200 200", BOTH),
            row(
                "a trailer",
                "5\r\nhello\r\n0\r\nX-Introspected-Sub: evil\r\n\r\n",
                "200 200",
                BOTH,
            ),
            refused("0x", "0x5\r\nhello\r\n0\r\n\r\n"),
            refused("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
            refused("a negative size", "-5\r\nhello\r\n0\r\n\r\n"),
            refused("no size", "\r\nhello\r\n0\r\n\r\n"),
            refused("only an extension", ";a\r\nhello\r\n0\r\n\r\n"),
            refused("a word", "five\r\nhello\r\n0\r\n\r\n"),
            refused("a space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
            refused("more than 64 bits", "10000000000000005\r\nhello\r\n0\r\n\r\n"),
            refused("a bare LF behind the size", "5\nhello\r\n0\r\n\r\n"),
            refused("a bare LF behind the data", "5\r\nhello\n0\r\n\r\n"),
            refused("a bare CR behind the size", "5\rhello\r\n0\r\n\r\n"),
            refused("no line end behind the data", "5\r\nhello0\r\n\r\n"),
            refused("two bytes of data instead", "5\r\nhelloXX0\r\n\r\n"),
            refused("a bare LF in an extension", "5;a\nb\r\nhello\r\n0\r\n\r\n"),
            refused("a bare LF at the end", "5\r\nhello\r\n0\n\n"),
        ],
        chunked,
    );
}

/// §2.2, §3, §5: the request line and the lines of the header section.
#[test]
fn section_2_2_and_5_lines() {
    let hidden =
        |head: &str| format!("{head}GET /hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    check(
        &[
            row(
                "two requests",
                "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                "200 200",
                &["GET /", "GET /hidden"],
            ),
            row(
                "an empty line before",
                "\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n",
                "200 200",
                &["GET /", "GET /hidden"],
            ),
            refused("a space before the line", " GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
            refused("two spaces", "GET  / HTTP/1.1\r\nHost: x\r\n\r\n"),
            refused("a tab", "GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n"),
            // RFC 9112 §3: a lenient reader would escape it, and could take another part for the target
            refused("a space in the target", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n"),
            refused("a bare CR", "GET / HTTP/1.1\rHost: x\r\n\r\n"),
            refused("no version", "GET /\r\nHost: x\r\n\r\n"),
            refused("version 0.9", "GET / HTTP/0.9\r\nHost: x\r\n\r\n"),
            refused("version 1.2", "GET / HTTP/1.2\r\nHost: x\r\n\r\n"),
            refused("version 2", "GET / HTTP/2.0\r\nHost: x\r\n\r\n"),
            refused("another case", "GET / http/1.1\r\nHost: x\r\n\r\n"),
            refused("no line at all", ": x\r\n\r\n"),
            refused("a line without a colon", "GET / HTTP/1.1\r\nHost: x\r\nX\r\n\r\n"),
            refused("no name", "GET / HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n"),
            refused("a space in a name", "GET / HTTP/1.1\r\nHost: x\r\nX Y: z\r\n\r\n"),
            refused("NUL in a name", "GET / HTTP/1.1\r\nHost: x\r\nX\0: z\r\n\r\n"),
            refused("NUL in a value", "GET / HTTP/1.1\r\nHost: x\r\nX: \0\r\n\r\n"),
            refused(
                "a bare CR in a value",
                "GET / HTTP/1.1\r\nHost: x\r\nX: a\rX-Introspected-Sub: b\r\n\r\n",
            ),
            refused(
                "a fold",
                "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n X-Introspected-Sub: b\r\n\r\n",
            ),
            refused("a fold by a tab", "GET / HTTP/1.1\r\nHost: x\r\nX: a\r\n\tb\r\n\r\n"),
            refused("a fold of the first line", "GET / HTTP/1.1\r\n Host: x\r\n\r\n"),
            refused("two hosts", "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
            refused("a folded host", "GET / HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"),
            refused("a host and a space before the colon", "GET / HTTP/1.1\r\nHost : x\r\n\r\n"),
            refused("another host in the target", "GET http://y/ HTTP/1.1\r\nHost: x\r\n\r\n"),
            refused("no host beside the target", "GET http://x/ HTTP/1.1\r\n\r\n"),
            row(
                "the same host in the target",
                "GET http://x/ HTTP/1.1\r\nHost: x\r\n\r\n",
                "200 200",
                &["GET /", "GET /hidden"],
            ),
            row(
                "HTTP/1.0 and chunks",
                "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                "400",
                &[],
            ),
        ],
        hidden,
    );
}

/// §2.2 lets a reader take a bare LF for a line end, and the gateway does: in the header section, not
/// in chunks. The service sees the same lines, each ended by CRLF.
#[test]
fn section_2_2_bare_lf() {
    check(
        &[
            row(
                "every line",
                "GET / HTTP/1.1\nHost: x\nX-Introspected-Sub: evil\nConnection: close\n\n",
                "200",
                &["GET /"],
            ),
            row(
                "one line",
                "GET / HTTP/1.1\r\nHost: x\nConnection: close\r\n\r\n",
                "200",
                &["GET /"],
            ),
            row(
                "the end of the section",
                "GET / HTTP/1.1\r\nHost: x\r\nX: y\n\nGET /hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
                "200 200",
                &["GET /", "GET /hidden"],
            ),
            row(
                "a body behind it",
                "POST / HTTP/1.1\nHost: x\nContent-Length: 5\n\nhelloGET /hidden HTTP/1.1\nHost: x\nConnection: close\n\n",
                "200 200",
                BOTH,
            ),
            refused(
                "before a second framing",
                "POST / HTTP/1.1\r\nHost: x\r\nX: y\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            ),
        ],
        str::to_owned,
    );
    let setup = Setup::route("auth: none");
    setup.gateway.raw(b"GET / HTTP/1.1\nHost: x\nX-Introspected-Sub: evil\nConnection: close\n\n");
    assert_eq!(setup.upstream.last().header("x-introspected-sub"), None);
}
