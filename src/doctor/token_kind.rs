//! Whether an active token seems to be another thing than an access token.

use crate::introspect::ServerSettings;
use serde_json::{Map, Value};

/// Members that only ID tokens have (OpenID Connect Core §2).
const OF_ID_TOKENS: [&str; 3] = ["nonce", "at_hash", "c_hash"];
/// Members of ID tokens that some servers put into the answers about access tokens as well.
const OF_LOGINS: [&str; 2] = ["auth_time", "sid"];

/// Why the token of this answer looks like a refresh or an ID token, if it does. Several servers
/// call these active (RFC 7662 §2.2 does not tell kinds of tokens apart).
pub fn suspicion(server: &ServerSettings, answer: &Map<String, Value>) -> Option<String> {
    let profile = server.profile();
    if profile.verification.is_some() || !profile.audience.is_empty() || profile.client_id.is_some()
    {
        // the server's kind keeps other tokens out
        return None;
    }
    let has = |name: &&str| answer.get(*name).is_some_and(|value| !value.is_null());
    let (token_type, scope) = (has(&"token_type"), has(&"scope") || has(&"scp"));
    let mut telling: Vec<&str> = OF_ID_TOKENS.into_iter().filter(has).collect();
    if !(token_type && scope) {
        telling.extend(OF_LOGINS.iter().filter(|name| has(name)));
    }
    if !telling.is_empty() {
        return Some(format!("its answer has `{}`", telling.join("`, `")));
    }
    (!token_type && !scope).then(|| "its answer has neither `token_type` nor `scope`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;
    use serde_json::json;
    use std::path::Path;

    /// The suspicion about an answer of a server with these keys.
    fn suspected(keys: &str, answer: Value) -> Option<String> {
        let text = format!(
            "authorization_servers: {{main: {{{keys}}}}}\nroutes: [{{path: /*, upstream: http://a, scopes: [x]}}]\n"
        );
        let settings = parse(&text, Path::new("gateway.yaml"), &|_| None).settings?;
        suspicion(settings.servers.first()?, answer.as_object()?)
    }

    #[test]
    fn refresh_and_id_tokens_are_recognised_and_access_tokens_are_not() {
        let plain = "introspection_endpoint: https://a/x";
        for (answer, expected) in [
            // Spring Authorization Server: a refresh token, an ID token
            (
                json!({"sub": "a", "client_id": "c", "exp": 1}),
                Some("neither `token_type` nor `scope`"),
            ),
            (
                json!({"sub": "a", "aud": "c", "azp": "c", "sid": "s", "auth_time": 1}),
                Some("`auth_time`, `sid`"),
            ),
            (json!({"scope": "read", "nonce": "n"}), Some("`nonce`")),
            (json!({"scope": "read", "token_type": "Bearer", "at_hash": "h"}), Some("`at_hash`")),
            (json!({"scope": null, "token_type": null}), Some("neither")),
            // access tokens: Keycloak, django-oauth-toolkit, oidc-provider
            (json!({"scope": "read", "token_type": "Bearer", "sid": "s", "auth_time": 1}), None),
            (json!({"scope": "read", "client_id": "c"}), None),
            (json!({"scope": "", "token_type": "Bearer"}), None),
            (json!({"scp": ["read"]}), None),
        ] {
            let found = suspected(plain, answer.clone());
            match expected {
                Some(words) => {
                    assert!(
                        found.as_deref().is_some_and(|found| found.contains(words)),
                        "{answer}: {found:?}"
                    );
                }
                None => assert_eq!(found, None, "{answer}"),
            }
        }
        let google = "type: google, audience: [a]";
        assert_eq!(suspected(google, json!({"sub": "a"})), None);
    }
}
