//! The names of identity headers, made once for the life of the process: a name that everybody
//! borrows costs a request nothing, neither a copy nor a count of its users.

use http::HeaderName;
use parking_lot::Mutex;
use std::collections::BTreeSet;

static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());

/// A name that was found to be one. Its text is never given back, which is fine for what stands in
/// a configuration, and for nothing else.
pub fn kept(name: &str) -> HeaderName {
    let name = name.to_ascii_lowercase();
    let mut names = NAMES.lock();
    let kept = names.get(&*name).copied().unwrap_or_else(|| {
        let name: &'static str = name.leak();
        names.insert(name);
        name
    });
    HeaderName::from_static(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_once() {
        let (first, second) = (kept("X-Once"), kept("x-once"));
        assert!(std::ptr::eq(first.as_str(), second.as_str()));
    }
}
