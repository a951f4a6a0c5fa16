//! Asking another server as well, once the signature holds: revocation counts, and forged tokens
//! never reach that server.

use super::claims;
use super::settings::JwtSettings;
use crate::introspect::{Failure, Inquiry, Introspector};
use crate::token::{ActiveFacts, Facts, RefusedLocally};
use serde_json::{Map, Value};
use std::sync::Arc;

pub struct Then {
    pub server: Arc<dyn Introspector>,
    /// The required `iss` of its answers, if present.
    pub issuer: Option<String>,
    pub require_issuer: bool,
}

impl Then {
    /// Combines the claims of the token with the server's answer. The server's members take
    /// precedence, but the result expires at the earlier of both times.
    pub async fn ask(
        &self,
        inquiry: &Inquiry,
        claims: Map<String, Value>,
        settings: &JwtSettings,
    ) -> Result<Facts, Failure> {
        // failures of that server were counted at its own guard
        let isolated = |failure| Failure { isolated: true, transient: false, ..failure };
        let theirs = match self.server.introspect(inquiry).await.map_err(isolated)? {
            Facts::Active(theirs) => theirs,
            other => return Ok(other),
        };
        let wrong_issuer = match (theirs.issuer(), self.issuer.as_deref()) {
            (Some(theirs), Some(ours)) => theirs != ours,
            (None, _) => self.require_issuer,
            (Some(_), None) => false,
        };
        if wrong_issuer {
            return Ok(Facts::Refused(RefusedLocally::Issuer));
        }
        Ok(joined(claims, &theirs, settings)
            .map_or_else(Facts::Refused, |facts| Facts::Active(Box::new(facts))))
    }
}

fn joined(
    mut members: Map<String, Value>,
    theirs: &ActiveFacts,
    settings: &JwtSettings,
) -> Result<ActiveFacts, RefusedLocally> {
    let ours = claims::facts(&mut members, settings).map_err(|flaw| flaw.refused)?;
    let known = theirs.claims.parse();
    if known.contains_key("scope") || known.contains_key("scp") {
        members.remove("scope");
        members.remove("scp");
    }
    members.extend(
        known
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), value.clone())),
    );
    let mut both = claims::facts(&mut members, settings).map_err(|flaw| flaw.refused)?;
    (both.expires_at, both.leeway) = match theirs.expires_at {
        Some(ends) if ours.expires_at.is_none_or(|ours| ends < ours) => (Some(ends), theirs.leeway),
        _ => (ours.expires_at, ours.leeway),
    };
    both.not_before = ours.not_before.max(theirs.not_before);
    both.refresh_token = ours.refresh_token || theirs.refresh_token;
    Ok(both)
}
