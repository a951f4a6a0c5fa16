//! Where in the file something is, by names and by line and column.

use std::fmt;

/// The way from the top of the document to a value: `routes[0].scopes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPath(Vec<PathStep>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathStep {
    Key(String),
    Item(usize),
}

/// Both count from 1; columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl KeyPath {
    /// The document itself.
    pub fn root() -> Self {
        Self::default()
    }

    pub fn key(&self, key: &str) -> Self {
        self.step(PathStep::Key(key.to_owned()))
    }

    pub fn item(&self, index: usize) -> Self {
        self.step(PathStep::Item(index))
    }

    pub fn step(&self, step: PathStep) -> Self {
        let mut path = self.clone();
        path.0.push(step);
        path
    }

    pub fn steps(&self) -> &[PathStep] {
        &self.0
    }

    /// The names on the way, without list positions.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            PathStep::Key(key) => Some(&**key),
            PathStep::Item(_) => None,
        })
    }

    /// `None` for the document itself.
    pub fn parent(&self) -> Option<Self> {
        let (_, steps) = self.0.split_last()?;
        Some(Self(steps.to_vec()))
    }

    /// Whether this is `other` or something inside it.
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl fmt::Display for KeyPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                PathStep::Item(index) => write!(f, "[{index}]")?,
                PathStep::Key(key) => {
                    if i > 0 {
                        f.write_str(".")?;
                    }
                    write!(f, "{}", ShownKey(key))?;
                }
            }
        }
        Ok(())
    }
}

/// A key as it may be shown: quoted when it is more than one plain word, so that it stays on its
/// line and dots inside it are not taken for steps.
pub struct ShownKey<'a>(pub &'a str);

impl fmt::Display for ShownKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'<');
        if !self.0.is_empty() && self.0.bytes().all(plain) {
            f.write_str(self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_like_the_file() {
        let path = KeyPath::root().key("routes").item(0).key("claims").key("a.b\n");
        assert_eq!(path.to_string(), r#"routes[0].claims."a.b\n""#);
        assert_eq!(KeyPath::root().to_string(), "");
        assert!(path.is_within(&KeyPath::root().key("routes")));
    }
}
