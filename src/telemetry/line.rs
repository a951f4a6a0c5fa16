//! A log line, written member by member behind the text that is there: as JSON, or as `name=value`.
//! The names are known and need no escaping, nor do most values.

use std::fmt;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

/// A member's name, with its surrounding text in either form.
#[derive(Clone, Copy)]
pub struct MemberName {
    pub json: &'static str,
    pub quoted: &'static str,
    pub null: &'static str,
    pub text: &'static str,
    pub first: &'static str,
}

macro_rules! name {
    ($name:literal) => {
        const {
            $crate::telemetry::line::MemberName {
                json: concat!(",\"", $name, "\":"),
                quoted: concat!(",\"", $name, "\":\""),
                null: concat!(",\"", $name, "\":null"),
                text: concat!(" ", $name, "="),
                first: concat!($name, "="),
            }
        }
    };
}
pub(super) use name;

/// A line in one of the two forms. The small methods are inlined, so that each name is a constant
/// of known length where it is written.
pub struct Line<'t, const JSON: bool> {
    text: &'t mut Vec<u8>,
    start: usize,
}

/// More than most lines have.
const ROOM: usize = 1024;

impl<'t, const JSON: bool> Line<'t, JSON> {
    /// Begins a line at the end of `text`.
    pub fn begin(text: &'t mut Vec<u8>) -> Self {
        text.reserve(ROOM);
        Self { start: text.len(), text }
    }

    /// Ends the line.
    pub fn end(self) {
        match self.text.get_mut(self.start) {
            Some(comma) if JSON => {
                *comma = b'{';
                self.text.extend_from_slice(b"}\n");
            }
            _ => self.text.push(b'\n'),
        }
    }

    /// A text; for none, JSON has `null` and the other form nothing.
    #[inline(always)]
    pub fn text(&mut self, name: MemberName, value: Option<&str>) {
        let Some(value) = self.present(name, value) else { return };
        self.open(name);
        if JSON {
            quoted_behind_quote(self.text, value);
        } else {
            bare(self.text, value);
        }
    }

    /// A word of the program's own, which needs no escaping in either form.
    #[inline(always)]
    pub fn word(&mut self, name: MemberName, value: Option<&'static str>) {
        let Some(value) = self.present(name, value) else { return };
        self.open(name);
        self.text.extend_from_slice(value.as_bytes());
        self.close();
    }

    /// A value that is written without characters to escape.
    #[inline(always)]
    pub fn shown<V>(
        &mut self,
        name: MemberName,
        value: Option<V>,
        write: impl FnOnce(V, &mut Vec<u8>),
    ) {
        let Some(value) = self.present(name, value) else { return };
        self.open(name);
        write(value, self.text);
        self.close();
    }

    #[inline(always)]
    pub fn number(&mut self, name: MemberName, value: u16) {
        self.unquoted(name);
        self.text.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }

    #[inline(always)]
    pub fn boolean(&mut self, name: MemberName, value: bool) {
        self.unquoted(name);
        self.text.extend_from_slice(if value { b"true" } else { b"false" });
    }

    /// A time in milliseconds, to the microsecond.
    #[inline(always)]
    pub fn millis(&mut self, name: MemberName, value: Option<Duration>) {
        let Some(value) = self.present(name, value) else { return };
        self.unquoted(name);
        write_millis(value, self.text);
    }

    /// The value that is to be written, if there is one.
    #[inline(always)]
    fn present<V>(&mut self, name: MemberName, value: Option<V>) -> Option<V> {
        if JSON && value.is_none() {
            self.text.extend_from_slice(name.null.as_bytes());
        }
        value
    }

    /// The name of a member that is quoted in JSON.
    #[inline(always)]
    fn open(&mut self, name: MemberName) {
        if JSON {
            self.text.extend_from_slice(name.quoted.as_bytes());
        } else {
            self.unquoted(name);
        }
    }

    #[inline(always)]
    fn close(&mut self) {
        if JSON {
            self.text.push(b'"');
        }
    }

    #[inline(always)]
    fn unquoted(&mut self, name: MemberName) {
        let name = match JSON {
            true => name.json,
            false if self.text.len() == self.start => name.first,
            false => name.text,
        };
        self.text.extend_from_slice(name.as_bytes());
    }
}

/// `name=value`: a value with white space or signs of the form's own is quoted.
fn bare(text: &mut Vec<u8>, value: &str) {
    if !value.is_empty() && is_plain(value, b'!', b'=') {
        text.extend_from_slice(value.as_bytes());
    } else {
        text.push(b'"');
        quoted_behind_quote(text, value);
    }
}

/// The rest of a JSON string whose first quote is written.
fn quoted_behind_quote(text: &mut Vec<u8>, value: &str) {
    if is_plain(value, b' ', b'\\') {
        text.reserve(value.len() + 1);
        text.extend_from_slice(value.as_bytes());
        text.push(b'"');
    } else {
        text.pop();
        // a text is always JSON, and writing to memory does not fail
        let _ = serde_json::to_writer(text, value);
    }
}

