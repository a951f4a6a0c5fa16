//! The header of a JWE (RFC 7516 §4). It is not a statement of the authorization server: any sender
//! can write it.

use super::content::ContentEncryption;
use crate::introspect::jwt::JwtFlaw;
use crate::introspect::jwt::jws::{bytes, media_type};
use serde_json::{Map, Value};

pub struct JweHeader {
    pub management: Management,
    pub content: ContentEncryption,
    pub kid: Option<String>,
    /// `epk`, for key agreement.
    pub ephemeral: Option<Map<String, Value>>,
    /// `apu` and `apv`, decoded.
    pub parties: [Vec<u8>; 2],
}

/// How the content's key is found (RFC 7518 §4). A closed set: RSA1_5 can be broken by asking often
/// enough (RFC 8725 §3.2), `dir`, AES key wrapping and PBES2 are for secrets that both sides have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Management {
    RsaOaep256,
    EcdhEs,
    EcdhEsA128Kw,
    EcdhEsA256Kw,
}

impl Management {
    pub fn named(alg: &str) -> Option<Self> {
        match alg {
            "RSA-OAEP-256" => Some(Self::RsaOaep256),
            "ECDH-ES" => Some(Self::EcdhEs),
            "ECDH-ES+A128KW" => Some(Self::EcdhEsA128Kw),
            "ECDH-ES+A256KW" => Some(Self::EcdhEsA256Kw),
            _ => None,
        }
    }
}

impl JweHeader {
    pub fn from_members(members: &Map<String, Value>) -> Result<Self, JwtFlaw> {
        if members.contains_key("crit") {
            // RFC 7516 §4.1.13: no extension is understood here
            return Err(JwtFlaw::invalid(
                "the header has `crit`, and no critical extension is supported",
            ));
        }
        if members.contains_key("zip") {
            // RFC 8725 §3.6: a little can grow large, and lengths tell of contents
            return Err(JwtFlaw::invalid(
                "the header has `zip`; compressed tokens are not accepted",
            ));
        }
        let text = |name: &str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(JwtFlaw::invalid("a member of the header is of the wrong type")),
        };
        let party = |name| text(name)?.map_or(Ok(Vec::new()), bytes);
        let management = text("alg")?.and_then(Management::named);
        let content = text("enc")?.and_then(ContentEncryption::named);
        // RFC 7519 §5.2: the content is a JWT, perhaps of a more specific type
        let inside = text("cty")?.map(media_type);
        if inside.is_some_and(|inside| inside != "jwt" && !inside.ends_with("+jwt")) {
            return Err(JwtFlaw::invalid("by its `cty`, there is no JWT in it"));
        }
        let ephemeral = match members.get("epk") {
            None => None,
            Some(Value::Object(key)) => Some(key.clone()),
            Some(_) => return Err(JwtFlaw::invalid("a member of the header is of the wrong type")),
        };
        Ok(Self {
            management: management
                .ok_or(JwtFlaw::invalid("encrypted by another `alg` than RSA-OAEP-256, ECDH-ES, ECDH-ES+A128KW and ECDH-ES+A256KW"))?,
            content: content.ok_or(JwtFlaw::invalid("encrypted by another `enc` than AES-GCM and AES-CBC with HMAC (RFC 7518 §5.1)"))?,
            kid: text("kid")?.map(str::to_owned),
            ephemeral,
            parties: [party("apu")?, party("apv")?],
        })
    }
}
