//! No text makes the reader panic, hang or contradict itself.

use super::{EXAMPLE, told, with};
use crate::config::Loaded;
use proptest::prelude::*;

#[test]
fn aliases_do_not_multiply() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let previous = format!("*a{}, ", i - 1);
        text.push_str(&format!("a{i}: &a{i} [{}]\n", previous.repeat(10)));
    }
    assert_eq!(told(&text).len(), 1);
    assert!(told(&text)[0].contains("too much in here"));
}

#[test]
fn depth_is_limited() {
    for deep in [
        "[".repeat(100_000),
        "{a: ".repeat(50_000),
        "- ".repeat(50_000),
        format!("a: {}", "[".repeat(60) + &"]".repeat(60)),
    ] {
        assert_eq!(told(&deep).len(), 1, "{}", &deep[..10]);
    }
    let chain: String = (1..60).map(|i| format!("- &a{i} [*a{}]\n", i - 1)).collect();
    assert!(told(&format!("- &a0 [x]\n{chain}"))[0].contains("too deep"));
}

#[test]
fn aliases_are_read() {
    assert_eq!(
        with(
            "  - {path: /b, upstream: http://b, scopes: &s [a, b]}\n  - {path: /c, upstream: http://b, scopes: *s}\n"
        ),
        [""; 0]
    );
    let wrong = with(
        "  - {path: /b, upstream: http://b, scopes: &s [a b]}\n  - {path: /c, upstream: http://b, scopes: *s}\n",
    );
    assert_eq!(wrong.len(), 2);
}

/// Pieces that mean something in YAML or here.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ \\n\\t:#&*!|>%@`'\"{}\\[\\],?-]{1,3}",
        "\\PC{1,4}",
        Just("${".to_owned()),
        Just("${SECRET}".to_owned()),
        Just("$${".to_owned()),
        Just("~".to_owned()),
        Just("1e999".to_owned()),
        Just("-0".to_owned()),
        Just("18446744073709551616".to_owned()),
        Just("0x1F".to_owned()),
        Just("\n---\n".to_owned()),
        Just("\n...\n".to_owned()),
        Just("<<: *a".to_owned()),
        Just("&a ".to_owned()),
        Just("!!str ".to_owned()),
        Just("\u{2028}".to_owned()),
        Just("\u{feff}".to_owned()),
        Just("\\".to_owned()),
    ]
}

/// `serde_yaml` reads the values and `saphyr-parser` the positions. A file in which they find
/// different keys is refused. This returns whether it was.
fn has_two_readings(loaded: &Loaded) -> bool {
    loaded.problems.iter().any(|problem| problem.message.contains("a different structure"))
}

/// YAML 1.1 ends a line at these characters, YAML 1.2 does not: the key behind the comment here
/// would be read, and no message about it would have a place.
#[test]
fn line_breaks_of_yaml_1_1_are_refused() {
    for c in ['\u{85}', '\u{2028}', '\u{2029}'] {
        let text = format!("version: 1 # a comment{c}threads: 0\n");
        let problems = told(&text);
        assert!(problems.len() == 1 && problems[0].starts_with("1:23: error: "), "{problems:?}");
    }
    assert_eq!(with("realm: \"a\\u2028\"\n").len(), 1, "an escape is the realm's own mistake");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn faults_of_a_mutated_example_are_reported(changes in prop::collection::vec((0.0..1.0_f64, 0_usize..12, piece()), 1..6)) {
        let mut chars: Vec<char> = EXAMPLE.chars().collect();
        for (at, removed, piece) in changes {
            let at = ((chars.len() as f64) * at) as usize;
            let end = (at + removed).min(chars.len());
            chars.splice(at..end, piece.chars());
        }
        let text: String = chars.into_iter().collect();
        let lines = text.lines().count() + 1;
        let loaded = super::read(&text);
        prop_assert!(!has_two_readings(&loaded), "{text}");
        for problem in loaded.problems {
            prop_assert!(!problem.message.contains("report this as a bug"), "{text}");
            prop_assert!(problem.line <= lines + 1, "{problem:?}");
        }
    }

    #[test]
    fn faults_of_any_text_are_reported(text in "\\PC{0,80}", pieces in prop::collection::vec(piece(), 0..12)) {
        for text in [text, pieces.concat()] {
            prop_assert!(!has_two_readings(&super::read(&text)), "{text}");
        }
    }
}
