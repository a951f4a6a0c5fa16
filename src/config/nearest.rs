//! The nearest known word for a misspelt one.

use super::path::ShownKey;

/// The most similar of `known`, when one is similar at all.
pub fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let word = word.to_ascii_lowercase();
    let likeness = |known: &str| {
        let known = known.to_ascii_lowercase();
        strsim::normalized_damerau_levenshtein(&word, &known)
            .max(strsim::jaro_winkler(&word, &known) - 0.25)
    };
    let scored = known.into_iter().map(|known| (likeness(known), known));
    scored
        .filter(|(likeness, _)| *likeness >= 0.6)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

/// The end of a message about an unknown word: the nearest known one, or all of a few.
pub fn hint<'k>(word: &str, known: impl IntoIterator<Item = &'k str> + Clone) -> String {
    if let Some(nearest) = nearest(word, known.clone()) {
        return format!("; did you mean `{}`?", ShownKey(nearest));
    }
    let known: Vec<String> =
        known.into_iter().map(|known| format!("`{}`", ShownKey(known))).collect();
    match known.len() {
        0 => String::new(),
        1..=14 => format!("; known here: {}", known.join(", ")),
        _ => "; `introgate schema` lists the known ones".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misspellings_find_their_word() {
        let known = [
            "scopes",
            "scopes_any",
            "audience",
            "authorization_server",
            "introspection_endpoint",
            "timeout",
        ];
        for (word, expected) in [
            ("scope", Some("scopes")),
            ("Scopes", Some("scopes")),
            ("audiance", Some("audience")),
            ("auth_server", Some("authorization_server")),
            ("introspection_url", Some("introspection_endpoint")),
            ("tiemout", Some("timeout")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
    }
}
