//! Equality of JSON values.

use serde_json::Value;

/// Compared with type: the text `"1"` is not the number 1, though 1 is 1.0.
pub fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64() && one.is_f64() != other.is_f64()
        }
        (one, other) => one == other,
    }
}
