//! `authorization_details` (RFC 9396): for each demanded object, one of the token's objects of the
//! same `type` contains all its members.

use super::check::{Case, Check, Compared};
use super::value::same;
use crate::deny::{Denial, Reason};
use serde_json::{Map, Value};

/// The member of the answer (RFC 9396 §9.2).
const MEMBER: &str = "authorization_details";

pub struct AuthorizationDetails;

impl Check for AuthorizationDetails {
    fn name(&self) -> &'static str {
        "authorization_details"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        let demands = &case.demands.authorization_details;
        if demands.is_empty() {
            return Ok(());
        }
        let held = case.facts.claims.members().get(MEMBER);
        let granted = |demand| details(held).any(|detail| grants(detail, demand));
        if demands.iter().all(granted) {
            Ok(())
        } else {
            Err(Denial::because(Reason::AuthorizationDetails))
        }
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let demands = &case.demands.authorization_details;
        if demands.is_empty() {
            return None;
        }
        let demanded: Vec<String> =
            demands.iter().map(|demand| Value::from(demand.clone()).to_string()).collect();
        let found = case.facts.claims.parse().get(MEMBER).map(Value::to_string);
        Some(Compared::with(demanded.join(" and "), found))
    }
}

/// The objects of the token. Anything but an array of objects grants nothing.
fn details(held: Option<&Value>) -> impl Iterator<Item = &Map<String, Value>> {
    held.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object)
}

/// `type` is a text (RFC 9396 §2), and each demand has one: an object with a list of types is of
/// none. All other members follow [`contains`].
fn grants(held: &Map<String, Value>, demanded: &Map<String, Value>) -> bool {
    held.get("type").is_some_and(Value::is_string) && contains_all(held, demanded)
}

fn contains_all(held: &Map<String, Value>, demanded: &Map<String, Value>) -> bool {
    demanded
        .iter()
        .all(|(name, demanded)| held.get(name).is_some_and(|held| contains(held, demanded)))
}

/// An array contains a value that one of its items contains, and an array of such values; an object
/// contains an object of whose members it contains each; anything else is the same.
fn contains(held: &Value, demanded: &Value) -> bool {
    match (held, demanded) {
        (Value::Array(held), Value::Array(demanded)) => {
            demanded.iter().all(|demanded| held.iter().any(|held| contains(held, demanded)))
        }
        (Value::Array(held), demanded) => held.iter().any(|held| contains(held, demanded)),
        (Value::Object(held), Value::Object(demanded)) => contains_all(held, demanded),
        (held, demanded) => same(held, demanded),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn granted(held: Value, demanded: Value) -> bool {
        let Value::Object(demanded) = demanded else { return false };
        details(Some(&held)).any(|detail| grants(detail, &demanded))
    }

    /// RFC 9396 §2, figure 2.
    fn payment() -> Value {
        json!([{
            "type": "payment_initiation",
            "locations": ["https://example.com/payments"],
            "instructedAmount": {"currency": "EUR", "amount": "123.50"},
            "creditorName": "Merchant A",
            "actions": ["initiate", "status", "cancel"],
        }])
    }

    #[test]
    fn an_object_that_contains_all_members_is_enough() {
        for demanded in [
            json!({"type": "payment_initiation"}),
            json!({"type": "payment_initiation", "actions": ["initiate"]}),
            json!({"type": "payment_initiation", "actions": "initiate"}),
            json!({"type": "payment_initiation", "actions": ["cancel", "initiate"]}),
            json!({"type": "payment_initiation", "instructedAmount": {"currency": "EUR"}}),
            json!({"type": "payment_initiation", "locations": ["https://example.com/payments"], "creditorName": "Merchant A"}),
        ] {
            assert!(granted(payment(), demanded.clone()), "{demanded}");
        }
    }

    #[test]
    fn one_member_off_is_not() {
        for demanded in [
            json!({"type": "account_information"}),
            json!({"type": "Payment_initiation"}),
            json!({"type": "payment_initiation", "actions": ["initiate", "delete"]}),
            json!({"type": "payment_initiation", "actions": "initiat"}),
            json!({"type": "payment_initiation", "actions": {"initiate": true}}),
            json!({"type": "payment_initiation", "instructedAmount": {"currency": "USD"}}),
            json!({"type": "payment_initiation", "instructedAmount": {"amount": 123.5}}),
            json!({"type": "payment_initiation", "instructedAmount": "EUR"}),
            json!({"type": "payment_initiation", "creditorName": ["Merchant A", "Merchant B"]}),
            json!({"type": "payment_initiation", "datatypes": []}),
            json!({"type": "payment_initiation", "creditorName": null}),
        ] {
            assert!(!granted(payment(), demanded.clone()), "{demanded}");
        }
    }

    #[test]
    fn members_of_two_objects_are_not_added_up() {
        let held = json!([
            {"type": "t", "actions": ["read"], "locations": ["a"]},
            {"type": "t", "actions": ["write"], "locations": ["b"]},
        ]);
        assert!(granted(held.clone(), json!({"type": "t", "actions": ["read"], "locations": "a"})));
        assert!(!granted(
            held.clone(),
            json!({"type": "t", "actions": ["read"], "locations": "b"})
        ));
        assert!(!granted(held, json!({"type": "t", "actions": ["read", "write"]})));
    }

    #[test]
    fn anything_but_an_array_of_objects_grants_nothing() {
        for held in [
            json!({"type": "t"}),
            json!("t"),
            json!([["t"]]),
            json!(["t", 1, null]),
            json!([]),
            json!(null),
            json!([{"type": ["t", "u"]}, {"type": null}, {"type": ["t"]}]),
        ] {
            assert!(!granted(held.clone(), json!({"type": "t"})), "{held}");
        }
    }
}
