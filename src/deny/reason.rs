//! The closed set of reasons, in one table. A reason is the same word in the response's body, the
//! log and the metric label.

use crate::token::RefusedLocally;
use http::StatusCode;

/// The party at fault. It decides how a client may react.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request or its token: a decision against it (`deny`).
    Client,
    /// The token could not be judged: no decision was possible (`error`).
    AuthorizationServer,
    /// The request was allowed, and could not be carried out.
    Upstream,
    /// This program or its configuration.
    Gateway,
}

/// The form of a refusal's `WWW-Authenticate`. `realm` is always part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChallengeKind {
    /// No challenge: the refusal is not about a token.
    None,
    /// No `error`; the scopes that the route needs (RFC 6750 §3: the request had no token).
    Invitation,
    /// `error` and `error_description`.
    Error,
    /// These, and the scopes that the route needs.
    Scope,
    /// These, and the login that the route needs (RFC 9470 §3).
    Login,
    /// The scheme and the realm alone: the token is good, and OAuth has no code for the rest.
    Realm,
}

/// Everything that a reason decides about its refusal.
struct Row {
    word: &'static str,
    status: StatusCode,
    oauth_error: Option<&'static str>,
    fault: Fault,
    challenge: ChallengeKind,
    grpc_status: &'static str,
    sentence: &'static str,
}

macro_rules! reasons {
    ($(
        $reason:ident $word:literal
        $status:ident $error:tt $grpc:literal
        $fault:ident $challenge:ident
        $sentence:literal;
    )*) => {
        /// Why a request is refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason {
            $(#[doc = concat!("`", $word, "`: ", $sentence)]
            $reason,)*
        }

        impl Reason {
            /// All of them, in the order of the table.
            pub const ALL: [Self; [$($word),*].len()] = [$(Self::$reason),*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$reason => Row {
                        word: $word,
                        status: StatusCode::$status,
                        oauth_error: error!($error),
                        fault: Fault::$fault,
                        challenge: ChallengeKind::$challenge,
                        grpc_status: $grpc,
                        sentence: $sentence,
                    },)*
                }
            }
        }
    };
}

macro_rules! error {
    (-) => {
        None
    };
    ($code:literal) => {
        Some($code)
    };
}

// reason, its word / status, OAuth error code (RFC 6750 §3.1, RFC 9470 §3), gRPC status / fault,
// challenge / the client's sentence, in which nothing comes from a token, a server or the
// configuration.
//
// gRPC: 16 unauthenticated, 7 permission denied, 14 unavailable, and the nearest for the others
// (3 invalid argument, 4 deadline exceeded, 8 resource exhausted, 12 unimplemented, 13 internal).
reasons! {
    BadRequest "bad_request"
        BAD_REQUEST - "3"
        Client None
        "The request is ambiguous or unsafe.";
    HeaderTooLarge "header_too_large"
        REQUEST_HEADER_FIELDS_TOO_LARGE - "8"
        Client None
        "The header section of the request is too large.";
    RequestTimeout "request_timeout"
        REQUEST_TIMEOUT - "4"
        Client None
        "The header section of the request did not arrive in time.";
    BodyTooLarge "body_too_large"
        PAYLOAD_TOO_LARGE - "8"
        Client None
        "The request body is too large.";
    NoRoute "no_route"
        NOT_FOUND - "12"
        Client None
        "No route matches this request.";
    MissingToken "missing_token"
        UNAUTHORIZED - "16"
        Client Invitation
        "The request has no access token.";
    MalformedToken "malformed_token"
        BAD_REQUEST "invalid_request" "3"
        Client Error
        "The access token is malformed.";
    MultipleTokens "multiple_tokens"
        BAD_REQUEST "invalid_request" "3"
        Client Error
        "The request has more than one access token.";
    Inactive "inactive"
        UNAUTHORIZED "invalid_token" "16"
        Client Error
        "The access token is expired, revoked or unknown.";
    Expired "expired"
        UNAUTHORIZED "invalid_token" "16"
        Client Error
        "The access token has expired.";
    NotYetValid "not_yet_valid"
        UNAUTHORIZED "invalid_token" "16"
        Client Error
        "The access token is not valid yet.";
    InvalidJwt "invalid_jwt"
        UNAUTHORIZED "invalid_token" "16"
        Client Error
        "The access token is not a valid JWT.";
    TokenType "token_type"
        UNAUTHORIZED "invalid_token" "16"
        Client Error
        "A refresh token cannot be used as an access token.";
    Issuer "issuer"
        UNAUTHORIZED "invalid_token" "16"
        Client Error
        "The access token was issued by another issuer.";
    Audience "audience"
        UNAUTHORIZED "invalid_token" "16"
        Client Error
        "The access token was issued for another service.";
    BindingDpop "binding_dpop"
        UNAUTHORIZED "invalid_token" "16"
        Client Error
        "The access token is bound to a key, and the request does not prove possession of the key.";
    BindingMtls "binding_mtls"
        UNAUTHORIZED "invalid_token" "16"
        Client Error
        "The access token is bound to a client certificate that the request does not come with.";
    InsufficientScope "insufficient_scope"
        FORBIDDEN "insufficient_scope" "7"
        Client Scope
        "The access token does not have the required scope.";
    Claim "claim"
        FORBIDDEN - "7"
        Client Realm
        "The access token does not have the required claims.";
    AuthorizationDetails "authorization_details"
        FORBIDDEN - "7"
        Client Realm
        "The access token does not have the required authorization details.";
    Require "require"
        FORBIDDEN - "7"
        Client Realm
        "The access token does not allow this request.";
    StepUp "step_up"
        UNAUTHORIZED "insufficient_user_authentication" "16"
        Client Login
        "A stronger or more recent login is required.";
    RateLimited "rate_limited"
        TOO_MANY_REQUESTS - "14"
        Client None
        "Too many requests.";
    IdentityTooLarge "identity_too_large"
        INTERNAL_SERVER_ERROR - "13"
        Gateway None
        "A claim of the access token does not fit into a request header.";
    AsUnavailable "as_unavailable"
        SERVICE_UNAVAILABLE - "14"
        AuthorizationServer None
        "The authorization server is unavailable.";
    AsTimeout "as_timeout"
        SERVICE_UNAVAILABLE - "14"
        AuthorizationServer None
        "The authorization server did not answer in time.";
    AsThrottled "as_throttled"
        SERVICE_UNAVAILABLE - "14"
        AuthorizationServer None
        "The authorization server is limiting requests.";
    AsBadResponse "as_bad_response"
        SERVICE_UNAVAILABLE - "14"
        AuthorizationServer None
        "The authorization server's answer is invalid.";
    AsRejectedUs "as_rejected_us"
        SERVICE_UNAVAILABLE - "14"
        AuthorizationServer None
        "The authorization server rejects the credentials of this gateway.";
    AsCircuitOpen "as_circuit_open"
        SERVICE_UNAVAILABLE - "14"
        AuthorizationServer None
        "The authorization server is unavailable.";
    AsOverloaded "as_overloaded"
        SERVICE_UNAVAILABLE - "14"
        AuthorizationServer None
        "Too many calls to the authorization server are in progress.";
    UpstreamUnavailable "upstream_unavailable"
        BAD_GATEWAY - "14"
        Upstream None
        "The service is unavailable.";
    UpstreamTimeout "upstream_timeout"
        GATEWAY_TIMEOUT - "4"
        Upstream None
        "The service did not answer in time.";
}

