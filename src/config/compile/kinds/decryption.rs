//! `decryption_keys`: the gateway's private keys for tokens and answers encrypted to it.

use super::{Context, Reported};
use crate::config::path::KeyPath;
use crate::introspect::jwt::{DecryptionKeys, private_keys_of_file};
use std::sync::Arc;

/// `None`: none is named.
pub fn decryption_keys(
    cx: Context,
    section: &KeyPath,
    names: Option<&[String]>,
) -> Result<Option<Arc<DecryptionKeys>>, Reported> {
    let names = names.unwrap_or_default();
    if names.is_empty() {
        return if cx.report.is_broken(section) { Err(Reported) } else { Ok(None) };
    }
    let mut digest = blake3::Hasher::new();
    let read = |(i, name): (usize, &String)| {
        let path = section.item(i);
        let content = cx.content(&path, name)?;
        digest.update(&(content.len() as u64).to_le_bytes()).update(&content);
        private_keys_of_file(&content).map_err(|message| cx.report.error(&path, message)).ok()
    };
    // all files are read, so that all mistakes are reported
    let keys: Vec<_> = names.iter().enumerate().map(read).collect();
    let keys: Option<Vec<_>> = keys.into_iter().collect();
    let keys = keys.ok_or(Reported)?.into_iter().flatten().collect();
    match DecryptionKeys::new(keys, digest.finalize().to_string()) {
        Ok(keys) => Ok(Some(Arc::new(keys))),
        Err(error) => {
            cx.report.error(section, error.to_string());
            Err(Reported)
        }
    }
}
