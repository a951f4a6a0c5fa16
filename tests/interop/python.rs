//! Python programs as parts of a test: a virtualenv made once and kept, and child processes that end with their owner.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

/// The files beside this one.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// The interpreter of a virtualenv with django-oauth-toolkit in it. `None`, said loudly, where that cannot be had.
pub fn with_django() -> Option<&'static Path> {
    static PYTHON: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let requirements = source("django_oauth_toolkit/requirements.txt");
    match PYTHON.get_or_init(|| virtualenv(&requirements)) {
        Ok(python) => Some(python),
        Err(missing) => {
            skipped(missing);
            None
        }
    }
}

/// Written past the test runner, which hides what a passed test prints.
fn skipped(missing: &str) {
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test").to_owned();
    if std::env::var_os("INTEROP").is_some_and(|value| value == "required") {
        panic!("{test} needs more than there is: {missing}");
    }
    let line = format!("\n!!! SKIPPED {test}: {missing}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// Makes a virtualenv with these requirements below `target/interop`, unless one is there.
fn virtualenv(requirements: &Path) -> Result<PathBuf, String> {
    let version = run(Command::new("python3").args(["-c", "import sys; print(sys.version)"]))
        .map_err(|_| "no python3; apt-get install python3 python3-venv".to_owned())?;
    run(Command::new("python3").args(["-c", "import ensurepip, venv"]))
        .map_err(|_| "python3 has no venv module; apt-get install python3-venv".to_owned())?;

    let wanted = fs::read(requirements).expect("the requirements");
    let mut key = DefaultHasher::new();
    (&version, &wanted).hash(&mut key);
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop");
    let finished = cache.join(format!("venv-{:016x}", key.finish()));
    let python = finished.join("bin/python");
    if python.exists() {
        return Ok(python);
    }

    // Made under another name, so that neither an interrupted run nor one beside this leaves half of it.
    let making = cache.join(format!("making-{}", std::process::id()));
    let install = run(Command::new("python3").args(["-m", "venv"]).arg(&making)).and_then(|_| {
        let mut pip = Command::new(making.join("bin/python"));
        pip.args(["-m", "pip", "--retries", "1", "install"]);
        pip.args(["--disable-pip-version-check", "--quiet"]);
        run(pip.arg("--requirement").arg(requirements))
    });
    let renamed = install.map(|_| fs::rename(&making, &finished));
    if !matches!(renamed, Ok(Ok(()))) {
        let _ = fs::remove_dir_all(&making);
    }
    match renamed {
        Err(error) => {
            let last = error.trim_end().lines().last().unwrap_or_default();
            let file = requirements.display();
            Err(format!("cannot install {file}; is PyPI in reach? ({last})"))
        }
        Ok(_) if python.exists() => Ok(python),
        Ok(renamed) => Err(format!("{}: {renamed:?}", finished.display())),
    }
}

/// Runs a command to its end and returns its standard output; on failure, what it said.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.success() {
        true => Ok(out.into_owned()),
        false => Err(format!("{command:?}: {}\n{out}{err}", output.status)),
    }
}

/// A child process that ends with its owner.
pub struct Process(Child);

impl Process {
    /// Starts it; all that it writes goes to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Process {
        let log = fs::File::create(log).expect("a log file");
        let both = log.try_clone().expect("a second handle");
        let child = command.stdin(Stdio::null()).stdout(log).stderr(both);
        Process(child.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// How it ended, when it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("the child's state")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
