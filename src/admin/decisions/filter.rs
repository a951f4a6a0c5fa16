//! Which decisions are asked for.

use crate::telemetry::AccessLine;

/// Members of a decision that can be asked for.
const KEYS: [&str; 6] = ["decision", "route", "reason", "client_id", "token_fp", "request_id"];

/// The values that each member may have; none: any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter([Vec<String>; KEYS.len()]);

impl Filter {
    /// Reads a query, `decision=deny&route=items`. A key that is repeated takes any of its values,
    /// an empty value is ignored.
    pub fn parse(query: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            let wanted = KEYS.iter().position(|known| *known == key);
            let Some(values) = wanted.and_then(|at| filter.0.get_mut(at)) else {
                return Err(format!(
                    "The query has an unknown key. Decisions can be filtered by {}.",
                    KEYS.join(", ")
                ));
            };
            if key == "decision" && !["", "allow", "anonymous", "deny", "error"].contains(&&*value)
            {
                return Err("`decision` is one of allow, anonymous, deny, error.".into());
            }
            if !value.is_empty() {
                values.push(value.into_owned());
            }
        }
        Ok(filter)
    }

    pub fn takes(&self, line: &AccessLine<'_>) -> bool {
        let fingerprint = line.token_fp.map(|fingerprint| fingerprint.to_string());
        let members = [
            Some(line.decision),
            line.route,
            line.reason,
            line.client_id,
            fingerprint.as_deref(),
            Some(line.request_id),
        ];
        self.0.iter().zip(members).all(|(wanted, member)| {
            wanted.is_empty() || member.is_some_and(|member| wanted.iter().any(|one| one == member))
        })
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.0.iter().all(Vec::is_empty)
    }

    /// The first value of a member, for a form; empty when it may have any.
    pub fn value(&self, key: &str) -> &str {
        let at = KEYS.iter().position(|known| *known == key);
        at.and_then(|at| self.0.get(at)?.first()).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let parse = Filter::parse;
        assert_eq!(parse("").map(|filter| filter.is_empty()), Ok(true));
        assert_eq!(parse("decision=&route=").map(|filter| filter.is_empty()), Ok(true));
        let filter = parse("decision=deny&route=a%20b&decision=error").unwrap_or_default();
        assert_eq!(
            (filter.value("decision"), filter.value("route"), filter.value("reason")),
            ("deny", "a b", "")
        );
        for bad in ["decision=maybe", "x=1", "Decision=deny", "sub=alice"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
