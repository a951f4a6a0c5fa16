//! `introgate check`: tells every problem of a configuration file. Touches no network.

use super::USAGE;
use crate::config::{Loaded, load};
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Prints the problems of the file and a line that counts them.
pub fn check(path: &Path) -> ExitCode {
    let loaded = load(path, &|name| std::env::var(name).ok());
    // whoever closed our output knows enough
    let _ = tell(path, &loaded, &mut io::stdout().lock());
    if loaded.settings.is_some() { ExitCode::SUCCESS } else { ExitCode::from(USAGE) }
}

/// One line for each problem, then `gateway.yaml: 2 errors, 1 warning` or `gateway.yaml: ok`.
pub fn tell(path: &Path, loaded: &Loaded, out: &mut dyn Write) -> io::Result<()> {
    for problem in &loaded.problems {
        writeln!(out, "{}", problem.display(path))?;
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
    writeln!(out, "{}: {summary}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn told(text: &str) -> String {
        let path = Path::new("gateway.yaml");
        let mut out = Vec::new();
        let _ = tell(path, &parse(text, path, &|_| None), &mut out);
        String::from_utf8(out).unwrap_or_default()
    }

    #[test]
    fn problems_are_told_and_counted() {
        let good = "authorization_servers: {a: {introspection_endpoint: https://as.example.com/introspect}}\n\
                    routes: [{path: /*, upstream: 'http://127.0.0.1:9000', scopes: [read]}]\n";
        assert_eq!(told(good), "gateway.yaml: ok\n");
        assert_eq!(
            told(&format!(
                "{good}cachee: {{}}\nlog: {{levell: info}}\nupstreams: {{x: {{servers: ['http://a']}}}}\n"
            )),
            "gateway.yaml:3:1: error: cachee: unknown key `cachee`; did you mean `cache`?\n\
             gateway.yaml:4:7: error: log.levell: unknown key `levell`; did you mean `level`?\n\
             gateway.yaml: 2 errors\n"
        );
    }

    #[test]
    fn a_missing_file_is_told_without_a_place() {
        let path = Path::new("/nonexistent/gateway.yaml");
        let mut out = Vec::new();
        let _ = tell(path, &load(path, &|_| None), &mut out);
        assert_eq!(
            String::from_utf8(out).unwrap_or_default(),
            "/nonexistent/gateway.yaml: error: there is no such file; name another one with `-c FILE`\n/nonexistent/gateway.yaml: 1 error\n"
        );
    }
}
