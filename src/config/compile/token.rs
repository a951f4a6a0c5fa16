//! `token`.

use super::Context;
use super::cache::count;
use super::headers::is_of_the_connection;
use crate::config::path::KeyPath;
use crate::extract::{TokenPlace, TokenSettings};
use crate::request::names;
use http::HeaderName;

pub fn token(cx: Context) -> Option<TokenSettings> {
    let section = KeyPath::root().key("token").key("from");
    let mut from: Vec<TokenPlace> = Vec::new();
    for (i, text) in cx.raw.token.from.iter().enumerate() {
        let path = section.item(i);
        match place(text) {
            Ok(place) if from.contains(&place) => {
                cx.report.error(&path, "is a duplicate; remove one of the two")
            }
            Ok(TokenPlace::Header(name)) if is_identity(cx, &name) => {
                let message = "has the prefix of identity headers, which are removed from every request before; choose another name";
                cx.report.error(&path, message);
            }
            Ok(place) => from.push(place),
            Err(message) => {
                cx.report.error(&path, message.unwrap_or_else(|| unknown(cx, &path, text)))
            }
        }
    }
    let complete = from.len() == cx.raw.token.from.len() && !cx.report.is_broken(&section);
    complete.then(|| TokenSettings {
        from,
        max_length: count(cx.raw.token.max_length),
        forward: cx.raw.token.forward,
    })
}

/// `Err(None)`: not a place at all.
fn place(text: &str) -> Result<TokenPlace, Option<String>> {
    let (kind, name) = match text.split_once(':') {
        Some((kind, name)) => (kind, Some(name)),
        None => (text, None),
    };
    match (kind, name) {
        ("header", None) => Ok(TokenPlace::Authorization),
        ("header", Some(name)) => header(name).map_err(Some),
        ("query", None) => Ok(TokenPlace::Query("access_token".into())),
        ("query", Some(name)) if !name.is_empty() && !name.chars().any(char::is_control) => {
            Ok(TokenPlace::Query(name.into()))
        }
        ("query", Some(_)) => Err(Some("`query:` wants the name of a parameter behind it".into())),
        ("cookie", Some(name)) if HeaderName::try_from(name).is_ok() => {
            Ok(TokenPlace::Cookie(name.into()))
        }
        ("cookie", _) => Err(Some(
            "`cookie:` wants the name of a cookie behind it, as in `cookie:session`".into(),
        )),
        ("form", None) => Ok(TokenPlace::Form),
        ("form", Some(_)) => Err(Some("`form` has no name behind it: the field is `access_token` (RFC 6750 §2.2); write `form`".into())),
        _ => Err(None),
    }
}

fn header(name: &str) -> Result<TokenPlace, String> {
    let name = HeaderName::try_from(name).map_err(
        |_| "`header:` wants the name of a header behind it, as in `header:X-Access-Token`",
    )?;
    match name.as_str() {
        "authorization" => Err("for `Authorization: Bearer …` write `header` alone".into()),
        "cookie" => Err("for a cookie write `cookie:NAME`".into()),
        _ if is_of_the_connection(&name) => {
            Err("this header has a meaning of its own and cannot carry a token; choose another one"
                .into())
        }
        _ => Ok(TokenPlace::Header(name)),
    }
}

fn is_identity(cx: Context, name: &HeaderName) -> bool {
    let prefix: Vec<u8> = cx.raw.identity.prefix.bytes().map(names::fold).collect();
    names::starts_with(name, &prefix)
}

fn unknown(cx: Context, path: &KeyPath, text: &str) -> String {
    let shown = cx.report.shown(path, text);
    format!(
        "expected `header`, `header:NAME`, `query`, `query:NAME`, `cookie:NAME` or `form`, found {shown}"
    )
}
