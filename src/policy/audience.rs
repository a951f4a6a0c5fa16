//! `aud` and `client_id`: the token must be for this service. Where an audience is demanded, a
//! token without `aud` is for another service.

use super::check::{Case, Check, Compared};
use crate::deny::{Denial, Reason};
use crate::token::ActiveFacts;

pub struct Audience;

impl Check for Audience {
    fn name(&self) -> &'static str {
        "audience"
    }

    fn check(&self, case: &Case<'_>) -> Result<(), Denial> {
        let Case { facts, server, demands, .. } = case;
        // a token that another client obtained is for that client's service
        let client_id = server.client_id.as_deref();
        let for_us = is_for(facts, &server.audience)
            && (client_id.is_none() || facts.client_id() == client_id)
            && is_for(facts, &demands.audience);
        if for_us { Ok(()) } else { Err(Denial::because(Reason::Audience)) }
    }

    fn compared(&self, case: &Case<'_>) -> Option<Compared> {
        let Case { facts, server, demands, .. } = case;
        let lists = [&server.audience, &demands.audience];
        let mut demanded: Vec<String> = lists
            .iter()
            .filter(|wanted| !wanted.is_empty())
            .map(|wanted| format!("aud one of {}", wanted.join(", ")))
            .collect();
        let mut found = format!("aud {}", listed(facts.audience()));
        if let Some(client_id) = &server.client_id {
            demanded.push(format!("client_id {client_id}"));
            found += &format!("; client_id {}", facts.client_id().unwrap_or("none"));
        }
        (!demanded.is_empty()).then(|| Compared::new(demanded.join("; "), found))
    }
}

/// An empty list demands nothing.
fn is_for(facts: &ActiveFacts, wanted: &[String]) -> bool {
    wanted.is_empty()
        || facts.audience().any(|audience| wanted.iter().any(|wanted| wanted == audience))
}
fn listed<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.collect();
    if texts.is_empty() { "none".into() } else { texts.join(", ") }
}