impl Reason {
    /// The stable identifier that is used in bodies, logs and metrics.
    pub fn as_str(self) -> &'static str {
        self.row().word
    }

    /// The status of the response to the client.
    pub fn status(self) -> StatusCode {
        self.row().status
    }

    /// The OAuth error code (RFC 6750 §3.1), where there is one. A missing token has none.
    pub fn oauth_error(self) -> Option<&'static str> {
        self.row().oauth_error
    }

    /// The party at fault.
    pub fn fault(self) -> Fault {
        self.row().fault
    }

    /// The form of `WWW-Authenticate`.
    pub fn challenge(self) -> ChallengeKind {
        self.row().challenge
    }

    /// The value of `grpc-status`.
    pub fn grpc_status(self) -> &'static str {
        self.row().grpc_status
    }

    /// The text for the client. Nothing in it comes from a token, a server or the configuration.
    pub fn sentence(self) -> &'static str {
        self.row().sentence
    }
}

impl From<RefusedLocally> for Reason {
    fn from(refused: RefusedLocally) -> Self {
        match refused {
            RefusedLocally::InvalidJwt | RefusedLocally::UnknownKey => Self::InvalidJwt,
            RefusedLocally::Expired => Self::Expired,
            RefusedLocally::NotYetValid => Self::NotYetValid,
            RefusedLocally::Issuer => Self::Issuer,
            RefusedLocally::Audience => Self::Audience,
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

    /// RFC 6750 §3: a challenge that names an error has a code, and each code has a challenge.
    #[test]
    fn a_code_and_its_challenge_come_together() {
        for reason in Reason::ALL {
            let kind = reason.challenge();
            let names_an_error =
                matches!(kind, ChallengeKind::Error | ChallengeKind::Scope | ChallengeKind::Login);
            assert_eq!(names_an_error, reason.oauth_error().is_some(), "{reason:?}");
        }
    }

    /// Contract §5: 401 and 403 are refusals of a token; each of them carries a challenge.
    #[test]
    fn each_401_and_403_carries_a_challenge() {
        for reason in Reason::ALL {
            let about_a_token = matches!(reason.status().as_u16(), 401 | 403);
            if about_a_token {
                assert_ne!(reason.challenge(), ChallengeKind::None, "{reason:?}");
            }
            let grpc = match reason.status().as_u16() {
                401 => Some("16"),
                403 => Some("7"),
                _ => None,
            };
            assert_eq!(grpc.is_some(), ["16", "7"].contains(&reason.grpc_status()), "{reason:?}");
            assert!(grpc.is_none_or(|status| status == reason.grpc_status()), "{reason:?}");
        }
    }

    #[test]
    fn sentences_are_quotable_and_end() {
        for reason in Reason::ALL {
            let sentence = reason.sentence();
            assert!(
                sentence.ends_with('.') && sentence.starts_with(|c: char| c.is_ascii_uppercase())
            );
            assert!(
                sentence.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\'),
                "{sentence}"
            );
        }
    }
}
