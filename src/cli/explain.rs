//! `introgate explain`: explains the outcome of a request.

use super::output::complain;
use super::{File, USAGE, check};
use crate::config::{ConfigSource, Settings, load};
use crate::explain::{Question, explain};
use crate::runtime::CarriedOver;
use anyhow::Context;
use clap::Args;
use serde_json::Value;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
pub struct Explain {
    /// The configuration [default: as for `run`]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    config: Option<PathBuf>,
    /// An introspection answer (JSON, RFC 7662) to assume; without it the token of the request is
    /// introspected
    #[arg(long, value_name = "FILE.json")]
    response: Option<PathBuf>,
    /// A header of the request, as `Authorization: Bearer …`; may be repeated
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    headers: Vec<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The method of the request
    method: String,
    /// The URL of the request, or its path
    url: String,
}

/// Exit 0 when the request would be allowed, 1 when it would be refused, 64 for bad usage or a bad
/// configuration.
pub fn explain_request(arguments: Explain) -> ExitCode {
    let path = File { config: arguments.config.clone(), file: None }.path();
    let loaded = load(&path, &|name| std::env::var(name).ok());
    let Some(settings) = loaded.settings else {
        // when stderr is closed there is nothing to report
        let _ = check::tell(&ConfigSource::File(path), &loaded, &mut io::stderr().lock());
        return ExitCode::from(USAGE);
    };
    let question = match question(&arguments) {
        Ok(question) => question,
        Err(error) => {
            complain(format_args!("introgate: {error}"));
            return ExitCode::from(USAGE);
        }
    };
    match run(settings, &question) {
        Ok((explanation, allowed)) => {
            let text = match arguments.json {
                true => format!("{explanation:#}\n"),
                false => text(&explanation),
            };
            // when stdout is closed there is nothing to report
            let _ = io::stdout().lock().write_all(text.as_bytes());
            if allowed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            complain(format_args!("introgate: {error:#}"));
            ExitCode::from(USAGE)
        }
    }
}

fn question(arguments: &Explain) -> Result<Question, String> {
    let mut headers = Vec::new();
    for header in &arguments.headers {
        let (name, value) = header.split_once(':').ok_or("a header is `NAME: VALUE`")?;
        headers.push((name.trim(), value.trim()));
    }
    let response = match &arguments.response {
        None => None,
        Some(path) => {
            let read = std::fs::read(path);
            Some(read.map_err(|error| format!("{} cannot be read: {error}", path.display()))?)
        }
    };
    Question::new(&arguments.method, &arguments.url, headers, response)
}

fn run(settings: Settings, question: &Question) -> anyhow::Result<(Value, bool)> {
    let parts = CarriedOver::new(&settings)?;
    let runtime = parts.assemble(settings, Box::default())?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    executor
        .block_on(explain(&runtime, question, parts.clock.now()))
        .map_err(anyhow::Error::msg)
        .context("this cannot be explained")
}

/// For people.
fn text(explanation: &Value) -> String {
    let mut text = String::new();
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let word = |value: &Value| value.as_str().map_or_else(|| "none".to_owned(), str::to_owned);
    line(format!("route: {}", word(&explanation["route"])));
    for other in explanation["other_routes"].as_array().into_iter().flatten() {
        line(format!("  not {}: {}", word(&other["route"]), word(&other["why_not"])));
    }
    line(format!("authorization server: {}", word(&explanation["authorization_server"])));
    line(format!("token: {}", word(&explanation["token"])));
    for check in explanation["checks"].as_array().into_iter().flatten() {
        let mut shown = format!("check {}: {}", word(&check["check"]), word(&check["outcome"]));
        if !check["demanded"].is_null() {
            let (demanded, found) = (word(&check["demanded"]), word(&check["found"]));
            shown += &format!("; demanded {demanded}; found {found}");
        }
        line(shown);
    }
    let mut decision = format!("decision: {}", word(&explanation["decision"]));
    if !explanation["reason"].is_null() {
        decision += &format!(", reason {}", word(&explanation["reason"]));
    }
    if explanation["enforced"] == Value::Bool(false) {
        decision += ", not enforced (shadow mode)";
    }
    line(decision);
    if !explanation["cause"].is_null() {
        line(format!("cause: {}", word(&explanation["cause"])));
    }
    for (name, value) in explanation["headers"].as_object().into_iter().flatten() {
        line(format!("upstream gets {name}: {}", word(value)));
    }
    if let Some(refusal) = explanation["refusal"].as_object() {
        line(format!("refusal: {}", refusal.get("status").unwrap_or(&Value::Null)));
        for (name, value) in refusal.get("headers").and_then(Value::as_object).into_iter().flatten()
        {
            line(format!("  {name}: {}", word(value)));
        }
        line(format!("  {}", refusal.get("body").unwrap_or(&Value::Null)));
    }
    text
}
