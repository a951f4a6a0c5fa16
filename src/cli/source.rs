//! Which configuration a command works on: a file, or flags and environment variables alone.

mod generate;

use super::{File, existing};
use crate::config::ConfigSource;
use clap::Args;
use generate::GeneratedParts;
pub use generate::quoted;

/// Sets up a gateway without a file. A flag wins over its variable.
#[derive(Args, Default)]
pub struct Flags {
    /// Without a file: the protected service [env: INTROGATE_UPSTREAM]
    #[arg(long, value_name = "URL")]
    upstream: Option<String>,
    /// Without a file: the introspection endpoint [env: INTROGATE_INTROSPECTION_ENDPOINT]
    #[arg(long, value_name = "URL")]
    introspect: Option<String>,
    /// Without a file: the authorization server's issuer, from which the endpoint is found
    /// [env: INTROGATE_ISSUER]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Without a file: address and port [env: INTROGATE_LISTEN; default: 0.0.0.0:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
    /// Without a file: scopes that a token needs, all of them [env: INTROGATE_SCOPES]
    #[arg(long, value_name = "SCOPES")]
    scopes: Option<String>,
    /// Without a file: values of which a token's `aud` needs one [env: INTROGATE_AUDIENCE]
    #[arg(long, value_name = "AUDIENCE")]
    audience: Option<String>,
}

/// The configuration of `run` and `check`.
#[derive(Args)]
#[command(after_help = AFTER_HELP)]
pub struct ChosenConfig {
    #[command(flatten)]
    file: File,
    #[command(flatten)]
    flags: Flags,
}

const AFTER_HELP: &str = "\
Without a file, the gateway authenticates itself to the authorization server by environment variables alone: INTROGATE_CLIENT_ID and INTROGATE_CLIENT_SECRET (client_secret_basic), or INTROGATE_TOKEN (bearer); each also with _FILE, which names a file. Everything else needs a file.";

/// A setting, and the flag or variable that set it.
pub struct GivenSetting {
    pub value: String,
    /// `--upstream`, or the variable's name.
    pub origin: String,
}

impl ChosenConfig {
    /// The error includes the remedy.
    pub fn source(self, env: &dyn Fn(&str) -> Option<String>) -> Result<ConfigSource, String> {
        let parts = GeneratedParts::collect(self.flags, env);
        let Some(first) = parts.first() else { return Ok(ConfigSource::File(self.file.path())) };
        if let Some(file) = existing(self.file) {
            return Err(format!(
                "both the configuration {} and {first} are given; use either a file or flags and environment variables, and remove the other",
                file.display()
            ));
        }
        parts.generate(env).map(ConfigSource::Generated)
    }
}
