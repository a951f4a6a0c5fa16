//! `step_up` (RFC 9470): how and when the user logged in, by `acr` and `auth_time` (§6.2).

use super::check::{Case, Check, Compared};
use crate::deny::{Denial, LoginDemand, Reason};
use serde_json::{Map, Value};

pub struct StepUp;

/// By how many seconds `auth_time` may lie in the future, since clocks differ.
const SKEW: i64 = 60;

impl Check for StepUp {
    fn name(&self) -> &'static str {
        "step_up"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        let demand = &case.demands.login;
        if !demand.demands_anything() {
            return Ok(());
        }
        let members = case.facts.claims.members();
        if is_strong(demand, members) && is_recent(demand, members, case.now.unix_seconds()) {
            Ok(())
        } else {
            Err(Denial::because(Reason::StepUp))
        }
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let LoginDemand { acr_values, max_age } = &case.demands.login;
        let members = case.facts.claims.parse();
        let value = |name| members.get(name).map_or("none".into(), Value::to_string);
        let (mut demanded, mut found) = (Vec::new(), Vec::new());
        if !acr_values.is_empty() {
            demanded.push(format!("acr one of {}", acr_values.join(" ")));
            found.push(format!("acr {}", value("acr")));
        }
        if let Some(max_age) = max_age {
            let now = case.now.unix_seconds();
            demanded.push(format!("auth_time not older than {max_age} s at {now}"));
            found.push(format!("auth_time {}", value("auth_time")));
        }
        (!demanded.is_empty()).then(|| Compared::new(demanded.join(", "), found.join(", ")))
    }
}

fn is_strong(demand: &LoginDemand, members: &Map<String, Value>) -> bool {
    if demand.acr_values.is_empty() {
        return true;
    }
    let acr = members.get("acr").and_then(Value::as_str);
    acr.is_some_and(|acr| demand.acr_values.iter().any(|demanded| demanded == acr))
}

/// `auth_time` is a number of seconds (OpenID Connect Core §2); any other value is invalid.
fn is_recent(demand: &LoginDemand, members: &Map<String, Value>, now: i64) -> bool {
    let Some(max_age) = demand.max_age else { return true };
    let Some(auth_time) = members.get("auth_time").and_then(seconds) else { return false };
    let max_age = i64::try_from(max_age).unwrap_or(i64::MAX);
    auth_time <= now.saturating_add(SKEW) && now.saturating_sub(auth_time) <= max_age
}

fn seconds(value: &Value) -> Option<i64> {
    // a float beyond the range saturates
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn met(acr_values: &[&str], max_age: Option<u64>, members: Value) -> bool {
        let acr_values = acr_values.iter().map(|&acr| acr.to_owned()).collect();
        let demand = LoginDemand { acr_values, max_age };
        let Value::Object(members) = members else { return false };
        is_strong(&demand, &members) && is_recent(&demand, &members, 1_000)
    }

    #[test]
    fn acr_is_one_of_the_demanded_ones() {
        let demanded = ["gold", "silver"];
        for acr in [json!("gold"), json!("silver")] {
            assert!(met(&demanded, None, json!({ "acr": acr })), "{acr}");
        }
        for acr in [
            json!("bronze"),
            json!("Gold"),
            json!("gold silver"),
            json!(["gold"]),
            json!({"gold": true}),
            json!(1),
            json!(true),
            json!(null),
            json!(""),
            json!("g".repeat(100_000)),
        ] {
            assert!(!met(&demanded, None, json!({ "acr": acr })));
        }
        assert!(!met(&demanded, None, json!({})));
    }

    #[test]
    fn auth_time_is_at_most_max_age_ago() {
        for time in [json!(700), json!(701), json!(1_000), json!(1_060), json!(700.9)] {
            assert!(met(&[], Some(300), json!({ "auth_time": time })), "{time}");
        }
        for time in [
            json!(699),
            json!(699.9),
            json!(1_061),
            json!(0),
            json!(-1),
            json!(i64::MAX),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(1e300),
            json!("900"),
            json!(true),
            json!([900]),
            json!(null),
        ] {
            assert!(!met(&[], Some(300), json!({ "auth_time": time })), "{time}");
        }
        assert!(!met(&[], Some(300), json!({})));
    }

    #[test]
    fn both_demands_count() {
        let login = |acr: &str, auth_time: i64| json!({ "acr": acr, "auth_time": auth_time });
        assert!(met(&["gold"], Some(300), login("gold", 900)));
        assert!(!met(&["gold"], Some(300), login("bronze", 900)));
        assert!(!met(&["gold"], Some(300), login("gold", 100)));
    }
}
