//! `claims`: a member must have one of the allowed values; of an array, one member must.

use super::ClaimDemand;
use crate::deny::{Denial, Reason};
use crate::token::ActiveFacts;
use serde_json::Value;

pub fn check(facts: &ActiveFacts, demands: &[ClaimDemand]) -> Result<(), Denial> {
    let met = |demand: &ClaimDemand| match demand.path.find(facts.claims.members()) {
        Some(Value::Array(members)) => members.iter().any(|member| allowed(demand, member)),
        Some(value) => allowed(demand, value),
        None => false,
    };
    if demands.iter().all(met) { Ok(()) } else { Err(Denial::because(Reason::Claim)) }
}

/// Compared with type: the text `"1"` is not the number 1, though 1 is 1.0.
fn allowed(demand: &ClaimDemand, value: &Value) -> bool {
    demand.allowed.iter().any(|allowed| match (allowed, value) {
        (Value::Number(a), Value::Number(b)) => {
            a == b || a.as_f64() == b.as_f64() && a.is_f64() != b.is_f64()
        }
        (a, b) => a == b,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::read_answer;
    use crate::token::{ClaimPath, Facts};
    use serde_json::json;

    fn met(path: &str, allowed: Value) -> bool {
        let answer = json!({"active": true, "tier": "gold", "n": 1, "admin": true, "groups": ["a", "b"], "realm": {"roles": ["x"]}, "none": null});
        let Ok(Facts::Active(facts)) = read_answer(answer.to_string().as_bytes()) else {
            return false;
        };
        let allowed = match allowed {
            Value::Array(values) => values,
            value => vec![value],
        };
        ClaimPath::parse(path)
            .is_some_and(|path| check(&facts, &[ClaimDemand { path, allowed }]).is_ok())
    }

    #[test]
    fn values_are_compared_with_type() {
        for (path, allowed) in [
            ("tier", json!("gold")),
            ("tier", json!(["silver", "gold"])),
            ("n", json!(1)),
            ("n", json!(1.0)),
            ("admin", json!(true)),
            ("groups", json!("b")),
            ("realm.roles", json!(["x", "y"])),
        ] {
            assert!(met(path, allowed), "{path}");
        }
        for (path, allowed) in [
            ("tier", json!("Gold")),
            ("n", json!("1")),
            ("admin", json!("true")),
            ("groups", json!("c")),
            ("realm", json!("x")),
            ("none", json!("")),
            ("missing", json!("x")),
        ] {
            assert!(!met(path, allowed), "{path}");
        }
    }
}
