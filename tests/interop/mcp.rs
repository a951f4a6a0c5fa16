//! An MCP server behind the gateway, and an MCP client that knows its URL alone. The configuration
//! is the one of `docs/mcp.md`, with other addresses.

use super::clients::{Manner, SECRET, authorization_server, modules, run_client};
use super::parts::{Process, source, unless_missing};
use super::python;
use super::situations::alone;
use crate::support::{Builder, Connection, Gateway, Response, free_port, run_cli_in, wait_within};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const PAGE: &str = include_str!("../../docs/mcp.md");

/// The configuration that the page shows.
fn shown() -> &'static str {
    let (_, after) = PAGE.split_once("```yaml\n").expect("a block");
    after.split_once("```").expect("its end").0
}

/// The MCP server; `log` gets its output.
fn mcp_server(python: &Path, port: u16, log: &Path) -> Process {
    let mut command = Command::new(python);
    command.arg(source("mcp/server.py")).arg(port.to_string());
    let mut process = Process::start(&mut command, log);
    wait_within(Duration::from_secs(120), "the MCP server listens", || {
        let said = || fs::read_to_string(log).unwrap_or_default();
        assert!(process.ended().is_none(), "the MCP server ended: {}", said());
        Connection::try_open(port).is_ok()
    });
    process
}

/// `initialize`, as each session begins.
fn initialize(gateway: &Gateway, headers: &[(&str, &str)]) -> Response {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "interop", "version": "1" },
        },
    });
    let kinds =
        [("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];
    let headers = [&kinds[..], headers].concat();
    gateway.request("POST", "/mcp", &headers, body.to_string().as_bytes())
}

/// A mistake in the page, and a warning, is an error here.
#[test]
fn the_configuration_of_the_page_is_sound() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("gateway.yaml"), shown()).expect("written");
    let (code, out, err) = run_cli_in(folder.path(), &["check"], &[("CLIENT_SECRET", "s3cret")]);
    let all = format!("{out}{err}");
    assert!(code == 0 && !all.contains("warning"), "{all}");
}

/// 401, resource metadata, authorization server, registration, login, token for this resource, tool.
#[test]
fn a_client_finds_the_authorization_server_and_calls_a_tool() {
    let _alone = alone();
    let Some(modules) = unless_missing(modules()) else { return };
    let Some(python) = unless_missing(python::with_mcp()) else { return };
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let _service = mcp_server(python, port, &folder.path().join("mcp.log"));
    let server = authorization_server(&modules, Manner::Http { nonces: false });
    let yaml = shown()
        .replace("https://mcp.example.com", "http://127.0.0.1:@PORT@")
        .replace("https://as.example.com", &server.origin())
        .replace("http://127.0.0.1:8000", &format!("http://127.0.0.1:{port}"));
    let gateway = Builder::new().env("CLIENT_SECRET", SECRET).start(&yaml);
    let url = format!("http://127.0.0.1:{}/mcp", gateway.port());

    let all = run_client(&modules, "mcp/client.mjs", &[&url]);
    assert_eq!(all["refused"], true, "{all:#}");
    assert_eq!(all["tools"], json!(["whoami"]), "{all:#}");
    assert_eq!(all["answer"], "hello alice mcp:tools no token", "{all:#}");
    assert_eq!((&all["resource"], &all["scope"]), (&json!(url), &json!("mcp:tools")), "{all:#}");
    let asked: Vec<(&str, &str, u64)> = all["asked"]
        .as_array()
        .expect("the client's requests")
        .iter()
        .map(|request| {
            let text = |at: usize| request[at].as_str().expect("a text");
            (text(0), text(1), request[2].as_u64().expect("a status"))
        })
        .collect();
    let metadata = url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp");
    assert_eq!(asked[..2], [("POST", &*url, 401), ("GET", &*metadata, 200)], "{all:#}");
    for endpoint in ["/reg", "/token"] {
        let at = format!("{}{endpoint}", server.origin());
        let called = |request: &&(&str, &str, u64)| request.1 == at && request.2 < 300;
        assert_eq!(asked.iter().filter(called).count(), 1, "{endpoint}: {all:#}");
    }
    // the gateway's own refusal is the only one
    let refused = |request: &&(&str, &str, u64)| request.1 == url && request.2 >= 400;
    assert_eq!(asked.iter().filter(refused).count(), 1, "{all:#}");

    is_guarded(&gateway, &all, &metadata);
}

/// The same token by hand: sites that are not listed, other hosts, and no token.
fn is_guarded(gateway: &Gateway, all: &Value, metadata: &str) {
    let bearer = format!("Bearer {}", all["token"].as_str().expect("a token"));
    let token = ("Authorization", bearer.as_str());
    for (headers, status, reason) in [
        (&[token][..], 200, ""),
        (&[token, ("Origin", "https://app.example.com")], 200, ""),
        (&[token, ("Origin", "https://evil.test")], 403, "require"),
        (&[token, ("Origin", "null")], 403, "require"),
        (&[("Origin", "https://evil.test")], 403, "require"),
        (&[], 401, "missing_token"),
        (&[("Authorization", "Bearer unknown")], 401, "inactive"),
        // another name than the MCP server's own one (`preserve_host: false`)
        (&[token, ("Host", "mcp.example.com")], 200, ""),
    ] {
        let response = initialize(gateway, headers);
        assert_eq!(response.status, status, "{headers:?} {}", response.text());
        if status == 200 {
            assert!(response.text().contains("\"serverInfo\""), "{}", response.text());
            continue;
        }
        assert_eq!(response.reason(), reason, "{headers:?}");
        let challenge = response.header("www-authenticate").unwrap_or_default();
        let named = format!("resource_metadata=\"{metadata}\"");
        assert!(challenge.contains(&named), "{headers:?}: {challenge}");
    }
}
