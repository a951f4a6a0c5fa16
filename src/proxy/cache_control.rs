//! `Cache-Control` of responses to requests whose token was not in a header (RFC 6750 §2.3): a
//! shared cache that knows the URL would send them to other clients.

/// The value that keeps a response out of shared caches, and otherwise keeps the upstream's
/// directives (RFC 9111 §5.2.2).
pub fn private<'l>(lines: impl Iterator<Item = &'l [u8]>) -> Vec<u8> {
    let (mut value, mut is_private) = (Vec::new(), false);
    for directive in lines.flat_map(directives) {
        let name = directive.split(|&byte| byte == b'=').next().unwrap_or_default().trim_ascii();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("public") || is("s-maxage") {
            continue;
        }
        // `private="Name"` is about some headers only
        is_private |= is("no-store") || directive.eq_ignore_ascii_case(b"private");
        add(&mut value, directive);
    }
    if !is_private {
        add(&mut value, b"private");
    }
    value
}

fn add(value: &mut Vec<u8>, directive: &[u8]) {
    if !value.is_empty() {
        value.extend_from_slice(b", ");
    }
    value.extend_from_slice(directive);
}

/// The directives of one line: a comma inside quotes separates nothing.
fn directives(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(move |&byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return true,
            _ => {}
        }
        false
    })
    .map(<[u8]>::trim_ascii)
    .filter(|directive| !directive.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_caches_keep_nothing() {
        for (lines, expected) in [
            (&[][..], "private"),
            (&[""], "private"),
            (&["public"], "private"),
            (&["Public, max-age=60"], "max-age=60, private"),
            (&["max-age=60", "s-maxage=600,"], "max-age=60, private"),
            (&["PRIVATE, max-age=60"], "PRIVATE, max-age=60"),
            (&["no-store"], "no-store"),
            (&["no-cache"], "no-cache, private"),
            (
                &["private=\"A, public\", x=\"\\\",public\""],
                "private=\"A, public\", x=\"\\\",public\", private",
            ),
        ] {
            let value = private(lines.iter().map(|line| line.as_bytes()));
            assert_eq!(String::from_utf8_lossy(&value), expected, "{lines:?}");
        }
    }
}
