//! From `gateway.yaml` to [`Settings`]. The file is read with the place of every value, references
//! to the environment are filled in, the result is held against the JSON Schema, and the rest is
//! compiled; every step reports all its problems and lets the next one continue without the faulty
//! parts.
//!
//! Only this folder knows YAML.

mod certificates;
mod compile;
mod document;
mod effective;
mod interpolate;
mod nearest;
mod path;
mod problem;
mod raw;
mod redact;
mod report;
mod schema;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod tree;
mod validate;
mod values;
mod wording;

pub use certificates::{CertificateUser, NamedCertificate};
pub use problem::{Problem, Severity};
pub use schema::TEXT as SCHEMA;
pub use settings::*;
pub use source::{ConfigSource, Generated};

use document::ConfigDocument;
use path::KeyPath;
use report::{Report, sorted};
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// A configuration larger than this is a mistake.
const MAX_SIZE: u64 = 1 << 20;

/// Outcome of loading a file.
#[derive(Debug)]
pub struct Loaded {
    /// `None` when there is at least one error.
    pub settings: Option<Settings>,
    /// The section `admin` alone; `None` when there is an error in it. An error elsewhere does not
    /// matter.
    pub admin: Option<AdminSettings>,
    /// In the order of the file.
    pub problems: Vec<Problem>,
    /// All files that were read or should have been: the configuration itself first, when it is
    /// one, then secrets and certificates. A change of any of them asks for another `load`.
    pub files: Vec<PathBuf>,
    /// The configuration as it works, defaults filled in, secrets and everything from the
    /// environment replaced; `null` when there is an error.
    pub redacted: Value,
}

/// Reads a configuration file. `env` gives the value of an environment variable.
pub fn load(path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut loaded = match text(path) {
        Ok(text) => parse(&text, path, env),
        Err(unreadable) => {
            let line = if let UnreadableConfig::NotUtf8 { line } = unreadable { line } else { 0 };
            Loaded::failed(vec![Problem::of_the_file(line, unreadable.to_string())])
        }
    };
    loaded.files.insert(0, path.to_owned());
    loaded
}

/// Reads a configuration from a text. `file` is the name it goes by; relative names of files in it
/// start from that file's folder.
pub fn parse(text: &str, file: &Path, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut problems = Vec::new();
    let Some((document, mut values)) = ConfigDocument::parse(text, &mut problems) else {
        return Loaded::failed(problems);
    };
    let interpolated = interpolate::interpolate(&mut values, &document, env, &mut problems);
    let report = Report::new(&document, &interpolated.foreign, problems);
    validate::validate(&mut values, &interpolated, &report);
    let (settings, admin, redacted, files) = match serde_json::from_value::<raw::Gateway>(values) {
        Ok(raw) => {
            let files = compile::Files::beside(file);
            let compile::Compiled { settings, admin } =
                compile::compile(&raw, &report, &files, env);
            let settings = settings.filter(|_| !report.has_errors());
            let admin = admin.filter(|_| !report.has_errors_in("admin"));
            let redacted = settings
                .as_ref()
                .map(|settings| effective::effective(&raw, settings, &interpolated.foreign));
            (settings, admin, redacted.unwrap_or_default(), files.into_read())
        }
        Err(_) => {
            report.error(
                &KeyPath::root(),
                "this cannot be read although it fits the schema; please report this as a bug",
            );
            (None, None, Value::Null, Vec::new())
        }
    };
    Loaded { settings, admin, problems: report.into_problems(), files, redacted }
}

impl Loaded {
    fn failed(problems: Vec<Problem>) -> Self {
        Self {
            settings: None,
            admin: None,
            problems: sorted(problems),
            files: Vec::new(),
            redacted: Value::Null,
        }
    }

    pub fn errors(&self) -> usize {
        self.count(Severity::Error)
    }

    pub fn warnings(&self) -> usize {
        self.count(Severity::Warning)
    }

    fn count(&self, severity: Severity) -> usize {
        self.problems.iter().filter(|problem| problem.severity == severity).count()
    }
}

#[derive(Debug, Error)]
enum UnreadableConfig {
    #[error("there is no such file; name another one with `-c FILE`")]
    Missing,
    #[error("this user may not read the file; change its permissions")]
    Forbidden,
    #[error("the file cannot be read: {0}")]
    Io(#[source] io::Error),
    #[error("the file is larger than {} MiB; that is not a gateway configuration", MAX_SIZE >> 20)]
    TooLarge,
    #[error("the file is not UTF-8 text from this line on; save it as UTF-8")]
    NotUtf8 { line: usize },
}

fn text(path: &Path) -> Result<String, UnreadableConfig> {
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_SIZE + 1).read_to_end(&mut bytes)).map_err(
        |error| match error.kind() {
            io::ErrorKind::NotFound => UnreadableConfig::Missing,
            io::ErrorKind::PermissionDenied => UnreadableConfig::Forbidden,
            _ => UnreadableConfig::Io(error),
        },
    )?;
    if bytes.len() as u64 > MAX_SIZE {
        return Err(UnreadableConfig::TooLarge);
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        UnreadableConfig::NotUtf8 { line: before.iter().filter(|&&byte| byte == b'\n').count() + 1 }
    })
}
