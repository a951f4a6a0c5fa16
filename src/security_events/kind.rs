//! Kinds of events, by the URIs of event types.

use serde_json::{Map, Value};

/// The events for which a stream is asked: all that end answers. A stream's own events come without
/// being asked for (SSF 1.0 §8.1.4, §8.1.5).
pub const REQUESTED: [&str; 10] = [
    "https://schemas.openid.net/secevent/caep/event-type/session-revoked",
    "https://schemas.openid.net/secevent/caep/event-type/token-claims-change",
    "https://schemas.openid.net/secevent/caep/event-type/credential-change",
    "https://schemas.openid.net/secevent/caep/event-type/device-compliance-change",
    "https://schemas.openid.net/secevent/risc/event-type/account-disabled",
    "https://schemas.openid.net/secevent/risc/event-type/account-purged",
    "https://schemas.openid.net/secevent/risc/event-type/credential-compromise",
    "https://schemas.openid.net/secevent/risc/event-type/account-credential-change-required",
    "https://schemas.openid.net/secevent/risc/event-type/sessions-revoked",
    "https://schemas.openid.net/secevent/oauth/event-type/tokens-revoked",
];

/// A closed set, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// OpenID Connect Back-Channel Logout 1.0 §2.4.
    Logout,
    /// The sessions of a subject have ended (CAEP 1.0; RISC's older name, and Google's for tokens).
    SessionRevoked,
    /// Claims about a subject in its tokens have changed (CAEP 1.0).
    TokenClaimsChange,
    /// Of a subject's credentials (CAEP 1.0, RISC 1.0).
    CredentialChange,
    /// RISC 1.0.
    AccountDisabled,
    /// The device of a subject does not comply any more (CAEP 1.0 §3.5).
    DeviceNotCompliant,
    /// The stream was asked to prove that it delivers (SSF 1.0 §8.1.4).
    Verification,
    /// The stream was enabled, paused or disabled (SSF 1.0 §8.1.5).
    StreamUpdated,
    /// Nothing that a cache of tokens has to do with.
    Other,
}

const SSF: &str = "https://schemas.openid.net/secevent/ssf/event-type/";
const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const OAUTH: &str = "https://schemas.openid.net/secevent/oauth/event-type/";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl EventKind {
    /// `payload`: the value of the event's member, which may decide whether it means anything.
    pub fn from_uri(uri: &str, payload: &Map<String, Value>) -> Self {
        if uri == LOGOUT {
            return Self::Logout;
        }
        match uri.strip_prefix(SSF) {
            Some("verification") => return Self::Verification,
            Some("stream-updated") => return Self::StreamUpdated,
            _ => {}
        }
        let [caep, risc, oauth] = [CAEP, RISC, OAUTH].map(|prefix| uri.strip_prefix(prefix));
        match (caep, risc, oauth) {
            (Some("session-revoked"), ..)
            | (_, Some("sessions-revoked"), _)
            | (.., Some("tokens-revoked")) => Self::SessionRevoked,
            (Some("device-compliance-change"), ..)
                if payload.get("current_status").and_then(Value::as_str)
                    == Some("not-compliant") =>
            {
                Self::DeviceNotCompliant
            }
            (Some("token-claims-change"), ..) => Self::TokenClaimsChange,
            (Some("credential-change"), ..)
            | (_, Some("credential-compromise" | "account-credential-change-required"), _) => {
                Self::CredentialChange
            }
            (_, Some("account-disabled" | "account-purged"), _) => Self::AccountDisabled,
            _ => Self::Other,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "backchannel-logout",
            Self::SessionRevoked => "session-revoked",
            Self::TokenClaimsChange => "token-claims-change",
            Self::CredentialChange => "credential-change",
            Self::AccountDisabled => "account-disabled",
            Self::DeviceNotCompliant => "device-compliance-change",
            Self::Verification => "verification",
            Self::StreamUpdated => "stream-updated",
            Self::Other => "other",
        }
    }

    /// Whether answers are to be forgotten.
    pub fn forgets(self) -> bool {
        !matches!(self, Self::Verification | Self::StreamUpdated | Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_device_that_complies_again_ends_nothing() {
        let uri = format!("{CAEP}device-compliance-change");
        let of = |status: Value| {
            let payload = json!({ "current_status": status });
            EventKind::from_uri(&uri, payload.as_object().unwrap_or(&Map::new()))
        };
        assert_eq!(of(json!("not-compliant")), EventKind::DeviceNotCompliant);
        assert_eq!(of(json!("compliant")), EventKind::Other);
        assert_eq!(of(json!(["not-compliant"])), EventKind::Other);
    }

    #[test]
    fn every_requested_event_is_known() {
        let payload = json!({ "current_status": "not-compliant" });
        for uri in REQUESTED {
            let kind = EventKind::from_uri(uri, payload.as_object().unwrap_or(&Map::new()));
            assert_ne!(kind, EventKind::Other, "{uri}");
        }
    }
}
