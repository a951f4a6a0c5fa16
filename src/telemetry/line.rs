//! A log line, written member by member: as JSON, or as `name=value`. The names are known and need
//! no escaping, nor do most values.

use super::LogFormat;
use std::fmt;
use std::io::Write as _;
use std::time::Duration;

/// A member's name, with its surrounding text in either form.
#[derive(Clone, Copy)]
pub struct MemberName {
    pub json: &'static str,
    pub text: &'static str,
}

macro_rules! name {
    ($name:literal) => {
        $crate::telemetry::line::MemberName {
            json: concat!(",\"", $name, "\":"),
            text: concat!(" ", $name, "="),
        }
    };
}
pub(super) use name;

pub struct Line {
    text: Vec<u8>,
    format: LogFormat,
}

impl Line {
    pub fn begin(format: LogFormat) -> Self {
        Self { text: Vec::with_capacity(1024), format }
    }

    /// The whole line, its end included.
    pub fn end(mut self) -> Vec<u8> {
        match (self.format, self.text.first_mut()) {
            (LogFormat::Json, Some(comma)) => {
                *comma = b'{';
                self.text.extend_from_slice(b"}\n");
            }
            _ => self.text.push(b'\n'),
        }
        self.text
    }

    /// A text; for none, JSON has `null` and the other form nothing.
    pub fn text(&mut self, name: MemberName, value: Option<&str>) {
        let Some(value) = self.member(name, value) else { return };
        let plain = match self.format {
            LogFormat::Json => false,
            LogFormat::Text => {
                !value.is_empty()
                    && all(value, |byte| byte.is_ascii_graphic() & (byte != b'"') & (byte != b'='))
            }
        };
        if plain {
            self.text.extend_from_slice(value.as_bytes());
        } else {
            self.quoted(value);
        }
    }

    /// A value that displays without characters to escape.
    pub fn shown(&mut self, name: MemberName, value: Option<impl fmt::Display>) {
        let Some(value) = self.member(name, value) else { return };
        let quote: &[u8] = if self.format == LogFormat::Json { b"\"" } else { b"" };
        self.text.extend_from_slice(quote);
        let _ = write!(self.text, "{value}"); // writing to memory does not fail
        self.text.extend_from_slice(quote);
    }

    pub fn number(&mut self, name: MemberName, value: u16) {
        if let Some(value) = self.member(name, Some(value)) {
            self.digits(value.into(), 1);
        }
    }

    pub fn boolean(&mut self, name: MemberName, value: bool) {
        if let Some(value) = self.member(name, Some(value)) {
            self.text.extend_from_slice(if value { b"true" } else { b"false" });
        }
    }

    /// A time in milliseconds, to the microsecond.
    pub fn millis(&mut self, name: MemberName, value: Option<Duration>) {
        let Some(value) = self.member(name, value) else { return };
        let micros = crate::clock::micros(value);
        self.digits(micros / 1000, 1);
        self.text.push(b'.');
        self.digits(micros % 1000, 3);
    }

    /// Begins a member. Gives the value that is to be written, if there is one.
    fn member<V>(&mut self, name: MemberName, value: Option<V>) -> Option<V> {
        match (self.format, &value) {
            (LogFormat::Json, _) => self.text.extend_from_slice(name.json.as_bytes()),
            (LogFormat::Text, Some(_)) => {
                let start = usize::from(self.text.is_empty());
                self.text.extend_from_slice(&name.text.as_bytes()[start..]);
            }
            (LogFormat::Text, None) => {}
        }
        if value.is_none() && self.format == LogFormat::Json {
            self.text.extend_from_slice(b"null");
        }
        value
    }

    fn quoted(&mut self, value: &str) {
        if all(value, |byte| matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')) {
            self.text.push(b'"');
            self.text.extend_from_slice(value.as_bytes());
            self.text.push(b'"');
        } else {
            // a text is always JSON, and writing to memory does not fail
            let _ = serde_json::to_writer(&mut self.text, value);
        }
    }

    /// Decimal digits, with zeros in front where there are fewer than `least`.
    fn digits(&mut self, mut value: u64, least: usize) {
        let mut digits = [b'0'; 20];
        let mut used = 0;
        for digit in digits.iter_mut().rev() {
            *digit = b'0' + u8::try_from(value % 10).unwrap_or_default();
            value /= 10;
            used += 1;
            if value == 0 && used >= least {
                break;
            }
        }
        self.text.extend_from_slice(&digits[digits.len() - used..]);
    }
}

/// Looks at every byte, without stopping early: so the processor looks at many at once.
fn all(text: &str, fits: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |all, byte| all & fits(byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(format: LogFormat, fill: impl FnOnce(&mut Line)) -> String {
        let mut line = Line::begin(format);
        fill(&mut line);
        String::from_utf8_lossy(&line.end()).into_owned()
    }

    fn example(line: &mut Line) {
        line.shown(name!("ip"), Some(std::net::Ipv4Addr::LOCALHOST));
        line.text(name!("path"), Some("/a b"));
        line.text(name!("none"), None);
        line.text(name!("empty"), Some(""));
        line.text(name!("route"), Some("all"));
        line.number(name!("status"), 200);
        line.millis(name!("took"), Some(Duration::from_micros(12_034)));
        line.millis(name!("short"), Some(Duration::from_nanos(1)));
        line.millis(name!("never"), None);
    }

    #[test]
    fn both_forms() {
        assert_eq!(
            line(LogFormat::Json, example),
            "{\"ip\":\"127.0.0.1\",\"path\":\"/a b\",\"none\":null,\"empty\":\"\",\"route\":\"all\",\"status\":200,\"took\":12.034,\"short\":0.000,\"never\":null}\n"
        );
        assert_eq!(
            line(LogFormat::Text, example),
            "ip=127.0.0.1 path=\"/a b\" empty=\"\" route=all status=200 took=12.034 short=0.000\n"
        );
    }

    proptest! {
        #[test]
        fn every_text_can_be_read_back_and_no_line_is_broken(text in "(?s).{0,20}|[ -~]{0,20}", number in any::<u16>(), micros in any::<u32>()) {
            let fill = |line: &mut Line| {
                line.text(name!("a"), Some(&text));
                line.number(name!("n"), number);
                line.millis(name!("ms"), Some(Duration::from_micros(micros.into())));
            };
            let json = line(LogFormat::Json, fill);
            let read: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
            prop_assert_eq!((read["a"].as_str(), read["n"].as_u64()), (Some(text.as_str()), Some(number.into())));
            prop_assert!(read["ms"].as_f64().is_some_and(|millis| (millis * 1000.0 - f64::from(micros)).abs() < 0.5));
            for line in [json, line(LogFormat::Text, fill)] {
                prop_assert_eq!(line.matches(['\n', '\r']).count(), 1);
            }
        }
    }
}
