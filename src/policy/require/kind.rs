//! The types of values, as far as they are known before a request.

use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueKind {
    Bool,
    Int,
    Uint,
    Double,
    Text,
    Bytes,
    Null,
    Timestamp,
    Duration,
    List(Box<ValueKind>),
    /// With keys that are texts.
    Map(Box<ValueKind>),
    /// `request.params` and `request.headers`: texts by name.
    Texts,
    /// `claims` itself.
    Claims,
    /// `request` itself.
    Request,
    /// Known only with a request: everything in `claims`.
    Any,
}

impl ValueKind {
    pub fn list(item: Self) -> Self {
        Self::List(Box::new(item))
    }

    pub fn map(value: Self) -> Self {
        Self::Map(Box::new(value))
    }

    pub fn is_number(&self) -> bool {
        matches!(self, Self::Int | Self::Uint | Self::Double)
    }

    /// Whether a value of this kind may be one of the other.
    pub fn may_be(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::List(one), Self::List(other)) | (Self::Map(one), Self::Map(other)) => {
                one.may_be(other)
            }
            (one, other) => one == other,
        }
    }

    /// Whether `==`, `<` or `in` between the two can be anything but `false` or an error.
    pub fn compares_with(&self, other: &Self) -> bool {
        self.may_be(other) || self.is_number() && other.is_number()
    }

    /// The kind of a value that is one or the other.
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::List(one), Self::List(other)) => Self::list(match (*one, *other) {
                // the empty list has items of any kind
                (Self::Any, known) | (known, Self::Any) => known,
                (one, other) => one.or(other),
            }),
            (one, other) if one == other => one,
            _ => Self::Any,
        }
    }
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "a bool",
            Self::Int => "an int",
            Self::Uint => "a uint",
            Self::Double => "a double",
            Self::Text => "a string",
            Self::Bytes => "bytes",
            Self::Null => "null",
            Self::Timestamp => "a timestamp",
            Self::Duration => "a duration",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
            Self::Texts => "a map of strings",
            Self::Claims => "`claims`",
            Self::Request => "`request`",
            Self::Any => "any value",
        })
    }
}