/// Eight times the same byte.
const fn eight(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// Whether all bytes are visible ASCII from `lowest` on, and neither a quote nor `other`. Looks at
/// eight bytes at a time.
fn is_plain(value: &str, lowest: u8, other: u8) -> bool {
    let bytes = value.as_bytes();
    // the highest bit of each byte that is not plain, and perhaps of bytes above such a byte
    let odd = |eight_bytes: &[u8; 8]| {
        let all = u64::from_le_bytes(*eight_bytes);
        let is = |byte: u8| {
            let difference = all ^ eight(byte);
            difference.wrapping_sub(eight(1)) & !difference
        };
        let below = all.wrapping_sub(eight(lowest)) & !all;
        (all | below | is(b'"') | is(other) | is(0x7f)) & eight(0x80)
    };
    match bytes.last_chunk() {
        // the last eight overlap those before them
        Some(last) => {
            let (whole, _) = bytes.as_chunks();
            whole.iter().fold(odd(last), |found, eight| found | odd(eight)) == 0
        }
        None => bytes
            .iter()
            .all(|&byte| (lowest..0x7f).contains(&byte) && byte != b'"' && byte != other),
    }
}

/// Milliseconds with three decimals.
fn write_millis(value: Duration, text: &mut Vec<u8>) {
    let micros = crate::clock::micros(value);
    text.extend_from_slice(itoa::Buffer::new().format(micros / 1000).as_bytes());
    let [hundreds, tens, ones] = three_digits(micros % 1000);
    text.extend_from_slice(&[b'.', hundreds, tens, ones]);
}

/// Of a number below a thousand.
pub(super) fn three_digits(value: u64) -> [u8; 3] {
    let digit = |digit: u64| b'0' + u8::try_from(digit % 10).unwrap_or_default();
    [digit(value / 100), digit(value / 10), digit(value)]
}

/// An address; most are IPv4 ones.
pub(super) fn write_address(address: IpAddr, text: &mut Vec<u8>) {
    let IpAddr::V4(address) = address else {
        return write_shown(address, text);
    };
    let [first, others @ ..] = address.octets();
    text.extend_from_slice(itoa::Buffer::new().format(first).as_bytes());
    for octet in others {
        text.push(b'.');
        text.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
}

pub(super) fn write_shown(value: impl fmt::Display, text: &mut Vec<u8>) {
    let _ = write!(text, "{value}"); // writing to memory does not fail
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Behind a text, which stays.
    fn line<const JSON: bool>(fill: impl FnOnce(&mut Line<'_, JSON>)) -> String {
        let mut text = b"before".to_vec();
        let mut line = Line::begin(&mut text);
        fill(&mut line);
        line.end();
        let text = String::from_utf8_lossy(&text).into_owned();
        text.strip_prefix("before").map(str::to_owned).unwrap_or_default()
    }

    fn example<const JSON: bool>(line: &mut Line<'_, JSON>) {
        line.shown(name!("ip"), Some(IpAddr::from([127, 0, 0, 1])), write_address);
        line.text(name!("path"), Some("/a b"));
        line.text(name!("none"), None);
        line.text(name!("empty"), Some(""));
        line.word(name!("route"), Some("all"));
        line.number(name!("status"), 200);
        line.millis(name!("took"), Some(Duration::from_micros(12_034)));
        line.millis(name!("short"), Some(Duration::from_nanos(1)));
        line.millis(name!("never"), None);
    }

    #[test]
    fn both_forms() {
        assert_eq!(
            line::<true>(example),
            "{\"ip\":\"127.0.0.1\",\"path\":\"/a b\",\"none\":null,\"empty\":\"\",\"route\":\"all\",\"status\":200,\"took\":12.034,\"short\":0.000,\"never\":null}\n"
        );
        assert_eq!(
            line::<false>(example),
            "ip=127.0.0.1 path=\"/a b\" empty=\"\" route=all status=200 took=12.034 short=0.000\n"
        );
    }

    proptest! {
        #[test]
        fn every_text_can_be_read_back_and_no_line_is_broken(text in "(?s).{0,20}|[ -~]{0,20}", number in any::<u16>(), micros in any::<u32>()) {
            fn fill<const JSON: bool>(line: &mut Line<'_, JSON>, text: &str, number: u16, micros: u32) {
                line.text(name!("a"), Some(text));
                line.number(name!("n"), number);
                line.millis(name!("ms"), Some(Duration::from_micros(micros.into())));
            }
            let json = line::<true>(|line| fill(line, &text, number, micros));
            let read: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
            prop_assert_eq!((read["a"].as_str(), read["n"].as_u64()), (Some(text.as_str()), Some(number.into())));
            prop_assert!(read["ms"].as_f64().is_some_and(|millis| (millis * 1000.0 - f64::from(micros)).abs() < 0.5));
            for line in [json, line::<false>(|line| fill(line, &text, number, micros))] {
                prop_assert_eq!(line.matches(['\n', '\r']).count(), 1);
            }
        }

        #[test]
        fn eight_bytes_at_a_time_are_as_good_as_one(text in "[ -~]{0,40}[\x00-\x7fé]{0,2}[ -~]{0,40}") {
            for (lowest, other) in [(b' ', b'\\'), (b'!', b'=')] {
                let plain = |byte: u8| (lowest..=b'~').contains(&byte) && byte != b'"' && byte != other;
                prop_assert_eq!(is_plain(&text, lowest, other), text.bytes().all(plain));
            }
        }

        #[test]
        fn addresses_and_times_are_as_the_library_shows_them(octets: [u8; 4], groups: [u16; 8], micros: u64) {
            for address in [IpAddr::from(octets), IpAddr::from(groups)] {
                let mut text = Vec::new();
                write_address(address, &mut text);
                prop_assert_eq!(String::from_utf8_lossy(&text), address.to_string());
            }
            let mut text = Vec::new();
            write_millis(Duration::from_micros(micros), &mut text);
            prop_assert_eq!(String::from_utf8_lossy(&text), format!("{}.{:03}", micros / 1000, micros % 1000));
        }
    }
}
