//! Finds the end of a header section while it comes in, and holds it to the listener's limits.

use super::field_syntax::is_tchar;
use crate::listen::Limits;

/// How much of a header section was looked at. No byte is looked at twice, also where a client
/// sends each one alone.
#[derive(Default)]
pub struct HeaderSection {
    /// Where the line begins whose end was not seen yet.
    line: usize,
    /// Bytes in which there is no further line end.
    searched: usize,
    /// Lines that ended, the request line included.
    lines: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The section is complete, or invalid: then the parser reports it.
    Whole,
    /// The end has not come yet.
    Partly,
    /// It has more bytes or more lines than the listener allows.
    TooLarge,
}

impl HeaderSection {
    /// `read` is everything that was read since the section began.
    pub fn progress(&mut self, read: &[u8], limits: &Limits) -> Progress {
        while let Some(end) = self.next_line_end(read) {
            let line = read.get(self.line..end).unwrap_or_default();
            let is_empty = matches!(line, [] | [b'\r']);
            self.line = end + 1;
            if self.lines == 0 && line.first().is_some_and(|&first| !begins_a_request(first)) {
                return Progress::Whole;
            }
            if self.line > limits.header_size {
                return Progress::TooLarge;
            }
            match (is_empty, self.lines) {
                // RFC 9112 §2.2: empty lines before the request line are ignored
                (true, 0) => {}
                (true, _) => return Progress::Whole,
                (false, 0) if !is_request_line(line) => return Progress::Whole,
                (false, _) => self.lines += 1,
            }
            if self.lines > limits.headers + 1 {
                return Progress::TooLarge;
            }
        }
        match read.get(self.line) {
            Some(&first) if self.lines == 0 && !begins_a_request(first) => Progress::Whole,
            _ if read.len() > limits.header_size => Progress::TooLarge,
            _ => Progress::Partly,
        }
    }

    fn next_line_end(&mut self, read: &[u8]) -> Option<usize> {
        let from = self.searched.max(self.line);
        match memchr::memchr(b'\n', read.get(from..)?) {
            Some(at) => Some(from + at),
            None => {
                self.searched = read.len();
                None
            }
        }
    }
}

/// A method's first byte (RFC 9110 §5.6.2), or a line end. A TLS handshake has another one.
fn begins_a_request(byte: u8) -> bool {
    is_tchar(byte) || byte == b'\r'
}

/// Without this a client that speaks another protocol waits for its answer until the time is up.
fn is_request_line(line: &[u8]) -> bool {
    let mut parts = line.trim_ascii_end().rsplitn(2, |&byte| byte == b' ');
    matches!(parts.next(), Some(version) if version.starts_with(b"HTTP/1."))
        && parts.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\r\n";

    fn limits(header_size: usize, headers: usize) -> Limits {
        Limits { header_size, headers, ..Limits::default() }
    }

    /// In one piece; and byte by byte, up to the first byte that decides.
    fn progress(text: &str, limits: &Limits) -> Progress {
        let whole = HeaderSection::default().progress(text.as_bytes(), limits);
        let mut section = HeaderSection::default();
        let by_byte = (1..=text.len())
            .map(|end| section.progress(&text.as_bytes()[..end], limits))
            .find(|progress| *progress != Progress::Partly);
        assert_eq!(by_byte.unwrap_or(Progress::Partly), whole, "{text:?}");
        whole
    }

    #[test]
    fn a_section_ends_with_an_empty_line() {
        for text in [
            REQUEST,
            "\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\nHost: a\n\n",
            "GET / HTTP/1.1\r\nHost: a\n\r\n",
        ] {
            let limits = limits(64 * 1024, 100);
            assert_eq!(progress(text, &limits), Progress::Whole);
            assert_eq!(progress(&text[..text.len() - 1], &limits), Progress::Partly, "{text:?}");
        }
        for text in ["", "\r\n\r\n", "\r", "G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nX: \r\r"] {
            assert_eq!(progress(text, &limits(64 * 1024, 100)), Progress::Partly, "{text:?}");
        }
    }

    #[test]
    fn limits_hold_exactly() {
        let length = REQUEST.len();
        for (size, headers, expected) in [
            (length, 2, Progress::Whole),
            (length - 1, 2, Progress::TooLarge),
            (length, 1, Progress::TooLarge),
        ] {
            assert_eq!(progress(REQUEST, &limits(size, headers)), expected, "{size} {headers}");
        }
        let endless = format!("GET /{} HTTP/1.1\r\n", "a".repeat(2000));
        assert_eq!(progress(&endless, &limits(1000, 100)), Progress::TooLarge);
        assert_eq!(progress(&"\r\n".repeat(501), &limits(1000, 100)), Progress::TooLarge);
    }

    #[test]
    fn a_client_that_speaks_another_protocol_is_not_waited_for() {
        for text in
            ["\u{16}\u{3}\u{1}", "SSH-2.0-x\r\n", "GET /\r\n", "EHLO a\r\n", " GET / HTTP/1.1"]
        {
            assert_eq!(progress(text, &Limits::default()), Progress::Whole, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn pieces_decide_as_the_whole_does(
            text in "(GET|\r\n|é| )?[a-z /]{0,9}(HTTP/1.1)?(\r\n|\n)?([A-Za-z: \r]{0,9}(\r\n|\n)){0,5}(\r\n|\n)?",
            size in 1..60_usize,
            headers in 1..4_usize,
        ) {
            progress(&text, &limits(size, headers));
        }

        /// Else the parser would read on without these limits.
        #[test]
        fn the_parser_needs_no_more_than_a_whole_section(
            text in "(GET|\r\n|é| |\u{16}|\u{0}){0,2}[a-z /]{0,9}(HTTP/1.[01x]|HTTP/1)?( |\r)?(\r\n|\n)?([A-Za-z: \r\t]{0,9}(\r\n|\n)){0,5}(\r\n|\n|\r)?",
        ) {
            if progress(&text, &Limits::default()) == Progress::Whole {
                let mut lines = [httparse::EMPTY_HEADER; 16];
                let parsed = httparse::Request::new(&mut lines).parse(text.as_bytes());
                prop_assert!(!matches!(parsed, Ok(httparse::Status::Partial)), "{text:?}");
            }
        }
    }
}
