//! The closed set of reasons: the same word in the response's body, the log and the metric label.

use crate::token::Refused;
use http::StatusCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    BadRequest,
    NoRoute,
    MissingToken,
    MalformedToken,
    MultipleTokens,
    Inactive,
    Expired,
    NotYetValid,
    InvalidJwt,
    TokenType,
    Issuer,
    Audience,
    BindingDpop,
    BindingMtls,
    InsufficientScope,
    Claim,
    RateLimited,
    IdentityTooLarge,
    AsUnavailable,
    AsTimeout,
    AsThrottled,
    AsBadResponse,
    AsRejectedUs,
    AsCircuitOpen,
    AsOverloaded,
    UpstreamUnavailable,
    UpstreamTimeout,
}

/// Who is at fault, which decides what a client may do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request or its token: a decision against it (`deny`).
    Client,
    /// Nobody knows what the token is worth: no decision was possible (`error`).
    AuthorizationServer,
    /// The request was allowed, and could not be carried out.
    Upstream,
    /// This program or its configuration.
    Gateway,
}

impl Reason {
    pub const ALL: [Self; 27] = [
        Self::BadRequest,
        Self::NoRoute,
        Self::MissingToken,
        Self::MalformedToken,
        Self::MultipleTokens,
        Self::Inactive,
        Self::Expired,
        Self::NotYetValid,
        Self::InvalidJwt,
        Self::TokenType,
        Self::Issuer,
        Self::Audience,
        Self::BindingDpop,
        Self::BindingMtls,
        Self::InsufficientScope,
        Self::Claim,
        Self::RateLimited,
        Self::IdentityTooLarge,
        Self::AsUnavailable,
        Self::AsTimeout,
        Self::AsThrottled,
        Self::AsBadResponse,
        Self::AsRejectedUs,
        Self::AsCircuitOpen,
        Self::AsOverloaded,
        Self::UpstreamUnavailable,
        Self::UpstreamTimeout,
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::NoRoute => "no_route",
            Self::MissingToken => "missing_token",
            Self::MalformedToken => "malformed_token",
            Self::MultipleTokens => "multiple_tokens",
            Self::Inactive => "inactive",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::InvalidJwt => "invalid_jwt",
            Self::TokenType => "token_type",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::BindingDpop => "binding_dpop",
            Self::BindingMtls => "binding_mtls",
            Self::InsufficientScope => "insufficient_scope",
            Self::Claim => "claim",
            Self::RateLimited => "rate_limited",
            Self::IdentityTooLarge => "identity_too_large",
            Self::AsUnavailable => "as_unavailable",
            Self::AsTimeout => "as_timeout",
            Self::AsThrottled => "as_throttled",
            Self::AsBadResponse => "as_bad_response",
            Self::AsRejectedUs => "as_rejected_us",
            Self::AsCircuitOpen => "as_circuit_open",
            Self::AsOverloaded => "as_overloaded",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamTimeout => "upstream_timeout",
        }
    }

    pub fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::MalformedToken | Self::MultipleTokens => {
                StatusCode::BAD_REQUEST
            }
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::MissingToken
            | Self::Inactive
            | Self::Expired
            | Self::NotYetValid
            | Self::InvalidJwt
            | Self::TokenType
            | Self::Issuer
            | Self::Audience
            | Self::BindingDpop
            | Self::BindingMtls => StatusCode::UNAUTHORIZED,
            Self::InsufficientScope | Self::Claim => StatusCode::FORBIDDEN,
            Self::RateLimited => StatusCode::TOO_MANY_REQUESTS,
            Self::IdentityTooLarge => StatusCode::INTERNAL_SERVER_ERROR,
            Self::AsUnavailable
            | Self::AsTimeout
            | Self::AsThrottled
            | Self::AsBadResponse
            | Self::AsRejectedUs
            | Self::AsCircuitOpen
            | Self::AsOverloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamUnavailable => StatusCode::BAD_GATEWAY,
            Self::UpstreamTimeout => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The OAuth error code (RFC 6750 §3.1), where there is one. A missing token has none.
    pub fn oauth_error(self) -> Option<&'static str> {
        match self {
            Self::MalformedToken | Self::MultipleTokens => Some("invalid_request"),
            Self::Inactive
            | Self::Expired
            | Self::NotYetValid
            | Self::InvalidJwt
            | Self::TokenType
            | Self::Issuer
            | Self::Audience
            | Self::BindingDpop
            | Self::BindingMtls => Some("invalid_token"),
            Self::InsufficientScope => Some("insufficient_scope"),
            _ => None,
        }
    }

    pub fn fault(self) -> Fault {
        match self {
            Self::AsUnavailable
            | Self::AsTimeout
            | Self::AsThrottled
            | Self::AsBadResponse
            | Self::AsRejectedUs
            | Self::AsCircuitOpen
            | Self::AsOverloaded => Fault::AuthorizationServer,
            Self::UpstreamUnavailable | Self::UpstreamTimeout => Fault::Upstream,
            Self::IdentityTooLarge => Fault::Gateway,
            _ => Fault::Client,
        }
    }

    /// What the client reads. Nothing in it comes from a token, a server or the configuration.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::BadRequest => "The request is ambiguous or unsafe.",
            Self::NoRoute => "Nothing is served here.",
            Self::MissingToken => "An access token is needed.",
            Self::MalformedToken => "What stands in the place of the access token is not one.",
            Self::MultipleTokens => "The request carries more than one access token.",
            Self::Inactive => "The access token is expired, revoked or unknown.",
            Self::Expired => "The access token has expired.",
            Self::NotYetValid => "The access token is not valid yet.",
            Self::InvalidJwt => "The access token is not a JWT that can be verified here.",
            Self::TokenType => "A refresh token is not an access token.",
            Self::Issuer => "The access token was issued by somebody else.",
            Self::Audience => "The access token was issued for another service.",
            Self::BindingDpop => {
                "The access token is bound to a key, and the request does not prove possession of it."
            }
            Self::BindingMtls => {
                "The access token is bound to a client certificate, and the request does not come with it."
            }
            Self::InsufficientScope => "The access token does not have the scope that this needs.",
            Self::Claim => "The access token does not allow this.",
            Self::RateLimited => "This is asked for too often at the moment.",
            Self::IdentityTooLarge => "The token's identity does not fit into a request header.",
            Self::AsUnavailable | Self::AsCircuitOpen => {
                "The authorization server cannot be reached at the moment."
            }
            Self::AsTimeout => "The authorization server did not answer in time.",
            Self::AsThrottled | Self::AsOverloaded => {
                "The authorization server is asked too often at the moment."
            }
            Self::AsBadResponse => "The authorization server's answer could not be understood.",
            Self::AsRejectedUs => "The authorization server does not accept this gateway.",
            Self::UpstreamUnavailable => "The service cannot be reached at the moment.",
            Self::UpstreamTimeout => "The service did not answer in time.",
        }
    }
}

impl From<Refused> for Reason {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::InvalidJwt | Refused::UnknownKey => Self::InvalidJwt,
            Refused::Expired => Self::Expired,
            Refused::NotYetValid => Self::NotYetValid,
            Refused::Issuer => Self::Issuer,
            Refused::Audience => Self::Audience,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn each_reason_has_its_own_word() {
        let words: HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(words.len(), Reason::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')));
    }

    #[test]
    fn a_failing_authorization_server_never_looks_like_a_bad_token() {
        for reason in Reason::ALL {
            if reason.fault() == Fault::AuthorizationServer {
                assert_eq!(reason.status(), StatusCode::SERVICE_UNAVAILABLE, "{reason:?}");
                assert_eq!(reason.oauth_error(), None, "{reason:?}");
            }
        }
    }
}
