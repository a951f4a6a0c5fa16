//! A changed configuration takes the old one's place: watch, load, assemble, swap. On any error the
//! old runtime stays. Caches survive.

use crate::config::{self, Loaded, Settings};
use crate::runtime::Process;
use crate::telemetry::{Logging, Reloaded};
use async_trait::async_trait;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::background::BackgroundService;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Watches the configuration's files.
pub struct Reload {
    pub process: Arc<Process>,
    pub logging: Logging,
    pub file: PathBuf,
    /// All files that were read for the configuration in force: itself, secrets, certificates.
    pub read: Vec<PathBuf>,
}

/// How often files are looked at. Looking at the content, rather than at events, also sees the
/// swapped links of mounted secrets and network file systems.
const PERIOD: Duration = Duration::from_millis(500);

#[async_trait]
impl BackgroundService for Reload {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let mut read = self.read.clone();
        let mut seen = fingerprint(&self.file, &read);
        let Ok(mut hangup) = signal(SignalKind::hangup()) else {
            tracing::error!("SIGHUP cannot be listened to");
            return;
        };
        loop {
            let asked = tokio::select! {
                _ = shutdown.changed() => return,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(PERIOD) => false,
            };
            let now = fingerprint(&self.file, &read);
            if asked || now != seen {
                let files = self.reload();
                read = if files.is_empty() { read } else { files };
                seen = fingerprint(&self.file, &read);
            }
        }
    }
}

impl Reload {
    /// Gives the files to watch from now on.
    fn reload(&self) -> Vec<PathBuf> {
        let parts = &self.process.parts;
        let Loaded { settings, problems, files, redacted } =
            config::load(&self.file, &|name| std::env::var(name).ok());
        let told: Vec<String> =
            problems.iter().map(|problem| problem.display(&self.file).to_string()).collect();
        let outcome = match settings {
            None => Err(told),
            Some(settings) => {
                parts.assemble(settings, &redacted).map_err(|error| vec![error.to_string()])
            }
        };
        let event = |outcome, shadow: &[&str]| {
            Reloaded {
                file: &self.file.display().to_string(),
                outcome,
                shadow,
                at: parts.clock.now().unix_seconds(),
            }
            .emit(&parts.metrics)
        };
        match outcome {
            Err(problems) => event(Err(&problems), &[]),
            Ok(runtime) => {
                let needs_restart =
                    needs_restart(&self.process.runtime.load().settings, &runtime.settings);
                self.logging.change(&runtime.log);
                parts.store.resize(&runtime.settings.cache);
                let upstreams = runtime.upstreams.clone();
                tokio::spawn(async move { crate::upstream::resolve_all(&upstreams).await });
                let runtime = Arc::new(runtime);
                self.process.runtime.store(runtime.clone());
                event(Ok(&needs_restart), &runtime.shadow_routes());
            }
        }
        files
    }
}

/// What a running process cannot change.
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
fn fingerprint(file: &Path, read: &[PathBuf]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for path in std::iter::once(file).chain(read.iter().map(PathBuf::as_path)) {
        let content = std::fs::read(path).unwrap_or_default();
        hasher.update(&(content.len() as u64).to_le_bytes());
        hasher.update(&content);
    }
    hasher.finalize()
}
