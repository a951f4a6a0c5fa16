//! `deploy/systemd/`: systemd's own tools read the files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd").join(name)
}

/// `None`, with a loud line, where systemd's tools are not installed.
fn tool(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let Ok(output) = Command::new(program).args(arguments).output() else {
        assert!(std::env::var("INTEROP").is_err(), "{program} is not installed");
        eprintln!("!!! SKIPPED: {program} is not installed (Debian: systemd)");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    Some((output.status.success(), text.into_owned()))
}

/// The only complaint of an older systemd is about the type of which it does not know.
#[test]
fn systemd_accepts_the_unit() {
    let unit = fs::read_to_string(deployed("introgate.service")).expect("the unit");
    let here = unit.replace("=introgate ", &format!("={} ", env!("CARGO_BIN_EXE_introgate")));
    assert_ne!(here, unit);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("introgate.service");
    fs::write(&file, here).expect("written");
    let arguments = ["verify", "--man=no", &file.to_string_lossy()];
    let Some((_, output)) = tool("systemd-analyze", &arguments) else { return };
    let complaints: Vec<_> = output
        .lines()
        .filter(|line| line.contains("introgate") && !line.contains("ignoring: notify-reload"))
        .collect();
    assert_eq!(complaints, Vec::<&str>::new());
    // a mistake is found
    let broken = unit
        .replace("WatchdogSec=30", "WatchdogSeconds=30")
        .replace("ProtectClock=yes", "ProtectClock=perhaps");
    fs::write(&file, broken).expect("written");
    let (_, output) = tool("systemd-analyze", &arguments).expect("systemd-analyze");
    assert!(output.contains("WatchdogSeconds") && output.contains("perhaps"), "{output}");
}

/// The service can do little beside its work, as far as systemd can judge: 0 is nothing, 10 all.
#[test]
fn the_service_is_confined() {
    let unit = deployed("introgate.service");
    let arguments =
        ["security", "--offline=true", "--threshold=20", "--no-pager", &unit.to_string_lossy()];
    let Some((low, output)) = tool("systemd-analyze", &arguments) else { return };
    assert!(low, "{output}");
}

/// The times to end of the unit and of its configuration fit, as do the names of the secrets.
#[test]
fn the_unit_and_its_configuration_fit() {
    let unit = fs::read_to_string(deployed("introgate.service")).expect("the unit");
    let yaml = fs::read_to_string(deployed("gateway.yaml")).expect("the configuration");
    let value = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("{key}")).to_owned()
    };
    assert!(!yaml.contains("shutdown_timeout"), "30s unless written");
    assert!(value("TimeoutStopSec=").parse::<u64>().expect("seconds") > 30);
    assert_eq!(value("Environment="), "INTROGATE_CONFIG=/etc/introgate/gateway.yaml");
    let credential = value("LoadCredential=");
    let (name, path) = credential.split_once(':').expect("a name and a path");
    assert!(path.starts_with("/etc/introgate/secrets/"), "{path}");
    assert!(yaml.contains(&format!("/etc/introgate/secrets}}/{name}")), "{name}");
}

#[test]
fn the_user_and_the_folder_for_secrets_are_made() {
    let root = tempfile::tempdir().expect("a folder");
    fs::create_dir(root.path().join("etc")).expect("made");
    let at = format!("--root={}", root.path().display());
    let file = |name: &str| deployed(name).to_string_lossy().into_owned();
    let users = [at.as_str(), &file("introgate.sysusers")];
    let Some((made, output)) = tool("systemd-sysusers", &users) else { return };
    if !made && output.contains("ermission") {
        eprintln!("!!! SKIPPED: only root makes users");
        return;
    }
    assert!(made, "{output}");
    let passwd = fs::read_to_string(root.path().join("etc/passwd")).expect("users");
    assert!(passwd.starts_with("introgate:x:") && passwd.contains("nologin"), "{passwd}");
    let folders = [at.as_str(), "--create", &file("introgate.tmpfile")];
    let Some((made, output)) = tool("systemd-tmpfiles", &folders) else { return };
    assert!(made, "{output}");
    let folder = fs::metadata(root.path().join("etc/introgate/secrets")).expect("the folder");
    let mode = std::os::unix::fs::PermissionsExt::mode(&folder.permissions());
    assert_eq!(mode & 0o777, 0o700);
}
