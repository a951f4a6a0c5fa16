//! Where a configuration comes from: a file, or a text that the command line amounts to.

use super::{Loaded, Problem, load, parse};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub enum ConfigSource {
    File(PathBuf),
    Generated(Generated),
}

/// A configuration without a file.
#[derive(Clone, Debug)]
pub struct Generated {
    /// As a file would have it. Secrets are references to the environment and to files.
    pub text: String,
    /// Which flag or variable a part of it came from, by the place in the text:
    /// `routes[0].upstream`.
    pub origins: Vec<(&'static str, String)>,
}

/// Used in place of a file name.
const GENERATED: &str = "flags and environment";

impl ConfigSource {
    /// `env` gives the value of an environment variable.
    pub fn load(&self, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
        match self {
            Self::File(path) => load(path, env),
            Self::Generated(generated) => parse(&generated.text, Path::new(GENERATED), env),
        }
    }

    /// The file, or words in place of its name.
    pub fn name(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Generated(_) => GENERATED.to_owned(),
        }
    }

    /// The file that is to be watched.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Generated(_) => None,
        }
    }

    /// A problem as a line: with its place in the file, or with the flag or variable that it is
    /// about.
    pub fn show(&self, problem: &Problem) -> String {
        match self {
            Self::File(path) => problem.display(path).to_string(),
            Self::Generated(generated) => {
                let origin = generated
                    .origins
                    .iter()
                    .find(|(place, _)| problem.path.starts_with(place))
                    .map_or(GENERATED, |(_, origin)| origin);
                format!("{origin}: {}: {}", problem.severity, problem.message)
            }
        }
    }
}
