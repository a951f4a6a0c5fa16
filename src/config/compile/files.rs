//! Files that the configuration names: secrets and certificates, read once at load.

use super::Context;
use crate::config::path::KeyPath;
use crate::config::raw::SecretText;
use crate::secret::Secret;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const MAX_SIZE: u64 = 1 << 20;

/// The byte order mark of UTF-8, which some editors write. It is not part of the content.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Remembers the files that were read, so that they can be watched; also missing ones.
pub struct Files {
    folder: PathBuf,
    read: RefCell<Vec<PathBuf>>,
}

impl Files {
    /// Relative names start from the folder of the configuration file.
    pub fn beside(file: &Path) -> Self {
        Self {
            folder: file.parent().map(Path::to_owned).unwrap_or_default(),
            read: RefCell::default(),
        }
    }

    pub fn into_read(self) -> Vec<PathBuf> {
        self.read.into_inner()
    }

    fn read(&self, name: &str) -> Result<(PathBuf, Zeroizing<Vec<u8>>), String> {
        let path = self.folder.join(name);
        if !self.read.borrow().contains(&path) {
            self.read.borrow_mut().push(path.clone());
        }
        let mut content = Zeroizing::new(Vec::new());
        File::open(&path)
            .and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut content))
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound => {
                    "there is no such file; create it, or correct its name".to_owned()
                }
                io::ErrorKind::PermissionDenied => {
                    "this user may not read the file; change its permissions".to_owned()
                }
                _ => format!("the file cannot be read: {error}"),
            })?;
        if content.len() as u64 > MAX_SIZE {
            return Err("the file is larger than 1 MiB; name another one".into());
        }
        if content.starts_with(MARK) {
            content.drain(..MARK.len());
        }
        Ok((path, content))
    }
}

/// The outcome of reading a secret, from the configuration itself or a file of its own.
pub enum GivenSecret {
    Missing,
    /// Invalid, and already reported.
    Broken,
    Secret(Secret),
}

impl Context<'_> {
    /// `KEY` or `KEY_file` of a section: at most one of the two.
    pub fn secret(
        self,
        section: &KeyPath,
        key: &str,
        text: &SecretText,
        file: Option<&str>,
    ) -> GivenSecret {
        let (inline, beside) = (section.key(key), section.key(&format!("{key}_file")));
        if self.report.is_broken(&inline) || self.report.is_broken(&beside) {
            return GivenSecret::Broken;
        }
        match (text.0.expose().is_empty(), file.filter(|file| !file.is_empty())) {
            (true, None) => GivenSecret::Missing,
            (false, None) => {
                let secret = text.0.expose();
                if secret.trim() != secret {
                    let message = format!(
                        "begins or ends with white space, which is sent as a part of it; a line end usually comes from the way the variable or the text was written: remove it, or name a file by `{key}_file`, whose last line end does not count"
                    );
                    self.report.warning(&inline, message);
                }
                GivenSecret::Secret(text.0.clone())
            }
            (false, Some(_)) => {
                self.report.error_at_key(
                    &beside,
                    format!("`{key}` is written as well; keep one of the two"),
                );
                GivenSecret::Broken
            }
            (true, Some(name)) => {
                match self.files.read(name).and_then(|(_, content)| secret_of(&content)) {
                    Ok(secret) => GivenSecret::Secret(secret),
                    Err(message) => {
                        self.report.error(&beside, message);
                        GivenSecret::Broken
                    }
                }
            }
        }
    }

    /// The content of a file, where it can be read.
    pub fn content(self, path: &KeyPath, name: &str) -> Option<Zeroizing<Vec<u8>>> {
        match self.files.read(name) {
            Ok((_, content)) => Some(content),
            Err(message) => {
                self.report.error(path, message);
                None
            }
        }
    }

    /// The place and content of a file that is read again while it is used, so that a change of it
    /// asks for no reload; and whether every user of the machine may read it.
    pub fn look_at(
        self,
        path: &KeyPath,
        name: &str,
    ) -> Option<(PathBuf, Zeroizing<Vec<u8>>, bool)> {
        let apart = Files { folder: self.files.folder.clone(), read: RefCell::default() };
        match apart.read(name) {
            Ok((place, content)) => {
                let mode = std::fs::metadata(&place).map_or(0, |file| file.permissions().mode());
                Some((place, content, mode & 0o004 != 0))
            }
            Err(message) => {
                self.report.error(path, message);
                None
            }
        }
    }

    /// Trust roots: the file and its content. Empty: none.
    pub fn roots(self, path: &KeyPath, name: &str) -> Option<(PathBuf, Vec<u8>)> {
        if name.is_empty() {
            return None;
        }
        match self.files.read(name) {
            Err(message) => self.report.error(path, message),
            Ok((file, content)) => {
                let certificates: Result<Vec<_>, _> =
                    CertificateDer::pem_slice_iter(&content).collect();
                match certificates {
                    Ok(certificates) if !certificates.is_empty() => return Some((file, content.to_vec())),
                    Ok(_) => self.report.error(path, "there is no certificate in the file; name a PEM file with `BEGIN CERTIFICATE`"),
                    Err(_) => self.report.error(path, "the certificates in the file cannot be read; name a PEM file"),
                }
            }
        }
        None
    }
}

fn secret_of(content: &[u8]) -> Result<Secret, String> {
    let text = std::str::from_utf8(content).map_err(|_| "the file is not UTF-8 text".to_owned())?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        Err("the file is empty; write the secret into it".into())
    } else {
        Ok(Secret::new(text))
    }
}
