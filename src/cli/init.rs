//! `introgate init`: a commented gateway.yaml to start from, made from the authorization server's
//! metadata.

use super::USAGE;
use super::output::{complain, print};
use super::source::quoted;
use crate::clock::Clock;
use crate::config::parse;
use crate::introspect::{ServerSettings, metadata};
use clap::Args;
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::Path;
use std::process::ExitCode;

#[derive(Args)]
#[command(group = clap::ArgGroup::new("server").required(true))]
pub struct Init {
    /// The authorization server's issuer: its metadata is read (RFC 8414, OpenID Connect Discovery)
    #[arg(long, value_name = "URL", group = "server")]
    issuer: Option<String>,
    /// The introspection endpoint, where there is no metadata
    #[arg(long, value_name = "URL", group = "server")]
    introspect: Option<String>,
    /// The protected service
    #[arg(long, value_name = "URL")]
    upstream: String,
}

/// Prints the file. Nothing secret is asked for: the file refers to environment variables.
pub fn init(arguments: Init) -> ExitCode {
    let Init { issuer, introspect, upstream } = arguments;
    let found = match &issuer {
        None => ServerMetadata::default(),
        Some(issuer) => match look_up(issuer) {
            Ok(found) => found,
            Err((exit, message)) => {
                complain(format_args!("introgate: {message}"));
                return ExitCode::from(exit);
            }
        },
    };
    let text = written(issuer.as_deref(), introspect.as_deref(), &upstream, &found);
    // an error of the arguments is an error of the file
    let env = |_: &str| Some("x".to_owned());
    let loaded = parse(&text, Path::new("gateway.yaml"), &env);
    if loaded.settings.is_none() {
        for problem in &loaded.problems {
            complain(format_args!("introgate: {}: {}", problem.path, problem.message));
        }
        return ExitCode::from(USAGE);
    }
    print(text.as_bytes())
}

/// The server's metadata.
#[derive(Default)]
struct ServerMetadata {
    endpoint: Option<String>,
    /// Authentication methods at the endpoint; `None`: the metadata does not say.
    methods: Option<Vec<String>>,
    scopes: Vec<String>,
}

