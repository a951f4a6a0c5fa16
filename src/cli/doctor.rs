//! `introgate doctor`: reaches every authorization server and upstream once, and reports the
//! findings.

use super::output::complain;
use super::{File, USAGE, check, named_or_read};
use crate::config::{ConfigSource, Settings, load};
use crate::doctor::{DoctorReport, examine};
use crate::runtime::CarriedOver;
use crate::server::try_trust_roots;
use crate::token::AccessToken;
use anyhow::Context;
use clap::Args;
use std::io;
use std::process::ExitCode;

#[derive(Args)]
pub struct Doctor {
    #[command(flatten)]
    file: File,
    /// A real access token, which is introspected as well; `-` reads it from standard input, so
    /// that no process list shows it
    #[arg(long)]
    token: Option<String>,
}

/// Exit 0 when all is well, 1 with problems, 64 when the configuration cannot be used.
pub fn doctor(arguments: Doctor) -> ExitCode {
    let path = arguments.file.path();
    let loaded = load(&path, &|name| std::env::var(name).ok());
    let mut out = io::stdout().lock();
    // when the output is closed, there is nothing left to report to
    let _ = check::tell(&ConfigSource::File(path), &loaded, &mut out);
    let Some(settings) = loaded.settings else { return ExitCode::from(USAGE) };
    match run(&settings, arguments.token, &mut DoctorReport::new(&mut out)) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            complain(format_args!("introgate: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The number of problems.
fn run(
    settings: &Settings,
    token: Option<String>,
    report: &mut DoctorReport<'_>,
) -> anyhow::Result<usize> {
    let token = token.map(named_or_read).transpose().context("standard input cannot be read")?;
    let token = token
        .as_ref()
        .map(|token| AccessToken::parse(token.expose().as_bytes(), settings.token.max_length));
    let token = token.transpose().ok().context(
        "the value of --token is not an access token, or is longer than token.max_length",
    )?;
    // connections to upstreams would end the program without them
    try_trust_roots()?;
    let parts = CarriedOver::new(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(examine(settings, &parts, token, report));
    report.end();
    Ok(report.problems)
}
