//! Keys and values that the schema does not know.

use super::{told, with, with_server};

#[test]
fn the_smallest_file_and_less() {
    let expected: &[&str] = &[
        "1:1: error: authorization_servers: is missing; it must be written",
        "1:1: error: routes: is missing; it must be written",
    ];
    assert_eq!(told("version: 1\n"), expected);
}

#[test]
fn empty_sections() {
    let expected: &[&str] = &[
        "1:24: error: authorization_servers: is empty; write at least one",
        "2:9: error: routes: is an empty list; name at least one, or remove the key",
    ];
    assert_eq!(
        told(
            "\
         authorization_servers: {}\n\
         routes: []\n"
        ),
        expected
    );
}

#[test]
fn unknown_keys_everywhere() {
    let expected: &[&str] = &[
        "7:1: error: cachee: unknown key `cachee`; did you mean `cache`?",
        "8:9: error: cache.tll: unknown key `tll`; did you mean `ttl`?",
        "9:14: error: listeners[0].addres: unknown key `addres`; did you mean `address`?",
        "10:1: error: something_else: unknown key `something_else`; `introgate schema` lists the known ones",
        "11:1: error: \"odd key\\n\": unknown key `\"odd key\\n\"`; `introgate schema` lists the known ones",
    ];
    assert_eq!(
        with(
            "\
         cachee: {}\n\
         cache: {tll: 5s}\n\
         listeners: [{addres: 'a'}]\n\
         something_else: 1\n\
         \"odd key\\n\": 1\n"
        ),
        expected
    );
}

#[test]
fn an_unknown_key_is_one_mistake() {
    let expected: &[&str] = &[
        "1:1: error: authorization_server: unknown key `authorization_server`; did you mean `authorization_servers`?",
        "3:21: error: routes[0].upsteam: unknown key `upsteam`; did you mean `upstream`?",
    ];
    assert_eq!(
        told(
            "\
         authorization_server:\n\
         \x20 main: {introspection_endpoint: https://as.example.com}\n\
         routes: [{path: /*, upsteam: http://a}]\n"
        ),
        expected
    );
}

#[test]
fn wrong_kinds() {
    let expected: &[&str] = &[
        "7:10: error: threads: expected `auto` or a number from 1 to 1024, found `many`",
        "8:8: error: realm: expected text, found `5`; put it in quotes",
        "9:8: error: cache: expected a mapping (`key: value`), found `10s`",
        "10:18: error: trusted_proxies: expected a list, found `10.0.0.0/8`; put it in brackets, as in `[a, b]`",
        "11:18: error: token.forward: expected `true` or `false`, found `yes`",
        "11:37: error: token.max_length: must be at least 1, found `0`",
        "12:1: error: admin: has no value; write a mapping (`key: value`), or remove the key",
    ];
    assert_eq!(
        with(
            "\
         threads: many\n\
         realm: 5\n\
         cache: 10s\n\
         trusted_proxies: 10.0.0.0/8\n\
         token: {forward: 'yes', max_length: 0}\n\
         admin:\n"
        ),
        expected
    );
}

#[test]
fn durations_and_sizes() {
    let expected: &[&str] = &[
        "7:19: error: shutdown_timeout: expected a duration such as `500ms`, `10s`, `5m` or `1h`, found `10`",
        "8:14: error: cache.ttl: expected a duration such as `500ms`, `10s`, `5m` or `1h`, found `1.5s`",
        "8:34: error: cache.inactive_ttl: expected a duration such as `500ms`, `10s`, `5m` or `1h`, found `1d`",
        "8:51: error: cache.max_entries: expected a whole number, found `1.5`",
    ];
    assert_eq!(
        with(
            "\
         shutdown_timeout: 10\n\
         cache: {ttl: 1.5s, inactive_ttl: 1d, max_entries: 1.5}\n"
        ),
        expected
    );
}

#[test]
fn a_size_without_unit() {
    let expected: &[&str] = &[
        "4:24: error: authorization_servers.main.max_response_size: expected a size such as `512B`, `64KiB` or `1MiB`, found `64`",
    ];
    assert_eq!(with_server("    max_response_size: 64\n"), expected);
}

#[test]
fn words() {
    let expected: &[&str] = &[
        "7:14: error: log.level: expected one of `error`, `warn`, `info`, `debug`, `trace`, found `verbose`",
        "7:31: error: log.format: expected one of `json`, `text`, found `jsn`; did you mean `json`?",
        "7:44: error: log.access: expected one of `all`, `denied`, `off`, found `deny`",
    ];
    assert_eq!(with("log: {level: verbose, format: jsn, access: deny}\n"), expected);
}

#[test]
fn numbers_out_of_range() {
    let expected: &[&str] = &[
        "7:10: error: version: expected `1`, found `2`",
        "8:10: error: threads: expected `auto` or a number from 1 to 1024, found `0`",
        "9:24: error: cache.refresh_ahead: must be at most 1, found `1.5`",
        "9:42: error: cache.max_entries: must be at least 1, found `0`",
    ];
    assert_eq!(
        with(
            "\
         version: 2\n\
         threads: 0\n\
         cache: {refresh_ahead: 1.5, max_entries: 0}\n"
        ),
        expected
    );
}

#[test]
fn a_route_that_is_none() {
    let expected: &[&str] = &[
        "2:10: error: routes[0]: expected a mapping (`key: value`), found `1`",
        "2:34: error: routes[1].upstream: there is no upstream `nowhere`; define it under `upstreams`, or write a URL such as `http://127.0.0.1:9000`",
    ];
    assert_eq!(
        told(
            "\
         authorization_servers: {a: {introspection_endpoint: https://as.example.com}}\n\
         routes: [1, {path: /*, upstream: nowhere}]\n"
        ),
        expected
    );
}
