//! Routes that take every token which their authorization server calls active.

use super::Context;
use crate::config::path::KeyPath;
use crate::gate::RouteSettings;
use crate::introspect::ServerSettings;
use crate::policy::AuthMode;

/// Warns of the first route that demands nothing of its tokens: several servers call refresh and ID
/// tokens active, and their answers do not reveal the kind of token.
pub fn routes(cx: Context, servers: &[ServerSettings], routes: &[RouteSettings]) {
    let mut lax = routes.iter().enumerate().filter(|(_, route)| takes_any(servers, route));
    let Some((first, _)) = lax.next() else { return };
    let others = match lax.count() {
        0 => String::new(),
        1 => " (and one other route)".to_owned(),
        more => format!(" (and {more} other routes)"),
    };
    let message = format!(
        "demands no scope, audience or claim{others}: every token that the server calls active passes, with several servers refresh and ID tokens too; write `scopes`, `audience` or `claims`, here or in `defaults`"
    );
    cx.report.warning_at_key(&KeyPath::root().key("routes").item(first), message);
}

fn takes_any(servers: &[ServerSettings], route: &RouteSettings) -> bool {
    let (demands, policy) = (&route.demands, &route.demands.policy);
    let demands_nothing = policy.scopes.is_empty()
        && policy.scopes_any.is_empty()
        && policy.audience.is_empty()
        && policy.claims.is_empty();
    demands.auth != AuthMode::None
        && demands_nothing
        && servers
            .iter()
            .filter(|server| demands.authorization_servers.contains(&server.name))
            .any(may_answer_for_other_kinds_of_tokens)
}

/// Whether nothing about the server itself keeps tokens of other kinds and for other clients out.
fn may_answer_for_other_kinds_of_tokens(server: &ServerSettings) -> bool {
    let profile = server.profile();
    profile.verification.is_none() && profile.audience.is_empty() && profile.client_id.is_none()
}
