//! `introgate run`.

use super::USAGE;
use super::output::complain;
use crate::assemble::AssembleError;
use crate::config::{ConfigSource, Settings};
use crate::handover::{self, HandedOver};
use crate::reload::{self, Fresh, Reload};
use crate::runtime::{CarriedOver, Process};
use crate::server::{self, Extras};
use crate::telemetry::{self, Reloaded};
use crate::upstream::resolve_all;
use std::process::ExitCode;
use std::sync::Arc;

/// `upgrade`: takes over from the process that runs with this configuration.
pub fn run(source: ConfigSource, upgrade: bool) -> ExitCode {
    let Fresh { settings, problems, shown, watched } = reload::load(&source);
    for problem in &problems {
        complain(format_args!("{}", source.show(problem)));
    }
    let Some(settings) = settings else {
        complain(format_args!("introgate: {} cannot be used; nothing was started", source.name()));
        return ExitCode::from(USAGE);
    };
    let logging = telemetry::start(&settings.log);
    let path = handover::socket_path(&source.name());
    let mut taken = None;
    if upgrade {
        let from = path.as_ref().map_err(|error| error.to_string());
        match from.and_then(|path| handover::take(path).map_err(|error| error.to_string())) {
            Ok(all) => taken = Some(all),
            Err(error) => {
                complain(format_args!("introgate: {error}"));
                return ExitCode::FAILURE;
            }
        }
    }
    let process = match process(settings, shown, taken.as_mut()) {
        Ok(process) => Arc::new(process),
        Err(error) => {
            complain(format_args!("{}: error: {error}", source.name()));
            return ExitCode::from(USAGE);
        }
    };
    let parts = &process.parts;
    Reloaded {
        file: &source.name(),
        outcome: Ok(&[]),
        shadow: &process.runtime.load().shadow_routes(),
        at: parts.clock.now().unix_seconds(),
    }
    .emit(&parts.metrics);
    let reload = Reload { process: process.clone(), logging, source, watched };
    if let Err(error) = &path {
        tracing::warn!(%error, "`run --upgrade` is not available");
    }
    let upgrade_socket = path.ok();
    let extras = Extras { reload: Some(reload), upgrade_socket, taken, ..Extras::default() };
    finish(server::run(process, extras))
}

/// The process's parts and its first runtime, with upstream names looked up once. Answers that
/// another process handed over are kept. `shown`: the effective configuration, as
/// [`Fresh::shown`].
pub fn process(
    settings: Settings,
    shown: Box<str>,
    taken: Option<&mut HandedOver>,
) -> Result<Process, AssembleError> {
    let mut parts = CarriedOver::new(&settings)?;
    if let Some(taken) = taken {
        parts.digest_key = taken.key.clone();
        let kept = taken.keep(&parts.store, &parts.seen_proofs, &settings.cache, &parts.clock);
        tracing::info!(answers = kept, sockets = taken.sockets.len(), "handed over");
    }
    let runtime = parts.assemble(settings, shown)?;
    // a name that cannot be resolved now is tried again in the background
    if let Ok(resolver) = tokio::runtime::Builder::new_current_thread().enable_all().build() {
        resolver.block_on(resolve_all(&runtime.upstreams));
    }
    Ok(Process::new(parts, runtime))
}

pub fn finish(outcome: Result<(), server::StartError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("introgate: {error}"));
            ExitCode::FAILURE
        }
    }
}
