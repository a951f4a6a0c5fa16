//! The names of identity headers and of authorization servers, made once for the life of the
//! process: requests borrow the text without a copy and without a reference count.

use http::HeaderName;
use parking_lot::Mutex;
use std::collections::BTreeSet;

static TEXTS: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// A valid header name. Its memory is never freed, which is acceptable for names from a
/// configuration, and for nothing else.
pub fn intern(name: &str) -> HeaderName {
    HeaderName::from_static(intern_text(&name.to_ascii_lowercase()))
}

/// The same of any text that a configuration names.
pub fn intern_text(text: &str) -> &'static str {
    let mut texts = TEXTS.lock();
    texts.get(text).copied().unwrap_or_else(|| {
        let text: &'static str = text.to_owned().leak();
        texts.insert(text);
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_once() {
        let (first, second) = (intern("X-Once"), intern("x-once"));
        assert!(std::ptr::eq(first.as_str(), second.as_str()));
    }
}
