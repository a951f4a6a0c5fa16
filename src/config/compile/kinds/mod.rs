//! From the keys of one kind of authorization server to its settings: one file a kind.

mod amazon;
mod answer;
mod custom;
mod decryption;
mod github;
mod google;
mod jwt;
mod rfc7662;
mod signed;
mod soap;
mod tokeninfo;

pub use jwt::{KeyKeys, algorithms, audiences, keys, texts};

use super::{Context, Reported};
use crate::config::path::KeyPath;
use crate::config::raw::{self, Kind, ServerCommon};
use crate::introspect::ServerKind;
use std::sync::Arc;

/// How the keys of one kind become its settings.
pub trait CompileKind {
    /// Whether a server of this kind can be asked about the JWTs that another one verified, by
    /// `then`.
    const IS_ASKED_ABOUT_JWTS: bool;

    /// The name of the server that is asked as well.
    fn asks_too(&self) -> Option<&str>;

    /// `None` when a part is wrong, which is reported.
    fn compile(&self, cx: Context, server: WrittenServer<'_>) -> Option<Arc<dyn ServerKind>>;
}

/// An authorization server of the file.
#[derive(Clone, Copy)]
pub struct WrittenServer<'a> {
    pub name: &'a str,
    pub path: &'a KeyPath,
    /// The keys that every kind has.
    pub common: &'a ServerCommon,
}

macro_rules! dispatch {
    ($($word:ident $Kind:ident,)*) => {
        pub fn kind(cx: Context, server: WrittenServer<'_>, raw: &Kind) -> Option<Arc<dyn ServerKind>> {
            match raw {
                $(Kind::$Kind(kind) => kind.compile(cx, server),)*
            }
        }

        /// The name of the server that is asked as well.
        pub fn asks_too(raw: &Kind) -> Option<&str> {
            match raw {
                $(Kind::$Kind(kind) => kind.asks_too(),)*
            }
        }

        fn is_asked_about_jwts(raw: &Kind) -> bool {
            match raw {
                $(Kind::$Kind(_) => raw::$Kind::IS_ASKED_ABOUT_JWTS,)*
            }
        }
    };
}
raw::for_each_kind!(dispatch);

/// Reports keys that only other kinds have: they would look as if they did something.
pub fn foreign_keys(cx: Context, path: &KeyPath, kind: &Kind) {
    let (kind, kinds) = (kind.word(), Kind::keys());
    let set = if cx.report.has(&path.key("type")) { "" } else { ", the default" };
    let owners = |key: &str| -> Vec<&str> {
        kinds.iter().filter(|(_, keys)| keys.contains(&key)).map(|(word, _)| *word).collect()
    };
    for key in kinds.iter().flat_map(|(_, keys)| *keys) {
        let (at, owners) = (path.key(key), owners(key));
        if cx.report.has(&at) && !owners.contains(&kind) {
            let owners = owners.join("`, `");
            let message = format!(
                "belongs to servers of type `{owners}`, and the type is `{kind}`{set}; remove it"
            );
            cx.report.error_at_key(&at, message);
        }
    }
}

impl Context<'_> {
    /// Reports that a required key of this kind is missing or empty.
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
