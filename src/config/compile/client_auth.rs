//! `client_auth`: exactly one method, with all that it needs and nothing that belongs to another.

use super::Context;
use super::files::Given;
use crate::config::path::KeyPath;
use crate::config::raw::{self, Method};
use crate::introspect::ClientAuth;
use crate::secret::Secret;

pub fn client_auth(cx: Context, path: &KeyPath, raw: &raw::ClientAuth) -> Option<ClientAuth> {
    if cx.report.is_broken(&path.key("method")) {
        return None;
    }
    let token = cx.secret(path, "token", &raw.token, raw.token_file.as_deref());
    let client_secret = cx.secret(path, "client_secret", &raw.client_secret, raw.client_secret_file.as_deref());
    let (method, members): (_, &[&str]) = match raw.method {
        Method::None => ("none", &[]),
        Method::Bearer => ("bearer", &["token"]),
        Method::ClientSecretBasic => ("client_secret_basic", &["client_id", "client_secret", "form_encode"]),
        Method::ClientSecretPost => ("client_secret_post", &["client_id", "client_secret"]),
        // refused as not supported
        _ => return None,
    };
    foreign_members(cx, path, raw, method, members);
    match raw.method {
        Method::Bearer => {
            let token = needed(cx, path, "token", method, token)?;
            visible(cx, path, "token", raw.token_file.is_some(), &token).then_some(ClientAuth::Bearer { token })
        }
        Method::ClientSecretBasic => {
            let (client_id, client_secret) = pair(cx, path, raw, method, client_secret)?;
            let odd = |text: &str| text.contains(char::is_control);
            if !raw.form_encode && client_id.contains(':') {
                let message = "has a colon, which Basic cannot carry without encoding; use `form_encode: true` or `client_secret_post`";
                cx.report.error(&path.key("client_id"), message);
            }
            if !raw.form_encode && (odd(&client_id) || odd(client_secret.expose())) {
                cx.report.error(&path.key("form_encode"), "must be `true`: id or secret has control characters");
            }
            Some(ClientAuth::ClientSecretBasic { client_id, client_secret, form_encode: raw.form_encode })
        }
        Method::ClientSecretPost => {
            let (client_id, client_secret) = pair(cx, path, raw, method, client_secret)?;
            Some(ClientAuth::ClientSecretPost { client_id, client_secret })
        }
        _ => Some(ClientAuth::None),
    }
}

fn foreign_members(cx: Context, path: &KeyPath, raw: &raw::ClientAuth, method: &str, members: &[&str]) {
    let set = |text: &str| !text.is_empty();
    let written = [
        ("token", "token", set(raw.token.0.expose()), "bearer"),
        ("token_file", "token", raw.token_file.as_deref().is_some_and(set), "bearer"),
        ("client_id", "client_id", set(&raw.client_id), "client_secret_basic` and `client_secret_post"),
        ("client_secret", "client_secret", set(raw.client_secret.0.expose()), "client_secret_basic` and `client_secret_post"),
        (
            "client_secret_file",
            "client_secret",
            raw.client_secret_file.as_deref().is_some_and(set),
            "client_secret_basic` and `client_secret_post",
        ),
        ("form_encode", "form_encode", !raw.form_encode, "client_secret_basic"),
    ];
    for (key, member, written, methods) in written {
        if written && !members.contains(&member) {
            let set = if cx.report.has(&path.key("method")) { "" } else { ", the default" };
            let message = format!("belongs to `{methods}`, and the method is `{method}`{set}; write exactly one method and what it needs");
            cx.report.error_at_key(&path.key(key), message);
        }
    }
}

fn pair(cx: Context, path: &KeyPath, raw: &raw::ClientAuth, method: &str, secret: Given) -> Option<(String, Secret)> {
    if raw.client_id.is_empty() && !cx.report.is_broken(&path.key("client_id")) {
        missing(cx, path, "client_id", &format!("`{method}` needs it"));
    }
    let secret = needed(cx, path, "client_secret", method, secret)?;
    (!raw.client_id.is_empty()).then(|| (raw.client_id.clone(), secret))
}

fn needed(cx: Context, path: &KeyPath, key: &str, method: &str, given: Given) -> Option<Secret> {
    match given {
        Given::Secret(secret) => Some(secret),
        Given::Broken => None,
        Given::Missing => {
            missing(cx, path, key, &format!("`{method}` needs it, or `{key}_file`"));
            None
        }
    }
}

fn missing(cx: Context, path: &KeyPath, key: &str, why: &str) {
    let path = path.key(key);
    if cx.report.has(&path) {
        cx.report.error(&path, format!("is empty; {why}"));
    } else {
        cx.report.error_at_key(&path, format!("is missing; {why}"));
    }
}

/// Whether the text can be sent in a header.
fn visible(cx: Context, path: &KeyPath, key: &str, from_file: bool, secret: &Secret) -> bool {
    let visible = secret.expose().bytes().all(|b| matches!(b, 0x21..=0x7e));
    if !visible {
        let path = if from_file { path.key(&format!("{key}_file")) } else { path.key(key) };
        cx.report.error(&path, "has white space or characters other than visible ASCII, and cannot be sent in a header");
    }
    visible
}
