//! `introgate purge`: asks a running gateway's admin listener to forget tokens.

use super::{USAGE, locate, named_or_read};
use crate::config::{self, AdminSettings};
use clap::Args;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

#[derive(Args)]
pub struct Purge {
    /// The gateway's configuration: its `admin.address` and `admin.token` are used
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    which: Which,
}

/// Exactly one.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Which {
    /// What is known about this token; `-` reads it from standard input, so that no process list
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

pub fn purge(arguments: Purge) -> ExitCode {
    let path = locate(arguments.config);
    let loaded = config::load(&path, &|name| std::env::var(name).ok());
    let Some(settings) = loaded.settings else {
        eprintln!("introgate: {} cannot be used; see `introgate check`", path.display());
        return ExitCode::from(USAGE);
    };
    let body = match arguments.which.body() {
        Ok(body) => body,
        Err(error) => {
            eprintln!("introgate: standard input cannot be read: {error}");
            return ExitCode::FAILURE;
        }
    };
    match ask(&settings.admin, &body) {
        Ok(answer) => {
            println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("introgate: {error}");
            ExitCode::FAILURE
        }
    }
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

/// The admin listener's answer, or what went wrong.
fn ask(admin: &AdminSettings, body: &Value) -> anyhow::Result<String> {
    let address = reachable(
        admin
            .address
            .ok_or_else(|| anyhow::anyhow!("admin.address is off, so no gateway can be asked"))?,
    );
    let url = format!("http://{address}/api/cache/purge");
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_certs_only([])
            .timeout(Duration::from_secs(10))
            .build()?;
        let mut request =
            client.post(&url).header("content-type", "application/json").body(body.to_string());
        if let Some(token) = &admin.token {
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
