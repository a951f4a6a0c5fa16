//! The input of a condition: the answer's members and the request, as values of CEL that borrow
//! them.

use super::bound::{INPUT, ITEMS};
use crate::request::RequestView;
use cel::ExecutionError;
use cel::common::traits::{Container, Indexer};
use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt, MAP_TYPE,
    Type,
};
use cel::common::value::{CowVal, Val};
use http::HeaderMap;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// A list or an object that is larger than conditions may see.
pub const TOO_LARGE: &str = "a list or an object of the claims has more than 1000 members";

/// A JSON value that borrows its texts.
pub fn of_json<'v>(value: &'v Value) -> Result<Box<dyn Val + 'v>, &'static str> {
    Ok(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(value) => Box::new(CelBool::from(*value)),
        Value::String(text) => Box::new(CelString::from(text.as_str())),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Box::new(CelInt::from(number)),
            (None, Some(number)) => Box::new(CelUInt::from(number)),
            (None, None) => Box::new(CelDouble::from(number.as_f64().unwrap_or(f64::NAN))),
        },
        Value::Array(items) if within(items.len()) => {
            let items: Result<Vec<_>, _> = items.iter().map(of_json).collect();
            Box::new(CelList::from(items?))
        }
        Value::Object(members) if within(members.len()) => {
            let mut map: HashMap<CelMapKey<'v>, Box<dyn Val + 'v>> =
                HashMap::with_capacity(members.len());
            for (name, value) in members {
                map.insert(CelMapKey::String(CelString::from(name.as_str())), of_json(value)?);
            }
            Box::new(CelMap::from(map))
        }
        Value::Array(_) | Value::Object(_) => return Err(TOO_LARGE),
    })
}

fn within(count: usize) -> bool {
    u64::try_from(count).is_ok_and(|count| count <= ITEMS)
}

/// `claims`.
#[derive(Debug)]
pub struct ClaimsValue<'v> {
    pub members: &'v Map<String, Value>,
    /// Those that the condition names, made ready.
    pub named: Vec<(&'v str, Box<dyn Val + 'v>)>,
}

/// `request`.
#[derive(Debug)]
pub struct RequestValue<'v> {
    pub request: &'v RequestView<'v>,
    pub client_ip: String,
    pub params: Texts<'v>,
    pub headers: Headers<'v>,
}

/// `request.params`.
#[derive(Clone, Debug, Default)]
pub struct Texts<'v>(pub Vec<(&'v str, String)>);

/// `request.headers`.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'v>(pub &'v HeaderMap);

fn name(key: &dyn Val) -> Result<&str, ExecutionError> {
    match key.downcast_ref::<CelString>() {
        Some(name) => Ok(name.inner()),
        None => Err(ExecutionError::UnexpectedType {
            got: key.get_type().name().to_owned(),
            want: "string".to_owned(),
        }),
    }
}

fn text<'b, 'v>(text: &'v str) -> Result<CowVal<'b, 'v>, ExecutionError> {
    if u64::try_from(text.len()).is_ok_and(|length| length <= INPUT) {
        Ok(CowVal::owned(CelString::from(text)))
    } else {
        Err(ExecutionError::function_error("request", "a part of the request is too large"))
    }
}

/// A value that is a map of CEL, found by name and nothing else.
macro_rules! named_members {
    ($value:ident, $($clone:tt)+) => {
        impl Val for $value<'_> {
            fn get_type(&self) -> &Type {
                <Self as Val>::cel_type()
            }

            fn cel_type() -> &'static Type {
                &MAP_TYPE
            }

            fn as_indexer<'b, 'w>(&'b self) -> Option<&'b (dyn Indexer + 'w)>
            where
                Self: 'w,
            {
                Some(self)
            }

            fn as_container(&self) -> Option<&dyn Container> {
                Some(self)
            }

            fn clone_as_boxed<'w>(&self) -> Box<dyn Val + 'w>
            where
                Self: 'w,
            {
                $($clone)+(self)
            }
        }

        impl Container for $value<'_> {
            fn contains(&self, key: &dyn Val) -> Result<bool, ExecutionError> {
                match self.get(key) {
                    Ok(_) => Ok(true),
                    Err(ExecutionError::NoSuchKey(_)) => Ok(false),
                    Err(error) => Err(error),
                }
            }
        }
    };
}

/// A copy that nothing asks for: no expression that passes the checks binds these to a variable of
/// its own.
fn copied<'w, V>(_: &V) -> Box<dyn Val + 'w> {
    Box::new(CelNull)
}

named_members!(ClaimsValue, copied);
named_members!(RequestValue, copied);
named_members!(Texts, copied);
named_members!(Headers, copied);

macro_rules! never_stolen {
    () => {
        /// Only the library's own containers give their members away.
        fn steal<'w>(self: Box<Self>, _: &dyn Val) -> Result<Box<dyn Val + 'w>, ExecutionError>
        where
            Self: 'w,
        {
            Err(ExecutionError::InternalError("not a container of the library".into()))
        }
    };
}

impl<'v> Indexer for ClaimsValue<'v> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = name(key)?;
        if let Some((_, value)) = self.named.iter().find(|(named, _)| *named == name) {
            return Ok(CowVal::Borrowed(value.as_ref()));
        }
        match self.members.get(name).map(of_json) {
            Some(Ok(value)) => Ok(CowVal::Owned(value)),
            Some(Err(error)) => Err(ExecutionError::function_error("claims", error)),
            None => Err(ExecutionError::no_such_key(name)),
        }
    }

    never_stolen!();
}

impl<'v> Indexer for RequestValue<'v> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        match name(key)? {
            "method" => text(self.request.method.as_str()),
            "host" => text(self.request.host),
            "path" => text(self.request.path),
            "client_ip" => Ok(CowVal::owned(CelString::from(self.client_ip.clone()))),
            "params" => Ok(CowVal::Borrowed(&self.params)),
            "headers" => Ok(CowVal::Borrowed(&self.headers)),
            name => Err(ExecutionError::no_such_key(name)),
        }
    }

    never_stolen!();
}

impl<'v> Indexer for Texts<'v> {
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = name(key)?;
        match self.0.iter().find(|(named, _)| *named == name) {
            Some((_, value)) => Ok(CowVal::owned(CelString::from(value.clone()))),
            None => Err(ExecutionError::no_such_key(name)),
        }
    }

    never_stolen!();
}

impl<'v> Indexer for Headers<'v> {
    /// The lines of a header, joined as RFC 9110 §5.3 reads them.
    fn get<'b, 'w>(&'b self, key: &dyn Val) -> Result<CowVal<'b, 'w>, ExecutionError>
    where
        Self: 'w,
    {
        let name = name(key)?;
        let mut lines = self.0.get_all(name).iter();
        let Some(first) = lines.next() else { return Err(ExecutionError::no_such_key(name)) };
        let unreadable = || ExecutionError::function_error("headers", "a value that is not ASCII");
        let first = first.to_str().map_err(|_| unreadable())?;
        let Some(second) = lines.next() else { return text(first) };
        let mut joined = first.to_owned();
        for line in std::iter::once(second).chain(lines) {
            joined.push_str(", ");
            joined.push_str(line.to_str().map_err(|_| unreadable())?);
        }
        if u64::try_from(joined.len()).is_ok_and(|length| length <= INPUT) {
            Ok(CowVal::owned(CelString::from(joined)))
        } else {
            Err(ExecutionError::function_error("headers", "a part of the request is too large"))
        }
    }

    never_stolen!();
}