/// The exit code and the message of a failure.
fn look_up(issuer: &str) -> Result<ServerMetadata, (u8, String)> {
    let settings = settings(issuer).map_err(|message| (USAGE, message))?;
    let failed = |why: String| (1, format!("the metadata of {issuer} cannot be read: {why}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(error.to_string()))?;
    let read = runtime.block_on(metadata(&settings, &Clock::system()));
    let read = read.ok_or_else(|| failed("it is neither an https URL nor on loopback".into()))?;
    let members = read.map_err(|failure| failed(failure.detail.to_string()))?;
    Ok(ServerMetadata::from_metadata(&members))
}

/// Those of a server that has nothing but this issuer.
fn settings(issuer: &str) -> Result<ServerSettings, String> {
    let text = format!(
        "authorization_servers: {{ main: {{ issuer: {} }} }}\nroutes: [{{ path: /*, upstream: \"http://127.0.0.1:9000\" }}]\n",
        quoted(issuer)
    );
    let loaded = parse(&text, Path::new("gateway.yaml"), &|_| None);
    let problem = loaded.problems.first().map(|problem| format!("--issuer {}", problem.message));
    loaded
        .settings
        .and_then(|settings| settings.servers.into_iter().next())
        .ok_or_else(|| problem.unwrap_or_else(|| "--issuer cannot be used".into()))
}

impl ServerMetadata {
    fn from_metadata(members: &Map<String, Value>) -> Self {
        let words = |name: &str| -> Option<Vec<String>> {
            let list = members.get(name)?.as_array()?;
            Some(list.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect())
        };
        Self {
            endpoint: members
                .get("introspection_endpoint")
                .and_then(|endpoint| endpoint.as_str())
                .map(str::to_owned),
            // RFC 8414 §2: without it, the methods of the token endpoint are a hint
            methods: words("introspection_endpoint_auth_methods_supported")
                .or_else(|| words("token_endpoint_auth_methods_supported")),
            scopes: words("scopes_supported").unwrap_or_default(),
        }
    }
}

/// Methods that this gateway has, the simplest to set up first, with their required keys.
const METHODS: [(&str, &str); 6] = [
    (
        "client_secret_basic",
        "client_id: \"${INTROSPECTION_CLIENT_ID}\"\n      client_secret: \"${INTROSPECTION_CLIENT_SECRET}\"",
    ),
    (
        "client_secret_post",
        "client_id: \"${INTROSPECTION_CLIENT_ID}\"\n      client_secret: \"${INTROSPECTION_CLIENT_SECRET}\"",
    ),
    (
        "client_secret_jwt",
        "client_id: \"${INTROSPECTION_CLIENT_ID}\"\n      client_secret: \"${INTROSPECTION_CLIENT_SECRET}\"",
    ),
    ("bearer", "token: \"${INTROSPECTION_TOKEN}\""),
    ("none", ""),
    ("other", ""),
];

fn written(
    issuer: Option<&str>,
    introspect: Option<&str>,
    upstream: &str,
    found: &ServerMetadata,
) -> String {
    let mut text = String::from(
        "# A configuration of introgate to start from. `introgate check` reads it, `introgate doctor` tries it,\n\
         # and gateway.yaml.example shows every key.\n\n\
         listeners:\n  - address: 0.0.0.0:8080\n\n\
         authorization_servers:\n  main:\n",
    );
    // writing to memory does not fail
    if let Some(issuer) = issuer {
        let _ = writeln!(text, "    issuer: {}", quoted(issuer));
        match &found.endpoint {
            Some(endpoint) => {
                let _ = writeln!(
                    text,
                    "    # found by the issuer's metadata, and again at each start: {}",
                    comment(endpoint)
                );
            }
            None => text.push_str(
                "    # The metadata has no introspection_endpoint: write it here, or use `type: jwt`.\n    introspection_endpoint: https://example.invalid/introspect\n",
            ),
        }
    }
    if let Some(endpoint) = introspect {
        let _ = writeln!(text, "    introspection_endpoint: {}", quoted(endpoint));
    }
    client_auth(&mut text, found.methods.as_deref());
    let _ = write!(
        text,
        "\nroutes:\n  - path: /*\n    upstream: {}\n    # A token must have all of these scopes.",
        quoted(upstream)
    );
    if !found.scopes.is_empty() {
        let scopes: Vec<String> = found.scopes.iter().map(|scope| comment(scope)).collect();
        let _ = write!(text, " The server knows: {}", scopes.join(" "));
    }
    text.push_str("\n    # scopes: [read]\n    # and be issued for this service\n    # audience: [https://api.example.com]\n");
    text
}

fn client_auth(text: &mut String, methods: Option<&[String]>) {
    let known = |wanted: &str| METHODS.iter().find(|(name, _)| *name == wanted);
    let chosen = match methods {
        None => known("client_secret_basic"),
        Some(methods) => {
            METHODS.iter().find(|(name, _)| methods.iter().any(|method| method == name))
        }
    };
    text.push_str(
        "    # how the gateway authenticates itself; the values come from its environment\n",
    );
    match methods {
        Some(methods) => {
            let methods: Vec<String> = methods.iter().map(|method| comment(method)).collect();
            let _ = writeln!(text, "    # the server supports: {}", methods.join(", "));
        }
        None => text.push_str("    # the server does not publish which methods it supports\n"),
    }
    match chosen {
        Some((name, "")) => {
            let _ = writeln!(text, "    client_auth:\n      method: {name}");
        }
        Some((name, needs)) => {
            let _ = writeln!(text, "    client_auth:\n      method: {name}\n      {needs}");
        }
        None => text.push_str(
            "    # private_key_jwt, tls_client_auth and others need files: see docs/authorization-servers.md\n    client_auth:\n      method: none\n",
        ),
    }
}

/// A text of the server in a comment: one line, and not too long.
fn comment(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() && !matches!(c, '\u{2028}' | '\u{2029}'))
        .take(200)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(members: Value) -> ServerMetadata {
        members.as_object().map(ServerMetadata::from_metadata).unwrap_or_default()
    }

    fn errors(text: &str) -> Vec<String> {
        let env = |_: &str| Some("x".to_owned());
        let loaded = parse(text, Path::new("gateway.yaml"), &env);
        assert_eq!(loaded.settings.is_some(), loaded.errors() == 0);
        let errors = loaded.problems.into_iter();
        let errors = errors.filter(|problem| problem.severity == crate::config::Severity::Error);
        errors.map(|problem| problem.message).collect()
    }

    #[test]
    fn the_file_agrees_with_the_metadata() {
        let found = found(json!({
            "introspection_endpoint": "https://as.example.com/introspect",
            "introspection_endpoint_auth_methods_supported": ["private_key_jwt", "client_secret_post"],
            "scopes_supported": ["openid", "read"],
        }));
        let text = written(Some("https://as.example.com"), None, "http://127.0.0.1:9000", &found);
        for part in [
            "method: client_secret_post\n",
            "issuer: \"https://as.example.com\"\n",
            "The server knows: openid read\n",
            "${INTROSPECTION_CLIENT_SECRET}",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert_eq!(errors(&text), Vec::<String>::new(), "{text}");
    }

    #[test]
    fn every_method_that_is_chosen_is_complete() {
        for methods in [
            json!(["client_secret_basic"]),
            json!(["bearer"]),
            json!(["none"]),
            json!(["tls_client_auth"]),
            json!([]),
            Value::Null,
        ] {
            let found = found(json!({ "introspection_endpoint_auth_methods_supported": methods }));
            let text =
                written(None, Some("https://as.example.com/i"), "http://127.0.0.1:9", &found);
            assert_eq!(errors(&text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_server_cannot_write_into_the_file() {
        let found = found(json!({
            "introspection_endpoint": "https://as\n    tls: { ca: /x }\n",
            "scopes_supported": ["a\nroutes: []", "b\u{2028}c\r\nrealm: x"],
            "introspection_endpoint_auth_methods_supported": ["x\nrealm: y"],
        }));
        let text = written(Some("https://as.example.com"), None, "http://127.0.0.1:9", &found);
        assert!(!text.contains("\nrealm") && !text.contains("\nroutes: []"), "{text}");
        assert_eq!(errors(&text), Vec::<String>::new(), "{text}");
    }
}
