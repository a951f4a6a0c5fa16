//! Packages from npm, installed once and kept, and the Node.js that runs them.

use super::parts::{fetch, kept, run, source};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The folder that `node_modules` is in, filled from the lock file in `folder`, which is beside this
/// file; `packages` is their name in errors. An error where they cannot be had.
pub fn modules(folder: &str, packages: &str) -> Result<PathBuf, String> {
    let version = run(Command::new("node").arg("--version"))
        .map_err(|_| "no node; apt-get install nodejs npm".to_owned())?;
    run(Command::new("npm").arg("--version"))
        .map_err(|_| "no npm; apt-get install npm".to_owned())?;
    let major = version
        .trim_start_matches('v')
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    let too_old = major.unwrap_or_default() < 20;
    let files = ["package.json", "package-lock.json"]
        .map(|name| (name, fs::read(source(folder).join(name)).expect(name)));
    kept("node", (&files, too_old), |making| {
        for (name, contents) in &files {
            fs::write(making.join(name), contents).map_err(|error| format!("{name}: {error}"))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"])
            .current_dir(making);
        // the optional packages are a Node.js for a distribution whose own is too old
        npm.args((!too_old).then_some("--omit=optional"));
        fetch(&format!("{packages} from npm"), &mut npm).map(drop)
    })
}

/// The Node.js that npm brought, or else the machine's.
pub fn program(modules: &Path) -> PathBuf {
    let brought =
        ["x64", "arm64"].map(|cpu| modules.join(format!("node_modules/node-linux-{cpu}/bin/node")));
    brought.into_iter().find(|node| node.exists()).unwrap_or_else(|| "node".into())
}
