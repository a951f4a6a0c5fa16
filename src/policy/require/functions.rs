//! The functions that a condition may call: the standard ones of CEL that are cheap and have no
//! surprises, and `lowerAscii`.

use super::kind::ValueKind;
use cel::common::types::{BOOL_TYPE, CelBool, CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::{Env, ExecutionError};
use parking_lot::RwLock;
use regex::Regex;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

/// Takes the kinds of the arguments, the receiver first; gives that of the result, or `None` where
/// the function does not take these.
pub type Signature = fn(&[ValueKind]) -> Option<ValueKind>;

/// `size(x)`: by name, and whether as a function or as a method.
pub fn global(name: &str) -> Option<Signature> {
    Some(match name {
        "size" => size,
        "int" => |of| one(of, convertible, ValueKind::Int),
        "uint" => |of| one(of, convertible, ValueKind::Uint),
        "double" => |of| one(of, convertible, ValueKind::Double),
        "string" => {
            |of| one(of, |kind| convertible(kind) || *kind == ValueKind::Bytes, ValueKind::Text)
        }
        "bool" => |of| {
            one(
                of,
                |kind| matches!(kind, ValueKind::Text | ValueKind::Bool | ValueKind::Any),
                ValueKind::Bool,
            )
        },
        "timestamp" => |of| {
            one(
                of,
                |kind| {
                    matches!(
                        kind,
                        ValueKind::Text | ValueKind::Int | ValueKind::Timestamp | ValueKind::Any
                    )
                },
                ValueKind::Timestamp,
            )
        },
        "duration" => |of| {
            one(
                of,
                |kind| matches!(kind, ValueKind::Text | ValueKind::Duration | ValueKind::Any),
                ValueKind::Duration,
            )
        },
        _ => return None,
    })
}

pub fn method(name: &str) -> Option<Signature> {
    Some(match name {
        "size" => size,
        "contains" | "startsWith" | "endsWith" | "matches" => {
            |of| texts(of, 2).then_some(ValueKind::Bool)
        }
        "lowerAscii" => |of| texts(of, 1).then_some(ValueKind::Text),
        "getFullYear" | "getMonth" | "getDate" | "getDayOfMonth" | "getDayOfWeek"
        | "getDayOfYear" => |of| part_of_time(of, false),
        "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" => |of| part_of_time(of, true),
        _ => return None,
    })
}

/// For messages.
pub const GLOBALS: &str = "size, int, uint, double, string, bool, timestamp, duration";
pub const METHODS: &str = "size, contains, startsWith, endsWith, matches, lowerAscii, getFullYear, getMonth, getDate, getDayOfMonth, getDayOfWeek, getDayOfYear, getHours, getMinutes, getSeconds, getMilliseconds";

fn one(of: &[ValueKind], takes: fn(&ValueKind) -> bool, result: ValueKind) -> Option<ValueKind> {
    match of {
        [only] if takes(only) => Some(result),
        _ => None,
    }
}

fn convertible(kind: &ValueKind) -> bool {
    kind.is_number()
        || matches!(
            kind,
            ValueKind::Text
                | ValueKind::Bool
                | ValueKind::Timestamp
                | ValueKind::Duration
                | ValueKind::Any
        )
}

fn size(of: &[ValueKind]) -> Option<ValueKind> {
    one(
        of,
        |kind| {
            matches!(
                kind,
                ValueKind::Text
                    | ValueKind::Bytes
                    | ValueKind::List(_)
                    | ValueKind::Map(_)
                    | ValueKind::Any
            )
        },
        ValueKind::Int,
    )
}

fn texts(of: &[ValueKind], count: usize) -> bool {
    of.len() == count && of.iter().all(|kind| kind.may_be(&ValueKind::Text))
}

/// The second argument is the name of a time zone.
fn part_of_time(of: &[ValueKind], also_of_duration: bool) -> Option<ValueKind> {
    let sound = match of {
        [time] => {
            time.may_be(&ValueKind::Timestamp) || also_of_duration && *time == ValueKind::Duration
        }
        [time, zone] => time.may_be(&ValueKind::Timestamp) && zone.may_be(&ValueKind::Text),
        _ => false,
    };
    sound.then_some(ValueKind::Int)
}

/// The environment of expressions: the standard library without optional values, and the functions
/// of our own.
pub static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib().with_optional_support(false);
    // neither name is declared by the standard library, so that neither addition fails
    let text = STRING_TYPE;
    let _ =
        env.add_member_overload("matches", "introgate_matches", text, vec![STRING_TYPE], matches);
    let _ =
        env.add_member_overload("lowerAscii", "introgate_lower", STRING_TYPE, vec![], lower_ascii);
    let _ = BOOL_TYPE;
    Arc::new(env)
});

/// Compiled patterns of all conditions. Patterns are literals, so that their number is that of the
/// configuration's.
static PATTERNS: LazyLock<RwLock<HashMap<String, Regex>>> = LazyLock::new(RwLock::default);

/// Bytes of a compiled pattern.
const LARGEST_PATTERN: usize = 256 << 10;

/// Compiles a pattern for [`matches`]; an error in words.
pub fn learn_pattern(pattern: &str) -> Result<(), String> {
    if PATTERNS.read().contains_key(pattern) {
        return Ok(());
    }
    let compiled =
        regex::RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build().map_err(|error| {
            match error {
                regex::Error::CompiledTooBig(_) => "is too large when compiled".to_owned(),
                error => {
                    let text = error.to_string();
                    let last = text.lines().last().unwrap_or_default();
                    last.trim_start_matches("error: ").to_owned()
                }
            }
        })?;
    PATTERNS.write().insert(pattern.to_owned(), compiled);
    Ok(())
}

fn matches<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = args.as_slice() else {
        return Err(ExecutionError::MissingArgumentOrTarget);
    };
    let texts = text.downcast_ref::<CelString>().zip(pattern.downcast_ref::<CelString>());
    let Some((text, pattern)) = texts else {
        return Err(ExecutionError::function_error("matches", "not a string"));
    };
    match PATTERNS.read().get(pattern.inner()) {
        Some(pattern) => Ok(CowVal::owned(CelBool::from(pattern.is_match(text.inner())))),
        None => Err(ExecutionError::function_error("matches", "a pattern that is not a literal")),
    }
}

fn lower_ascii<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    match args.first().and_then(|text| text.downcast_ref::<CelString>()) {
        Some(text) => Ok(CowVal::owned(CelString::from(text.inner().to_ascii_lowercase()))),
        None => Err(ExecutionError::function_error("lowerAscii", "not a string")),
    }
}
