//! `introgate check`: prints every problem of a configuration. Uses no network.

use super::USAGE;
use crate::config::{ConfigSource, Loaded};
use std::io::{self, Write};
use std::process::ExitCode;

/// Prints the problems of the file and a line that counts them. Without a file, prints the one that
/// flags and environment variables amount to; the problems go to standard error then.
pub fn check(source: &ConfigSource) -> ExitCode {
    let loaded = source.load(&|name| std::env::var(name).ok());
    // when the output is closed, there is nothing left to report to
    let _ = match source {
        ConfigSource::File(_) => tell(source, &loaded, &mut io::stdout().lock()),
        ConfigSource::Generated(generated) => io::stdout()
            .lock()
            .write_all(generated.text.as_bytes())
            .and_then(|()| tell(source, &loaded, &mut io::stderr().lock())),
    };
    if loaded.settings.is_some() { ExitCode::SUCCESS } else { ExitCode::from(USAGE) }
}

/// One line for each problem, then `gateway.yaml: 2 errors, 1 warning` or `gateway.yaml: ok`.
pub fn tell(source: &ConfigSource, loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
    for problem in &loaded.problems {
        writeln!(out, "{}", source.show(problem))?;
    }
    let count = |number: usize, what: &str| match number {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{number} {what}s")),
    };
    let counts: Vec<String> =
        [count(loaded.errors(), "error"), count(loaded.warnings(), "warning")]
            .into_iter()
            .flatten()
            .collect();
    let summary = if counts.is_empty() { "ok".to_owned() } else { counts.join(", ") };
    writeln!(out, "{}: {summary}", source.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{load, parse};
    use std::path::Path;

    fn printed(text: &str) -> String {
        let path = Path::new("gateway.yaml");
        let mut out = Vec::new();
        let source = ConfigSource::File(path.to_owned());
        let _ = tell(&source, &parse(text, path, &|_| None), &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    #[test]
    fn problems_are_printed_and_counted() {
        let good = "authorization_servers: {a: {introspection_endpoint: https://as.example.com/introspect}}\n\
                    routes: [{path: /*, upstream: 'http://127.0.0.1:9000', scopes: [read]}]\n";
        assert_eq!(printed(good), "gateway.yaml: ok\n");
        assert_eq!(
            printed(&format!(
                "{good}cachee: {{}}\nlog: {{levell: info}}\nupstreams: {{x: {{servers: ['http://a']}}}}\n"
            )),
            "gateway.yaml:3:1: error: cachee: unknown key `cachee`; did you mean `cache`?\n\
             gateway.yaml:4:7: error: log.levell: unknown key `levell`; did you mean `level`?\n\
             gateway.yaml: 2 errors\n"
        );
    }

    #[test]
    fn a_missing_file_is_reported_without_a_place() {
        let path = Path::new("/nonexistent/gateway.yaml");
        let mut out = Vec::new();
        let source = ConfigSource::File(path.to_owned());
        let _ = tell(&source, &load(path, &|_| None), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap_or_default(),
            "/nonexistent/gateway.yaml: error: there is no such file; name another one with `-c FILE`\n/nonexistent/gateway.yaml: 1 error\n"
        );
    }
}
