//! Texts that are not YAML, or YAML that a configuration cannot use.

use super::{told, with};

#[test]
fn an_empty_file() {
    let expected: &[&str] = &[
        "1:1: error: there is nothing in the file; write at least `authorization_servers` and `routes`",
    ];
    assert_eq!(told(""), expected);
}

#[test]
fn only_comments() {
    let expected: &[&str] = &[
        "1:1: error: there is nothing in the file; write at least `authorization_servers` and `routes`",
    ];
    assert_eq!(
        told(
            "\
         # nothing\n\
         ---\n"
        ),
        expected
    );
}

#[test]
fn an_unclosed_bracket() {
    let expected: &[&str] = &[
        "2:1: error: routes[0]: this is not YAML: while parsing a node, did not find expected node content",
    ];
    assert_eq!(told("routes: [\n"), expected);
}

#[test]
fn a_tab() {
    let expected: &[&str] = &[
        "2:2: error: cache: this is not YAML: tabs disallowed within this context (block indentation)",
    ];
    assert_eq!(
        told(
            "\
         cache:\n\
         \tttl: 1s\n"
        ),
        expected
    );
}

#[test]
fn two_documents() {
    let expected: &[&str] =
        &["2:1: error: a second document starts here; write one document to a file"];
    assert_eq!(
        told(
            "\
         a: 1\n\
         ---\n\
         b: 2\n"
        ),
        expected
    );
}

#[test]
fn not_a_mapping() {
    let expected: &[&str] = &["1:1: error: expected a mapping (`key: value`), found a list"];
    assert_eq!(
        told(
            "\
         - a\n\
         - b\n"
        ),
        expected
    );
}

#[test]
fn all_repeated_keys() {
    let expected: &[&str] = &[
        "8:1: error: realm: duplicate key; first defined on line 7; remove one of the two",
        "9:20: error: log.level: duplicate key; first defined on line 9; remove one of the two",
        "9:33: error: log.level: duplicate key; first defined on line 9; remove one of the two",
    ];
    assert_eq!(
        with(
            "\
         realm: a\n\
         realm: b\n\
         log: {level: info, level: warn, level: error}\n"
        ),
        expected
    );
}

#[test]
fn a_tag() {
    let expected: &[&str] = &["7:8: error: realm: a tag (`!…`) is not read here; remove it"];
    assert_eq!(with("realm: !secret x\n"), expected);
}

#[test]
fn an_alias_of_itself() {
    let expected: &[&str] =
        &["7:17: error: log.level: this alias refers to something that contains it"];
    assert_eq!(with("log: &a {level: *a}\n"), expected);
}

#[test]
fn an_unknown_alias() {
    let expected: &[&str] =
        &["7:8: error: realm: this is not YAML: while parsing node, found unknown anchor"];
    assert_eq!(with("realm: *nobody\n"), expected);
}

#[test]
fn a_merge_key() {
    let expected: &[&str] = &[
        "8:9: error: cache.<<: merge keys are not supported; write the keys out, or use `defaults` for keys that routes share",
    ];
    assert_eq!(
        with(
            "\
         log: &l {level: info}\n\
         cache: {<<: *l}\n"
        ),
        expected
    );
}

#[test]
fn a_list_as_a_key() {
    let expected: &[&str] = &["7:3: error: a list or mapping cannot be a key; write plain text"];
    assert_eq!(
        with(
            "\
         ? [a]\n\
         : b\n"
        ),
        expected
    );
}

#[test]
fn an_infinite_number() {
    let expected: &[&str] = &[
        "7:24: error: this cannot be read: cache.refresh_ahead: `.inf` and `.nan` are not read here",
    ];
    assert_eq!(with("cache: {refresh_ahead: .inf}\n"), expected);
}
