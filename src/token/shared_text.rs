//! One text for an answer and all that was read from it: a part is a place in it, not a copy.

use bytestring::ByteString;
use memchr::{memchr_iter, memmem};
use std::num::NonZeroU32;

/// A text that is still being written.
pub struct Draft(String);

/// The place of a part in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    start: u32,
    /// Never 0: an empty part is placed at the end of the text.
    end: NonZeroU32,
}

impl Draft {
    /// Starts with the text that contains most parts.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The place of `part`: its first occurrence, or the end, where it is appended. `None` beyond 4
    /// GiB.
    pub fn keep(&mut self, part: &str) -> Option<Span> {
        let start = place(self.0.as_bytes(), part.as_bytes()).unwrap_or_else(|| {
            self.0.push_str(part);
            self.0.len() - part.len()
        });
        let end = NonZeroU32::new(u32::try_from(start + part.len()).ok()?)?;
        Some(Span { start: u32::try_from(start).ok()?, end })
    }

    /// The text, copied into as many bytes as it has: an allocator that is asked to make room
    /// smaller may leave it as it is.
    pub fn finish(self) -> ByteString {
        self.0.as_str().into()
    }
}

impl Span {
    /// The part; nothing where `text` is not the one that it was kept in.
    pub fn within(self, text: &ByteString) -> &str {
        text.get(self.start as usize..self.end.get() as usize).unwrap_or_default()
    }
}

/// The first place of `part` in `text`; an empty part has none.
pub fn place(text: &[u8], part: &[u8]) -> Option<usize> {
    let first = *part.first()?;
    if part.len() > SHORT {
        return memmem::find(text, part);
    }
    memchr_iter(first, text).find(|&at| text.get(at..).is_some_and(|rest| rest.starts_with(part)))
}

/// Up to this length, comparing at each possible place is never slow, and cheaper than the
/// preparation of a search with linear worst case.
const SHORT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_is_in_the_text_is_not_added() {
        let mut draft = Draft::new(r#"{"sub":"jdoe","scope":"a  b"}"#.to_owned());
        let length = draft.0.len();
        let spans: Vec<Option<Span>> =
            ["jdoe", "a b", "é", "", "a b", "doe"].iter().map(|part| draft.keep(part)).collect();
        let text = draft.finish();
        let parts: Vec<&str> = spans.into_iter().flatten().map(|span| span.within(&text)).collect();
        assert_eq!(parts, ["jdoe", "a b", "é", "", "a b", "doe"]);
        assert_eq!(text.len(), length + "a bé".len());
    }

    #[test]
    fn short_and_long_parts_are_found_alike() {
        let text = format!("{}ab{}b", "a".repeat(100), "a".repeat(100)).into_bytes();
        for length in [1, 2, 63, 64, 65, 101] {
            for start in 0..text.len() - length {
                let part = &text[start..start + length];
                assert_eq!(
                    place(&text, part),
                    text.windows(length).position(|window| window == part),
                    "{start} {length}"
                );
            }
            assert_eq!(place(&text, "c".repeat(length).as_bytes()), None);
        }
        assert_eq!((place(&text, b""), place(b"", b"a")), (None, None));
    }

    #[test]
    fn a_span_of_another_text_is_empty() {
        let mut draft = Draft::new("{}".to_owned());
        let span = draft.keep("something");
        let other = ByteString::from_static("{}");
        assert_eq!(span.map(|span| span.within(&other)), Some(""));
    }
}
