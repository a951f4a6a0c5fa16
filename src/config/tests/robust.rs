//! No text makes the reader panic, hang or contradict itself.

use super::{EXAMPLE, told, with};
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_example_is_told_about(changes in prop::collection::vec((0.0..1.0_f64, 0_usize..12, piece()), 1..6)) {
        let mut chars: Vec<char> = EXAMPLE.chars().collect();
        for (at, removed, piece) in changes {
            let at = ((chars.len() as f64) * at) as usize;
            let end = (at + removed).min(chars.len());
            chars.splice(at..end, piece.chars());
        }
        let text: String = chars.into_iter().collect();
        let lines = text.lines().count() + 1;
        for problem in super::read(&text).problems {
            prop_assert!(!problem.message.contains("report this as a bug"), "{text}");
            prop_assert!(problem.line <= lines + 1, "{problem:?}");
        }
    }

    #[test]
    fn any_text_is_told_about(text in "\\PC{0,80}", pieces in prop::collection::vec(piece(), 0..12)) {
        let _ = super::read(&text);
        let _ = super::read(&pieces.concat());
    }
}
