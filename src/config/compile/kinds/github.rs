//! `github`.

use super::{CompileKind, Context, WrittenServer};
use crate::config::compile::files::GivenSecret;
use crate::config::path::KeyPath;
use crate::config::raw::{self, SecretText};
use crate::introspect::{GithubApi, GithubSettings, ServerKind};
use std::sync::Arc;
use url::Url;

impl CompileKind for raw::Github {
    const IS_ASKED_ABOUT_JWTS: bool = false;

    fn asks_too(&self) -> Option<&str> {
        None
    }

    fn compile(&self, cx: Context, server: WrittenServer<'_>) -> Option<Arc<dyn ServerKind>> {
        let path = server.path;
        let client_id = self.client_id.clone().unwrap_or_default();
        if client_id.is_empty() {
            cx.needed(
                &path.key("client_id"),
                "write the client id of the app whose tokens are checked",
            );
        } else if !client_id.bytes().all(|b| matches!(b, 0x21..=0x7e) && b != b':')
            || matches!(&*client_id, "." | "..")
        {
            cx.report.error(&path.key("client_id"), "has characters that no client id has");
        }
        let none = SecretText::default();
        let client_secret = self.client_secret.as_ref().unwrap_or(&none);
        let client_secret = match cx.secret(
            path,
            "client_secret",
            client_secret,
            self.client_secret_file.as_deref(),
        ) {
            GivenSecret::Secret(secret) if secret.expose().contains(char::is_control) => {
                cx.report.error(
                    &path.key("client_secret"),
                    "has control characters, and cannot be sent in a header",
                );
                None
            }
            GivenSecret::Secret(secret) => Some(secret),
            GivenSecret::Broken => None,
            GivenSecret::Missing => {
                cx.needed(
                    &path.key("client_secret"),
                    "write the app's client secret, or name a file by `client_secret_file`",
                );
                None
            }
        };
        let endpoint = endpoint(
            cx,
            &path.key("endpoint"),
            self.endpoint.as_deref().unwrap_or("https://api.github.com"),
        );
        let api = match self.api {
            None | Some(raw::GithubApi::Current) => GithubApi::Current,
            Some(raw::GithubApi::Legacy) => GithubApi::Legacy,
        };
        Some(Arc::new(GithubSettings {
            endpoint: endpoint?,
            client_id,
            client_secret: client_secret?,
            api,
        }))
    }
}

fn endpoint(cx: Context, path: &KeyPath, written: &str) -> Option<Url> {
    if cx.report.is_broken(path) {
        return None;
    }
    let url = cx.asked_url(path, written)?;
    if url.query().is_some() {
        cx.report.error(path, "must have no query; remove `?` and everything after it");
    }
    Some(url)
}
