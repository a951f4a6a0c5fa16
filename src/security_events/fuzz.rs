//! The target of [`crate::fuzz`].

use super::Delivery;
use super::subject::Speaker;
use super::token::{check_claims, stated_events};
use crate::introspect::jwt::{Algorithm, KeySource, RequiredIssuer};
use crate::introspect::{ClientAuth, EventSettings};
use crate::token::json;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// With any claims, an event ends only answers of its own authorization server.
pub fn security_event(data: &[u8]) {
    let Ok(claims) = json::object(data) else { return };
    if let Ok(keys) = Url::parse("https://as.example.com/jwks.json") {
        let settings = EventSettings {
            issuer: "https://as.example.com".into(),
            audience: vec!["https://gateway.example.com".into()],
            keys: KeySource::At(keys),
            algorithms: vec![Algorithm::RS256],
            max_age: Duration::MAX,
            client_auth: ClientAuth::None,
            poll: None,
            stream: None,
        };
        for now in [i64::MIN, 0, i64::MAX] {
            // may be an error, must not panic
            for delivery in [Delivery::Push, Delivery::Poll, Delivery::Logout] {
                let _ = check_claims(&claims, &settings, delivery, now);
            }
        }
    }
    let server: Arc<str> = "main".into();
    let issuers = RequiredIssuer::Exactly("https://as.example.com".into());
    for issuers in [None, Some(&issuers)] {
        let speaker = Speaker { server: &server, issuer: "https://as.example.com", issuers };
        for delivery in [Delivery::Push, Delivery::Poll, Delivery::Logout] {
            let Ok(stated) = stated_events(&claims, delivery) else { continue };
            let Ok(named) = stated.named(&claims, &speaker) else { continue };
            for selector in named {
                assert_eq!(selector.server.as_ref(), Some(&server), "{selector:?}");
            }
        }
    }
}
