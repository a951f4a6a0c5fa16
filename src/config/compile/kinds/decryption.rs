//! `decryption_keys`: the gateway's private keys for what is encrypted to it.

use super::Context;
use crate::config::path::KeyPath;
use crate::config::raw::Server;
use crate::introspect::jwt::{DecryptionKeys, private_keys_of_file};
use std::sync::Arc;

/// `None` when a file is wrong; `Some(None)` when none is named.
#[expect(clippy::option_option, reason = "the house's way of saying that an error was told")]
pub fn decryption_keys(
    cx: Context,
    section: &KeyPath,
    raw: &Server,
) -> Option<Option<Arc<DecryptionKeys>>> {
    let names = raw.decryption_keys.as_deref().unwrap_or_default();
    if names.is_empty() {
        return (!cx.report.is_broken(section)).then_some(None);
    }
    let mut digest = blake3::Hasher::new();
    let read = |(i, name): (usize, &String)| {
        let path = section.item(i);
        let content = cx.content(&path, name)?;
        digest.update(&(content.len() as u64).to_le_bytes()).update(&content);
        private_keys_of_file(&content).map_err(|message| cx.report.error(&path, message)).ok()
    };
    // all files are read, so that all mistakes are told
    let keys: Vec<_> = names.iter().enumerate().map(read).collect();
    let keys = keys.into_iter().collect::<Option<Vec<_>>>()?.into_iter().flatten().collect();
    match DecryptionKeys::new(keys, digest.finalize().to_string()) {
        Ok(keys) => Some(Some(Arc::new(keys))),
        Err(error) => {
            cx.report.error(section, error.to_string());
            None
        }
    }
}
