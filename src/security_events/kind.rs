//! Kinds of events, by the URIs of event types.

/// A closed set, for logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
    /// Nothing that a cache of tokens has to do with: the stream's own events, and all others.
    Other,
}

const CAEP: &str = "https://schemas.openid.net/secevent/caep/event-type/";
const RISC: &str = "https://schemas.openid.net/secevent/risc/event-type/";
const OAUTH: &str = "https://schemas.openid.net/secevent/oauth/event-type/";
const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";

impl Kind {
    pub fn of(uri: &str) -> Self {
        if uri == LOGOUT {
            return Self::Logout;
        }
        let [caep, risc, oauth] = [CAEP, RISC, OAUTH].map(|prefix| uri.strip_prefix(prefix));
        match (caep, risc, oauth) {
            (Some("session-revoked"), ..)
            | (_, Some("sessions-revoked"), _)
            | (.., Some("tokens-revoked")) => Self::SessionRevoked,
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
            Self::Other => "other",
        }
    }

    /// Whether answers are to be forgotten.
    pub fn forgets(self) -> bool {
        self != Self::Other
    }
}
