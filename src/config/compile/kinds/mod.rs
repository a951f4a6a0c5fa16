//! What only one kind of authorization server has, and what of it another kind cannot have.

mod answer;
mod custom;
mod decryption;
mod github;
mod jwt;
mod rfc7662;
mod signed;
mod soap;
mod tokeninfo;

pub use jwt::{algorithms, audiences, keys, texts};

use super::Context;
use crate::config::path::KeyPath;
use crate::config::raw::{Server, ServerKind};
use crate::introspect::Kind;

/// `None` when a part of it is wrong, or the kind is not supported.
pub fn kind(cx: Context, path: &KeyPath, name: &str, raw: &Server) -> Option<Kind> {
    match raw.kind {
        ServerKind::Rfc7662 => rfc7662::rfc7662(cx, path, raw),
        ServerKind::Google => tokeninfo::google(cx, path, raw),
        ServerKind::Amazon => tokeninfo::amazon(cx, path, raw),
        ServerKind::Github => github::github(cx, path, raw),
        ServerKind::Custom => custom::custom(cx, path, raw),
        ServerKind::Soap => soap::soap(cx, path, raw),
        ServerKind::Jwt => jwt::jwt(cx, path, name, raw).map(Kind::Jwt),
    }
}

/// Keys that some kinds have and the others do not; what no kind or every kind has is not here.
const KEYS: [(&str, &[&str]); 29] = [
    ("introspection_endpoint", &["rfc7662"]),
    ("client_auth", &["rfc7662"]),
    ("token_type_hint", &["rfc7662"]),
    ("parameters", &["rfc7662"]),
    ("headers", &["rfc7662"]),
    ("forward_host", &["rfc7662"]),
    ("response", &["rfc7662"]),
    ("audience", &["google", "amazon", "jwt", "rfc7662"]),
    ("jwks_uri", &["jwt", "rfc7662"]),
    ("keys", &["jwt", "rfc7662"]),
    ("tenants", &["jwt"]),
    ("algorithms", &["jwt", "rfc7662"]),
    ("typ", &["jwt"]),
    ("decryption_keys", &["jwt", "rfc7662"]),
    ("leeway", &["jwt", "rfc7662"]),
    ("then", &["jwt"]),
    ("endpoint", &["google", "amazon", "github", "soap"]),
    ("client_id", &["github"]),
    ("client_secret", &["github"]),
    ("client_secret_file", &["github"]),
    ("api", &["github"]),
    ("answer", &["custom", "soap"]),
    ("request", &["custom"]),
    ("inactive_status", &["custom"]),
    ("action", &["soap"]),
    ("version", &["soap"]),
    ("body", &["soap"]),
    ("namespaces", &["soap"]),
    ("fault_inactive", &["soap"]),
];

/// A key of another kind would look as if it did something.
pub fn foreign_keys(cx: Context, path: &KeyPath, kind: ServerKind) {
    let kind = kind.word();
    let set = if cx.report.has(&path.key("type")) { "" } else { ", the default" };
    for (key, kinds) in KEYS {
        let path = path.key(key);
        if cx.report.has(&path) && !kinds.contains(&kind) {
            let kinds = kinds.join("`, `");
            cx.report.error_at_key(
                &path,
                format!(
                    "belongs to servers of type `{kinds}`, and the type is `{kind}`{set}; remove it"
                ),
            );
        }
    }
}

impl Context<'_> {
    /// Tells that a key that this kind needs is not there, or empty.
    pub fn needed(self, path: &KeyPath, why: &str) {
        if self.report.is_broken(path) {
            return;
        }
        if self.report.has(path) {
            self.report.error(path, format!("is empty; {why}"));
        } else {
            self.report.error_at_key(path, format!("is missing; {why}"));
        }
    }
}
