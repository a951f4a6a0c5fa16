//! The files that `deploy/release` makes, here from a quick build: `make package`.

use crate::interop::run;
use crate::support::run_cli;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const VERSION: &str = env!("CARGO_PKG_VERSION");

fn output(program: &str, arguments: &[&str]) -> String {
    run(Command::new(program).args(arguments)).unwrap_or_else(|error| panic!("{error}"))
}

/// The file with this end.
fn made(folder: &Path, end: &str) -> PathBuf {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut paths = entries.map(|entry| entry.expect("an entry").path());
    let found = paths.find(|path| path.to_string_lossy().ends_with(end));
    found.unwrap_or_else(|| panic!("no {end} in {}", folder.display()))
}

/// No folder of the building machine: the project's, cargo's, the toolchain's.
fn names_no_place(bytes: &[u8], what: &str) {
    let home = std::env::var("HOME").unwrap_or_default();
    let place =
        |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| format!("{home}/{usual}"));
    let places = [ROOT.to_owned(), place("CARGO_HOME", ".cargo"), place("RUSTUP_HOME", ".rustup")];
    for place in places {
        let found = memchr::memmem::find(bytes, place.as_bytes());
        assert_eq!(found, None, "{what} has {place}");
    }
}

/// `DIST` may name the folder of a release that is finished.
#[test]
#[ignore = "builds for minutes; make package"]
fn a_release_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let finished = std::env::var_os("DIST").map(|dist| Path::new(ROOT).join(dist));
    let dist = finished.clone().unwrap_or_else(|| folder.path().join("dist"));
    if finished.is_none() {
        let mut release = Command::new(format!("{ROOT}/deploy/release"));
        release.args(["--profile", "demo", "--without", "musl", "--into"]).arg(&dist);
        run(&mut release).unwrap_or_else(|error| panic!("{error}"));
    }
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(&dist)
        .status();
    assert!(sums.is_ok_and(|status| status.success()));
    let listed = fs::read_to_string(dist.join("SHA256SUMS")).expect("the sums");
    assert!([4, 5].contains(&listed.lines().count()), "{listed}");

    the_debian_package(&made(&dist, ".deb"), &folder.path().join("deb"));
    the_archive(&made(&dist, "-linux-gnu.tar.gz"), &folder.path().join("tar"));
    the_bill_of_materials(&made(&dist, ".cdx.json"));
    let chart = output(
        "tar",
        &["-tzf", &made(&dist, &format!("introgate-{VERSION}.tgz")).to_string_lossy()],
    );
    assert!(chart.contains("introgate/Chart.yaml") && !chart.contains("/ci/"), "{chart}");
}

