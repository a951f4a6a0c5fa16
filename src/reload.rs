//! A changed configuration takes the old one's place: watch, load, assemble, swap. On any error the
//! old runtime stays. Caches survive.

use crate::config::{ConfigSource, Loaded, Problem, Settings, Severity};
use crate::per_thread::Spread;
use crate::runtime::{LastReload, Process};
use crate::systemd;
use crate::telemetry::{Logging, Reloaded};
use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Watches the configuration's files.
pub struct Reload {
    pub process: Arc<Process>,
    pub logging: Logging,
    pub source: ConfigSource,
    /// Of the configuration in force.
    pub watched: WatchedFiles,
}

/// The files of a configuration, and their content when it was loaded.
#[derive(Clone)]
pub struct WatchedFiles {
    /// All that were read or should have been: the configuration itself, secrets, certificates.
    files: Vec<PathBuf>,
    content: blake3::Hash,
}

/// How often files are looked at. Looking at the content, rather than at events, also sees the
/// swapped links of mounted secrets and network file systems.
const PERIOD: Duration = Duration::from_millis(500);

/// How often a file that changes while it is read is read again at once.
const ATTEMPTS: usize = 5;

/// A configuration that was loaded.
pub struct Fresh {
    /// `None` when there is at least one error.
    pub settings: Option<Settings>,
    /// In the order of the file.
    pub problems: Vec<Problem>,
    /// The effective configuration with its secrets blacked out, as compact JSON.
    pub shown: Box<str>,
    /// The files to watch from then on.
    pub watched: WatchedFiles,
}

/// Loads in a thread of its own: its end returns the memory of loading to the system, which is
/// several times the memory of the configuration itself. A panic there goes on here.
pub fn load(source: &ConfigSource) -> Fresh {
    let load = || {
        let (Loaded { settings, problems, redacted, .. }, watched) = read(source);
        Fresh { settings, problems, shown: redacted.to_string().into(), watched }
    };
    let fresh = std::thread::scope(|scope| {
        match std::thread::Builder::new().stack_size(MAIN_STACK).spawn_scoped(scope, load) {
            Ok(loading) => loading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => load(),
        }
    });
    Fresh { settings: fresh.settings.as_ref().map(Settings::compact), ..fresh }
}

/// Bytes; as much as the main thread has.
const MAIN_STACK: usize = 8 << 20;

/// Reads a configuration together with the files to watch from then on. The content is noted here,
/// and not when watching begins: a change in between would never be seen.
fn read(source: &ConfigSource) -> (Loaded, WatchedFiles) {
    let main: Vec<PathBuf> = source.file().map(PathBuf::from).into_iter().collect();
    let mut attempt = 1;
    loop {
        let before = content(&main);
        let loaded = source.load(&|name| std::env::var(name).ok());
        let watched = WatchedFiles { content: content(&loaded.files), files: loaded.files.clone() };
        if attempt >= ATTEMPTS || content(&main) == before {
            return (loaded, watched);
        }
        attempt += 1;
    }
}

impl WatchedFiles {
    fn has_changed(&self) -> bool {
        content(&self.files) != self.content
    }
}

#[async_trait]
impl BackgroundService for Reload {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut watched = self.watched.clone();
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            tracing::error!("SIGHUP cannot be handled, so nothing is reloaded");
            return;
        };
        // without a handler the signal would end the process
        self.process.watching.store(true, Ordering::SeqCst);
        loop {
            let asked = tokio::select! {
                _ = shutdown.changed() => return,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(PERIOD) => false,
            };
            if asked || watched.has_changed() {
                let now = self.reload();
                // nothing was found that could be watched
                if !now.files.is_empty() {
                    watched = now;
                }
            }
        }
    }
}

impl Reload {
    /// Gives the files to watch from now on.
    fn reload(&self) -> WatchedFiles {
        systemd::reloading();
        let parts = &self.process.parts;
        let Fresh { settings, problems, shown, watched } = load(&self.source);
        let outcome = match settings {
            None => {
                // warnings are no reason for the refusal
                let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
                Err(errors.map(|problem| self.source.show(problem)).collect())
            }
            Some(settings) => {
                parts.assemble(settings, shown).map_err(|error| vec![error.to_string()])
            }
        };
        let at = parts.clock.now().unix_seconds();
        let problems = outcome.as_ref().err().cloned().unwrap_or_default();
        *self.process.last_reload.lock() = Some(LastReload { at, problems });
        let event = |outcome, shadow: &[&str]| {
            Reloaded { file: &self.source.name(), outcome, shadow, at }.emit(&parts.metrics)
        };
        match outcome {
            Err(problems) => {
                event(Err(&problems), &[]);
                systemd::ready("the newest configuration has errors; the old one stays in force");
            }
            Ok(runtime) => {
                let needs_restart =
                    needs_restart(&self.process.runtime.load().settings, &runtime.settings);
                self.logging.change(&runtime.log);
                parts.store.resize(&runtime.settings.cache);
                let upstreams = runtime.upstreams.clone();
                tokio::spawn(async move { crate::upstream::resolve_all(&upstreams).await });
                let runtime = Arc::new(Spread::new(Arc::new(runtime)));
                self.process.runtime.store(runtime.clone());
                event(Ok(&needs_restart), &runtime.shadow_routes());
                systemd::ready("the newest configuration is in force");
            }
        }
        watched
    }
}

/// Settings that a running process cannot change.
fn needs_restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    [
        ("admin.address", old.admin.address != new.admin.address),
        ("log.format", old.log.format != new.log.format),
        ("threads", old.threads != new.threads),
        ("shutdown_timeout", old.shutdown_timeout != new.shutdown_timeout),
    ]
    .into_iter()
    .filter_map(|(part, changed)| changed.then_some(part))
    .collect()
}

/// The content of all files; one that cannot be read counts as empty.
fn content(files: &[PathBuf]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for path in files {
        let content = std::fs::read(path).unwrap_or_default();
        hasher.update(&(content.len() as u64).to_le_bytes());
        hasher.update(&content);
    }
    hasher.finalize()
}
