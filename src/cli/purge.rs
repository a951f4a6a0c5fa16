//! `introgate purge`: asks a running gateway's admin listener to forget tokens.

use super::output::{self, complain};
use super::{USAGE, locate, named_or_read};
use crate::config;
use crate::secret::Secret;
use clap::Args;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub struct PurgeArgs {
    /// The gateway's configuration, of which only the section `admin` is used: its environment
    /// variables must be set, and those of the other sections need not be
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// The gateway's admin listener, in place of a configuration; the token is taken from
    /// $INTROGATE_ADMIN_TOKEN or the file that $INTROGATE_ADMIN_TOKEN_FILE names
    #[arg(long, value_name = "HOST:PORT", conflicts_with = "config")]
    admin: Option<String>,
    #[command(flatten)]
    which: Which,
}

/// Exactly one.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// The answers about this token; `-` reads it from standard input, so that no process list
    /// shows it
    #[arg(long)]
    token: Option<String>,
    /// All tokens of this subject
    #[arg(long)]
    sub: Option<String>,
    /// All tokens of this client
    #[arg(long)]
    client_id: Option<String>,
    /// The token with this id
    #[arg(long)]
    jti: Option<String>,
    /// All tokens of this session, where answers have a `sid`
    #[arg(long)]
    sid: Option<String>,
    /// Everything
    #[arg(long)]
    all: bool,
}

/// Where to ask, and with which token.
struct AdminListener {
    authority: String,
    token: Option<Secret>,
}

pub fn purge(arguments: PurgeArgs) -> ExitCode {
    let PurgeArgs { config, admin, which } = arguments;
    let listener = match admin {
        Some(authority) => from_environment(authority),
        None => from_file(&locate(config)),
    };
    let listener = match listener {
        Ok(listener) => listener,
        Err(exit) => return exit,
    };
    let body = match which.body() {
        Ok(body) => body,
        Err(error) => {
            complain(format_args!("introgate: standard input cannot be read: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match ask(&listener, &body) {
        Ok(answer) => output::print(format!("{answer}\n").as_bytes()),
        Err(error) => {
            complain(format_args!("introgate: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// The section `admin` of a configuration file.
fn from_file(path: &Path) -> Result<AdminListener, ExitCode> {
    let loaded = config::load(path, &|name| std::env::var(name).ok());
    let Some(admin) = loaded.admin else {
        for problem in loaded.problems.iter().filter(|problem| problem.concerns("admin")) {
            complain(format_args!("{}", problem.display(path)));
        }
        complain(format_args!(
            "introgate: the section `admin` of {} cannot be used; name the listener by --admin, or correct the file",
            path.display()
        ));
        return Err(ExitCode::from(USAGE));
    };
    let Some(address) = admin.address else {
        complain(format_args!(
            "introgate: admin.address is `off` in {}, so this gateway has no listener to ask",
            path.display()
        ));
        return Err(ExitCode::FAILURE);
    };
    Ok(AdminListener { authority: reachable(address).to_string(), token: admin.token })
}

/// The listener that the command line names.
fn from_environment(authority: String) -> Result<AdminListener, ExitCode> {
    let usage = |message: String| {
        complain(format_args!("introgate: {message}"));
        ExitCode::from(USAGE)
    };
    let valid = authority
        .parse::<http::uri::Authority>()
        .is_ok_and(|authority| authority.port_u16().is_some() && !authority.as_str().contains('@'));
    if !valid {
        return Err(usage("--admin is not HOST:PORT; write 127.0.0.1:9901, for example".into()));
    }
    let file = std::env::var("INTROGATE_ADMIN_TOKEN_FILE").ok().filter(|file| !file.is_empty());
    let direct = std::env::var("INTROGATE_ADMIN_TOKEN").ok().filter(|token| !token.is_empty());
    let token = match (direct, file) {
        (Some(_), Some(_)) => {
            return Err(usage(
                "INTROGATE_ADMIN_TOKEN and INTROGATE_ADMIN_TOKEN_FILE are both set; unset one of them"
                    .into(),
            ));
        }
        (Some(token), None) => Some(Secret::new(token)),
        (None, Some(file)) => match std::fs::read_to_string(&file) {
            Ok(text) => Some(Secret::new(text.trim())),
            Err(error) => {
                return Err(usage(format!(
                    "INTROGATE_ADMIN_TOKEN_FILE names {file}, which cannot be read: {error}"
                )));
            }
        },
        (None, None) => None,
    };
    Ok(AdminListener { authority, token })
}

impl Which {
    fn body(self) -> std::io::Result<Value> {
        Ok(match self {
            Self { token: Some(token), .. } => json!({"token": named_or_read(token)?.expose()}),
            Self { sub: Some(sub), .. } => json!({"sub": sub}),
            Self { client_id: Some(client_id), .. } => json!({"client_id": client_id}),
            Self { jti: Some(jti), .. } => json!({"jti": jti}),
            Self { sid: Some(sid), .. } => json!({"sid": sid}),
            Self { .. } => json!({"all": true}),
        })
    }
}

/// The admin listener's answer.
fn ask(listener: &AdminListener, body: &Value) -> anyhow::Result<String> {
    let url = format!("http://{}/api/cache/purge", listener.authority);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(Duration::from_secs(10))
            .build()?;
        let mut request =
            client.post(&url).header("content-type", "application/json").body(body.to_string());
        if let Some(token) = &listener.token {
            request = request.bearer_auth(token.expose());
        }
        let response = request
            .send()
            .await
            .map_err(|error| anyhow::anyhow!("no gateway answers at {url}: {error}"))?;
        let (status, text) = (response.status(), response.text().await?);
        if status.is_success() {
            Ok(text.trim().to_owned())
        } else {
            anyhow::bail!("the gateway refused with {status}: {}", text.trim())
        }
    })
}

/// Where a listener on all addresses of this machine is found from here.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
