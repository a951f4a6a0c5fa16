//! The commands.

mod check;
mod demo;
mod doctor;
mod explain;
mod init;
mod man;
mod output;
mod purge;
mod run;
mod schema;
mod source;

use crate::config::ConfigSource;
use crate::secret::Secret;
use clap::{CommandFactory, Parser, Subcommand};
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::ExitCode;

/// Bad configuration or usage (`EX_USAGE` of sysexits.h).
pub const USAGE: u8 = 64;

/// A gateway that lets a request through only while the authorization server confirms its token.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway
    Run(Run),
    /// Read the configuration as `run` would and print every problem; touches no network
    ///
    /// Without a file, it prints the file that flags and environment variables amount to.
    Check(source::ChosenConfig),
    /// Reach every authorization server, Redis and every upstream once, credentials included, and
    /// report the findings
    Doctor(doctor::Doctor),
    /// Explain the outcome of a request
    Explain(explain::Explain),
    /// Run a complete setup on loopback: authorization server, upstream, gateway; prints curl lines
    /// to try
    Demo,
    /// Print a commented gateway.yaml to start from, made of the authorization server's metadata
    Init(init::Init),
    /// Print the JSON Schema of gateway.yaml
    Schema,
    /// Ask a running gateway to forget tokens
    Purge(purge::PurgeArgs),
    /// Print shell completions
    Completions { shell: clap_complete::Shell },
    /// Print the manual page, or write all of them into a folder
    Man(man::Pages),
}

#[derive(clap::Args)]
struct Run {
    #[command(flatten)]
    chosen: source::ChosenConfig,
    /// Take over from the gateway that runs with this configuration: its listening sockets and its
    /// cache. It stops when this one is ready
    #[arg(long)]
    upgrade: bool,
}

#[derive(clap::Args)]
struct File {
    /// The configuration [default: $INTROGATE_CONFIG, else ./gateway.yaml, else
    /// /etc/introgate/gateway.yaml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(hide = true, value_name = "FILE", conflicts_with = "config")]
    file: Option<PathBuf>,
}

impl File {
    fn path(self) -> PathBuf {
        locate(self.config.or(self.file))
    }
}

/// The configuration that was named, else the first of the usual places.
fn locate(named: Option<PathBuf>) -> PathBuf {
    let from_environment =
        || std::env::var_os("INTROGATE_CONFIG").filter(|path| !path.is_empty()).map(PathBuf::from);
    let here = PathBuf::from("gateway.yaml");
    let default =
        || if here.exists() { here.clone() } else { PathBuf::from("/etc/introgate/gateway.yaml") };
    named.or_else(from_environment).unwrap_or_else(default)
}

/// The configuration that would be used, if it is there: the one that was named, or a file in one of
/// the usual places.
fn existing(file: File) -> Option<PathBuf> {
    let named = file.config.is_some() || file.file.is_some();
    let named = named || std::env::var_os("INTROGATE_CONFIG").is_some_and(|path| !path.is_empty());
    let path = file.path();
    if named || path.exists() { Some(path) } else { None }
}

/// Runs a command with its configuration; contradictory arguments are wrong usage.
fn with_source(
    chosen: source::ChosenConfig,
    command: impl FnOnce(ConfigSource) -> ExitCode,
) -> ExitCode {
    match chosen.source(&|name| std::env::var(name).ok()) {
        Ok(source) => command(source),
        Err(message) => {
            output::complain(format_args!("introgate: {message}"));
            ExitCode::from(USAGE)
        }
    }
}

/// A token as it was named, or for `-` from standard input: one on the command line stays in the
/// shell's history and in the list of processes.
fn named_or_read(token: String) -> io::Result<Secret> {
    if token != "-" {
        return Ok(Secret::new(token));
    }
    let mut text = String::new();
    io::stdin().lock().take(1 << 20).read_to_string(&mut text)?;
    Ok(Secret::new(text.trim()))
}

/// Parses the arguments of the process, runs the command and returns its exit code: 0 fine, 1 failed
/// at run time, 64 wrong usage or configuration.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap sends help and version to standard output, and those are no errors
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    // one TLS stack and one cryptography for all sides, before pingora installs ring
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match arguments.command {
        Command::Run(Run { chosen, upgrade }) => {
            with_source(chosen, |source| run::run(source, upgrade))
        }
        Command::Check(chosen) => with_source(chosen, |source| check::check(&source)),
        Command::Init(arguments) => init::init(arguments),
        Command::Man(pages) => man::man(pages, Arguments::command()),
        Command::Doctor(arguments) => doctor::doctor(arguments),
        Command::Explain(arguments) => explain::explain_request(arguments),
        Command::Demo => demo::demo(),
        Command::Schema => schema::schema(),
        Command::Purge(arguments) => purge::purge(arguments),
        Command::Completions { shell } => {
            let mut completions = Vec::new();
            clap_complete::generate(
                shell,
                &mut Arguments::command(),
                "introgate",
                &mut completions,
            );
            output::print(&completions)
        }
    }
}
