//! The names of a struct's keys, as its `Deserialize` requests them.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use std::cell::Cell;

/// The keys of a struct that derives `Deserialize`; empty for other types.
pub fn fields<T: Deserialize<'static>>() -> &'static [&'static str] {
    let asked: Cell<&'static [&'static str]> = Cell::new(&[]);
    // fails in any case: there is nothing to read
    let _ = T::deserialize(FieldListener(&asked));
    asked.get()
}

struct FieldListener<'c>(&'c Cell<&'static [&'static str]>);

impl<'de> Deserializer<'de> for FieldListener<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("there is nothing to read"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.set(fields);
        self.deserialize_any(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}
