//! A text that must never be seen: client secrets, our own tokens, admin tokens.

use std::fmt;
use zeroize::Zeroizing;

/// A secret text. It has no `Display`, its `Debug` prints `[redacted]`, and its memory is
/// overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the same text, in time that depends on the lengths alone.
    pub fn matches(&self, other: &str) -> bool {
        let (ours, theirs) = (blake3::hash(self.0.as_bytes()), blake3::hash(other.as_bytes()));
        ours == theirs // blake3::Hash compares in constant time
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret:?} {:#?}", Some(&secret)).matches("hunter2").count(), 0);
    }

    #[test]
    fn matching_needs_the_whole_text() {
        assert!(Secret::new("abc").matches("abc"));
        assert!(!Secret::new("abc").matches("ab"));
        assert!(!Secret::new("abc").matches(""));
    }
}
