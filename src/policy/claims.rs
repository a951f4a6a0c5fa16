//! `claims`: a member must have one of the allowed values; of an array, one member must.

use super::ClaimDemand;
use super::check::{Case, Check, Compared};
use super::value::same;
use crate::deny::{Denial, Reason};
use serde_json::{Map, Value};

pub struct ClaimDemands;

impl Check for ClaimDemands {
    fn name(&self) -> &'static str {
        "claims"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        let demands = &case.demands.claims;
        if demands.is_empty() {
            return Ok(());
        }
        let members = case.facts.claims.members();
        if demands.iter().all(|demand| met(demand, members)) {
            Ok(())
        } else {
            Err(Denial::because(Reason::Claim))
        }
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let members = case.facts.claims.parse();
        let (demanded, found): (Vec<String>, Vec<String>) = case
            .demands
            .claims
            .iter()
            .map(|demand| {
                let allowed: Vec<String> = demand.allowed.iter().map(Value::to_string).collect();
                let value = demand.path.find(&members).map_or("none".into(), Value::to_string);
                let path = &demand.path;
                (format!("{path} one of {}", allowed.join(", ")), format!("{path} {value}"))
            })
            .unzip();
        (!demanded.is_empty()).then(|| Compared::new(demanded.join("; "), found.join("; ")))
    }
}

fn met(demand: &ClaimDemand, members: &Map<String, Value>) -> bool {
    match demand.path.find(members) {
        Some(Value::Array(values)) => values.iter().any(|value| allowed(demand, value)),
        Some(value) => allowed(demand, value),
        None => false,
    }
}

fn allowed(demand: &ClaimDemand, value: &Value) -> bool {
    demand.allowed.iter().any(|allowed| same(allowed, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::introspect::read_answer;
    use crate::token::{ClaimPath, Facts};
    use serde_json::json;

    fn holds(path: &str, allowed: Value) -> bool {
        let answer = json!({"active": true, "tier": "gold", "n": 1, "admin": true, "groups": ["a", "b"], "realm": {"roles": ["x"]}, "none": null});
        let Ok(Facts::Active(facts)) = read_answer(answer.to_string().as_bytes()) else {
            return false;
        };
        let allowed = match allowed {
            Value::Array(values) => values,
            value => vec![value],
        };
        ClaimPath::parse(path)
            .is_some_and(|path| met(&ClaimDemand { path, allowed }, facts.claims.members()))
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
            assert!(holds(path, allowed), "{path}");
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
            assert!(!holds(path, allowed), "{path}");
        }
    }
}
