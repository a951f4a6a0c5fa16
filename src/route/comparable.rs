//! The form of a path in which two paths are compared: one text for all ways to write the same
//! path.

use std::borrow::Cow;

/// Decodes the escapes of characters that may be raw in a path (RFC 3986 §3.3 `pchar`), and escapes
/// all others, with digits in upper case. `/` separates segments; `%2F` is a character of its
/// segment.
///
/// `path` is printable ASCII whose escapes are whole. The result is for matching only: services
/// differ in how they read the two forms, so the forwarded path stays as it came.
pub fn comparable(path: &str) -> Cow<'_, str> {
    if path.bytes().all(|byte| is_raw(byte) || byte == b'/') {
        return Cow::Borrowed(path);
    }
    let mut form = String::with_capacity(path.len() + 8);
    let mut rest = path.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let (byte, escaped, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, true, after),
                _ => (first, false, &rest[1..]),
            },
            _ => (first, false, after),
        };
        if is_raw(byte) || byte == b'/' && !escaped {
            form.push(char::from(byte));
        } else {
            form.push('%');
            form.extend([byte >> 4, byte & 15].map(hex));
        }
        rest = after;
    }
    // a text that was in this form already is borrowed
    if form == path { Cow::Borrowed(path) } else { Cow::Owned(form) }
}

/// The path as servers read it that cut the parameters (`;`) off each segment: `None` where it has
/// none. `comparable` is a path in the form that [`comparable`] makes.
pub fn without_parameters(comparable: &str) -> Option<String> {
    if !comparable.contains(';') {
        return None;
    }
    let mut bare = String::with_capacity(comparable.len());
    let mut directory = true;
    for segment in comparable.split('/').skip(1) {
        let name = segment.split(';').next().unwrap_or_default();
        directory = name.is_empty();
        if !directory {
            bare.push('/');
            bare.push_str(name);
        }
    }
    if directory {
        bare.push('/');
    }
    Some(bare)
}

/// `pchar` without `%`.
fn is_raw(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:@!$&'()*+,;=".contains(&byte)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn hex(nibble: u8) -> char {
    char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::normalise;
    use proptest::prelude::*;

    #[test]
    fn escaped_and_raw_characters_are_one() {
        for (path, form) in [
            ("/v1/items:purge", "/v1/items:purge"),
            ("/v1/items%3Apurge", "/v1/items:purge"),
            ("/v1/items%3apurge", "/v1/items:purge"),
            ("/%3a%40%21%24%26%27%28%29%2a%2b%2c%3b%3d", "/:@!$&'()*+,;="),
            ("/a|b", "/a%7Cb"),
            ("/a%7cb", "/a%7Cb"),
            ("/\"<>^`{|}[]", "/%22%3C%3E%5E%60%7B%7C%7D%5B%5D"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%20b%25", "/a%20b%25"),
            ("/a%2fb/c", "/a%2Fb/c"),
            ("/a%3Fb", "/a%3Fb"),
        ] {
            assert_eq!(comparable(path), form, "{path}");
            assert_eq!(comparable(form), form, "{path}: the form of a form is itself");
        }
        assert!(matches!(comparable("/a%20b"), Cow::Borrowed(_)));
    }

    #[test]
    fn parameters_are_cut_off_each_segment() {
        for (path, bare) in [
            ("/admin;x", Some("/admin")),
            ("/a;x=1/b;y;z/c", Some("/a/b/c")),
            ("/;x/admin", Some("/admin")),
            ("/admin/;x", Some("/admin/")),
            ("/;", Some("/")),
            ("/a;x/", Some("/a/")),
            ("/a/b", None),
        ] {
            assert_eq!(without_parameters(path).as_deref(), bare, "{path}");
        }
    }

    proptest! {
        /// Every byte of a path, raw where the gateway takes it raw, or escaped in either case.
        #[test]
        fn every_way_to_write_a_path_has_one_form(
            bytes in prop::collection::vec(0x21u8..0x7f, 1..12),
            ways in prop::collection::vec(0..3, 12)
        ) {
            let write = |way: &dyn Fn(usize) -> i32| -> String {
                let byte = |(at, &byte): (usize, &u8)| match way(at) {
                    _ if byte == b'/' => "/".to_owned(),
                    0 if !b"%#?\\".contains(&byte) => char::from(byte).to_string(),
                    1 => format!("%{byte:02x}"),
                    _ => format!("%{byte:02X}"),
                };
                format!("/{}", bytes.iter().enumerate().map(byte).collect::<String>())
            };
            let (one, other) = (write(&|_| 0), write(&|at| ways[at]));
            if let (Ok(one), Ok(other)) = (normalise(one.as_bytes()), normalise(other.as_bytes())) {
                prop_assert_eq!(one.comparable(), other.comparable());
            } else {
                // a path that is refused in one form is refused in all
                prop_assert!(normalise(other.as_bytes()).is_err() && normalise(one.as_bytes()).is_err());
            }
        }
    }
}