fn the_debian_package(package: &Path, at: &Path) {
    fs::create_dir(at).expect("made");
    let name = package.to_string_lossy();
    let field = |field: &str| output("dpkg-deb", &["-f", &name, field]).trim().to_owned();
    assert_eq!(field("Package"), "introgate");
    assert_eq!(field("Version"), format!("{VERSION}-1"));
    let depends = field("Depends");
    for part in ["libc6 (>= ", "ca-certificates", "systemd"] {
        assert!(depends.contains(part), "{depends}");
    }
    let (root, control) = (at.join("root"), at.join("control"));
    output("dpkg-deb", &["-x", &name, &root.to_string_lossy()]);
    output("dpkg-deb", &["-e", &name, &control.to_string_lossy()]);
    let text = |path: &str| {
        fs::read_to_string(at.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    };

    // upgrades keep what an administrator wrote
    assert_eq!(text("control/conffiles").trim(), "/etc/introgate/gateway.yaml");
    let program = root.join("usr/bin/introgate");
    assert_eq!(
        output(&program.to_string_lossy(), &["--version"]).trim(),
        format!("introgate {VERSION}")
    );
    names_no_place(&fs::read(&program).expect("the program"), "the program");
    let credentials = at.join("credentials");
    fs::create_dir(&credentials).expect("made");
    fs::write(credentials.join("introspection-client-secret"), "s3cr3t\n").expect("written");
    let checked = run(Command::new(&program)
        .arg("check")
        .env("INTROGATE_CONFIG", root.join("etc/introgate/gateway.yaml"))
        .env("CREDENTIALS_DIRECTORY", &credentials));
    assert!(checked.is_ok(), "{checked:?}");

    // the user before the unit that runs as it; nothing is started before its configuration is written
    let postinst = text("control/postinst");
    let users = postinst.find("systemd-sysusers").expect("the user is made");
    let folders = postinst.find("systemd-tmpfiles").expect("the folder for secrets is made");
    assert!(users < folders && postinst.contains("introgate.conf"), "{postinst}");
    assert!(
        !postinst.contains("deb-systemd-invoke start") && !postinst.contains("_dh_action=start"),
        "{postinst}"
    );
    for script in ["postinst", "prerm", "postrm"] {
        output("sh", &["-n", &control.join(script).to_string_lossy()]);
    }
    let unit = root.join("usr/lib/systemd/system/introgate.service");
    let deployed = fs::read_to_string(format!("{ROOT}/deploy/systemd/introgate.service"));
    assert_eq!(fs::read_to_string(unit).ok(), deployed.ok());
    for path in ["usr/lib/sysusers.d/introgate.conf", "usr/lib/tmpfiles.d/introgate.conf"] {
        assert!(root.join(path).is_file(), "{path}");
    }

    for page in ["introgate", "introgate-run", "introgate-check", "introgate-doctor"] {
        let page = root.join(format!("usr/share/man/man1/{page}.1.gz"));
        let text = output("gzip", &["-dc", &page.to_string_lossy()]);
        assert!(text.contains(".TH introgate"), "{text}");
    }
    let bash = root.join("usr/share/bash-completion/completions/introgate");
    output("bash", &["-n", &bash.to_string_lossy()]);
    for path in ["zsh/vendor-completions/_introgate", "fish/vendor_completions.d/introgate.fish"] {
        let shell = fs::read_to_string(root.join("usr/share").join(path)).expect(path);
        assert!(shell.contains("explain"), "{path}");
    }
    let changelog = root.join("usr/share/doc/introgate/changelog.Debian.gz");
    assert!(output("gzip", &["-dc", &changelog.to_string_lossy()]).starts_with("introgate ("));
    let mode = fs::metadata(&program).expect("the program").permissions().mode();
    assert_eq!(mode & 0o7777, 0o755);
    if Command::new("lintian").arg("--version").output().is_ok() {
        // the quick build is not stripped, and there is no bug that this package closes
        let tags = "unstripped-binary-or-object,initial-upload-closes-no-bugs,no-changelog";
        let arguments = ["--fail-on", "error", "--suppress-tags", tags, "--allow-root", &name];
        output("lintian", &arguments);
    } else {
        eprintln!("!!! SKIPPED: lintian is not installed");
    }
}

/// Everything is root's, and of the time of the commit.
fn the_archive(archive: &Path, at: &Path) {
    let name = archive.to_string_lossy();
    let listed = output("tar", &["--utc", "--full-time", "--numeric-owner", "-tvzf", &name]);
    let commit = output("git", &["-C", ROOT, "log", "-1", "--format=%ct"]);
    let time =
        output("date", &["--utc", &format!("--date=@{}", commit.trim()), "+%Y-%m-%d %H:%M:%S"]);
    for line in listed.lines() {
        assert!(line.contains(" 0/0 ") && line.contains(time.trim()), "{time}{line}");
    }
    fs::create_dir(at).expect("made");
    output("tar", &["-xzf", &name, "--strip-components=1", "-C", &at.to_string_lossy()]);
    let version = output(&at.join("bin/introgate").to_string_lossy(), &["--version"]);
    assert_eq!(version.trim(), format!("introgate {VERSION}"));
    for path in [
        "share/man/man1/introgate.1",
        "systemd/introgate.service",
        "gateway.yaml.example",
        "LICENSE",
    ] {
        assert!(at.join(path).is_file(), "{path}");
    }
}

/// Every crate of the program with its version; none that only tests use.
fn the_bill_of_materials(file: &Path) {
    let text = fs::read_to_string(file).expect("the bill");
    names_no_place(text.as_bytes(), "the bill");
    let bill: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
    assert_eq!(bill["metadata"]["component"]["name"], "introgate");
    assert!(bill["serialNumber"].is_null(), "it would be another one each time");
    let components = bill["components"].as_array().expect("components");
    let lock = fs::read_to_string(format!("{ROOT}/Cargo.lock")).expect("Cargo.lock");
    for component in components {
        let (name, version) = (component["name"].as_str(), component["version"].as_str());
        let (name, version) = (name.expect("a name"), version.expect("a version"));
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&entry), "{name} {version} is not in Cargo.lock");
    }
    let has = |name: &str| components.iter().any(|component| component["name"] == name);
    for name in ["pingora-core", "rustls", "aws-lc-sys", "reqwest", "serde_yaml"] {
        assert!(has(name), "{name}");
    }
    assert!(!has("proptest") && !has("divan"), "tests are not part of the program");
}

/// The places that packages and manuals name are those that the program looks at.
#[test]
fn the_usual_place_of_the_configuration_is_the_packages() {
    let cargo = fs::read_to_string(format!("{ROOT}/Cargo.toml")).expect("Cargo.toml");
    assert!(cargo.contains("[\"deploy/systemd/gateway.yaml\", \"etc/introgate/\", \"644\"]"));
    let (_, help, _) = run_cli(&["check", "--help"], &[]);
    assert!(help.contains("/etc/introgate/gateway.yaml"), "{help}");
}

/// Chart, crate and image have one version.
#[test]
fn the_chart_has_the_programs_version() {
    let chart = fs::read_to_string(format!("{ROOT}/deploy/helm/introgate/Chart.yaml"));
    let chart: Value = serde_yaml::from_str(&chart.expect("Chart.yaml")).expect("YAML");
    assert_eq!((&chart["version"], &chart["appVersion"]), (&VERSION.into(), &VERSION.into()));
}
