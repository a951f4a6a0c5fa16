//! Programs that are built from the modules of the Go module proxy.

use super::parts::{fetch, run};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A module, pinned by its checksum.
pub struct GoModule {
    /// The program's name, for messages.
    pub name: &'static str,
    pub path: &'static str,
    pub version: &'static str,
    /// As the checksum database, or a `go.sum`, has it.
    pub sum: &'static str,
}

/// The error names the missing part.
pub fn available() -> Result<(), String> {
    let version = run(Command::new("go").arg("version"));
    version.map(drop).map_err(|_| "no go; https://go.dev/dl".to_owned())
}

impl GoModule {
    /// Its source in Go's own cache, which nothing may change. `making`: a folder that is no module.
    pub fn downloaded(&self, making: &Path) -> Result<PathBuf, String> {
        available()?;
        let mut download = Command::new("go");
        let module = format!("{}@{}", self.path, self.version);
        download.args(["mod", "download", "-json", &module]).current_dir(making);
        let what = format!("{} from the Go module proxy", self.name);
        let module: Value = serde_json::from_str(&fetch(&what, &mut download)?)
            .map_err(|error| error.to_string())?;
        if module["Sum"] != self.sum {
            return Err(format!("{} is not what it should be: {module}", self.path));
        }
        Ok(module["Dir"].as_str().unwrap_or_default().into())
    }

    /// A copy of its source that can be changed, in `making`.
    pub fn copied(&self, making: &Path) -> Result<PathBuf, String> {
        let source = making.join("source");
        run(Command::new("cp").arg("-r").arg(self.downloaded(making)?).arg(&source))?;
        run(Command::new("chmod").args(["-R", "u+w"]).arg(&source))?;
        Ok(source)
    }

    /// Runs `go` in the copy, with cgo, which SQLite needs.
    pub fn go(&self, source: &Path, arguments: &[&str]) -> Result<(), String> {
        let mut go = Command::new("go");
        go.args(arguments).current_dir(source).env("CGO_ENABLED", "1");
        fetch(&format!("{}'s modules", self.name), &mut go).map(drop)
    }
}
