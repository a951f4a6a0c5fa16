//! Tokens that were never issued: a working server calls them inactive, and answers only its known
//! callers.

use crate::introspect::{LocalVerification, ServerSettings};
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

/// A token of the shape that the server is asked about. Another one each time: no server is asked
/// twice about the same.
pub fn token(server: &ServerSettings) -> Secret {
    let random = format!("{:032x}", rand::random::<u128>());
    Secret::new(match server.profile().verification {
        Some(verification) => jws(&verification, &random),
        None => format!(
            "{}introgate-doctor-{random}",
            server.tokens.prefix.as_deref().unwrap_or_default()
        ),
    })
}

/// Not signed, with a key that has to be fetched.
fn jws(jwt: &LocalVerification, random: &str) -> String {
    let algorithm = jwt.algorithms.first().map(|algorithm| algorithm.name());
    let mut header = json!({ "alg": algorithm, "kid": format!("introgate-doctor-{random}") });
    if let Some(typ) = jwt.typ.first() {
        header["typ"] = json!(typ);
    }
    let payload = json!({ "iss": jwt.issuer.text() });
    let [header, payload] = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{header}.{payload}.{}", URL_SAFE_NO_PAD.encode(random))
}
