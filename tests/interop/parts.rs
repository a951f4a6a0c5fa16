//! Third-party programs: each is fetched once and kept, started, and ended with its owner.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The files beside this one.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

/// The folder that survives the runs: `target/interop`.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("interop")
}

/// The value, or `None` with a message if it is missing; with `INTEROP=required` in the environment
/// that is a failure.
pub fn unless_missing<T>(had: Result<T, String>) -> Option<T> {
    had.map_err(|missing| skipped(&missing)).ok()
}

/// Written past the test runner, which hides the output of passed tests.
fn skipped(missing: &str) {
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test").to_owned();
    if std::env::var_os("INTEROP").is_some_and(|value| value == "required") {
        panic!("{test} needs more than there is: {missing}");
    }
    let line = format!("\n!!! SKIPPED {test}: {missing}\n");
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// A folder below [`cache`] that `make` filled once. Another `key`, which names all that goes into
/// it, is another folder.
pub fn kept(
    name: &str,
    key: impl Hash,
    make: impl FnOnce(&Path) -> Result<(), String>,
) -> Result<PathBuf, String> {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let finished = cache().join(format!("{name}-{:016x}", hasher.finish()));
    if finished.exists() {
        return Ok(finished);
    }
    // Made under another name, so that neither an interrupted run nor one beside this leaves half
    // of it.
    let making = cache().join(format!("making-{name}-{}", std::process::id()));
    let said = |error: std::io::Error| format!("{}: {error}", making.display());
    let made = fs::create_dir_all(&making).map_err(said).and_then(|()| make(&making));
    let renamed = made.and_then(|()| fs::rename(&making, &finished).map_err(said));
    if renamed.is_err() {
        let _ = fs::remove_dir_all(&making);
    }
    match renamed {
        Err(error) if !finished.exists() => Err(error),
        _ => Ok(finished),
    }
}

/// Runs a command to its end and returns its standard output; on failure, its error output.
pub fn run(command: &mut Command) -> Result<String, String> {
    let output =
        command.stdin(Stdio::null()).output().map_err(|error| format!("{command:?}: {error}"))?;
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.success() {
        true => Ok(out.into_owned()),
        false => Err(format!("{command:?}: {}\n{out}{err}", output.status)),
    }
}

/// The same for downloads from a registry: on failure, `what` could not be had, and the last line
/// of the reason.
pub fn fetch(what: &str, command: &mut Command) -> Result<String, String> {
    run(command).map_err(|error| {
        let last = error.trim_end().lines().last().unwrap_or_default();
        format!("cannot get {what}; is its registry in reach? ({last})")
    })
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
    /// Asked first: a script between us and the program passes that on, and it could not pass on
    /// the other signal.
    fn drop(&mut self) {
        const GRACE: Duration = Duration::from_secs(20);
        let _ = Command::new("sh")
            .args(["-c", &format!("kill -TERM {}", self.0.id())])
            .stderr(Stdio::null())
            .status();
        let asked = Instant::now();
        while matches!(self.0.try_wait(), Ok(None)) && asked.elapsed() < GRACE {
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
