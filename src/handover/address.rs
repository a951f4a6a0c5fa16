//! Where the processes of one gateway meet.

use rustix::process::geteuid;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The socket of the gateway whose configuration is called `source`:
/// `$INTROGATE_UPGRADE_SOCKET`; else a name made of `source`, in `$RUNTIME_DIRECTORY` (systemd), in
/// `$XDG_RUNTIME_DIR/introgate`, or in a folder of the user's own below the system's for temporary
/// files.
///
/// # Errors
///
/// Fails when the folder cannot be made, or when others may write into it.
pub fn socket_path(source: &str) -> io::Result<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(path) = set("INTROGATE_UPGRADE_SOCKET") {
        return Ok(path.into());
    }
    let folder = match (set("RUNTIME_DIRECTORY"), set("XDG_RUNTIME_DIR")) {
        (Some(folder), _) => PathBuf::from(folder),
        (None, Some(folder)) => PathBuf::from(folder).join("introgate"),
        (None, None) => std::env::temp_dir().join(format!("introgate-{}", geteuid().as_raw())),
    };
    make_private(&folder)?;
    let source = fs::canonicalize(source)
        .map_or_else(|_| source.to_owned(), |path| path.to_string_lossy().into_owned());
    let name = blake3::hash(source.as_bytes()).to_hex();
    Ok(folder.join(format!("upgrade-{}.sock", &name[..16])))
}

/// Makes a folder that only this user can use, or makes sure that it is one.
fn make_private(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let found = fs::symlink_metadata(folder)?;
    if !found.is_dir() || found.uid() != geteuid().as_raw() || found.mode() & 0o022 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("{} belongs to another user, or others may write into it", folder.display()),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn only_a_folder_of_ones_own_is_used() {
        let Ok(folder) = tempfile::tempdir() else { panic!("no folder") };
        let (made, link) = (folder.path().join("made"), folder.path().join("link"));
        assert!(make_private(&made).is_ok() && make_private(&made).is_ok());
        assert!(symlink(&made, &link).is_ok());
        assert!(make_private(&link).is_err());
        assert!(fs::set_permissions(&made, fs::Permissions::from_mode(0o777)).is_ok());
        assert!(make_private(&made).is_err());
    }
}
