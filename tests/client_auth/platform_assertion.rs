//! `client_assertion`: a JWT that the platform keeps fresh in a file (RFC 7523 §2.2).

use super::start;
use crate::jwt::Signer;
use crate::support::{Behaviour, Builder, Setup, now, wait_until};
use serde_json::json;
use std::fs;

/// Of the platform, for the gateway's service account.
fn assertion(signer: &Signer, ends_in: i64) -> String {
    signer.sign(&json!({
        "iss": "https://kubernetes.test", "sub": "system:serviceaccount:edge:gateway",
        "aud": ["https://as.test"], "exp": now() + ends_in,
    }))
}

/// With these further keys of `client_auth`.
fn with_file(content: &str, more: &str) -> Setup {
    let auth = format!("{{ method: client_assertion, assertion_file: token{more} }}");
    let keys = format!("introspection_endpoint: \"@AS@\", client_auth: {auth}");
    start(Builder::new().file("token", content), &keys)
}

fn put(setup: &Setup, content: &str) {
    // as a projected volume does it: another file takes the place of the old one
    let folder = setup.gateway.directory();
    fs::write(folder.join("..new"), content).expect("write");
    fs::rename(folder.join("..new"), folder.join("token")).expect("rename");
}

fn sent(setup: &Setup) -> Vec<(String, String)> {
    setup.server.last().form().into_iter().filter(|(name, _)| name != "token").collect()
}

#[test]
fn the_file_is_sent_and_the_newest_content_of_it() {
    let signer = Signer::p256("platform");
    for (more, client_id) in [("", None), (", client_id: gateway", Some("gateway"))] {
        let first = assertion(&signer, 600);
        let setup = with_file(&format!("{first}\n"), more);
        assert_eq!(setup.outcome("good"), (200, String::new()));
        let expected = |assertion: &str| -> Vec<(String, String)> {
            let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
            let members = [("client_assertion_type", kind), ("client_assertion", assertion)];
            let id = client_id.map(|id| ("client_id", id));
            let all = id.into_iter().chain(members);
            all.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
        };
        assert_eq!(sent(&setup), expected(&first));
        assert_eq!(setup.server.last().header("authorization"), None);

        let second = assertion(&signer, 900);
        put(&setup, &second);
        let mut number = 0;
        wait_until("the new assertion is sent", || {
            number += 1;
            assert_eq!(setup.get(&format!("other-{number}")).status, 401);
            sent(&setup) == expected(&second)
        });
        assert_eq!(setup.outcome("good"), (200, String::new()));
        assert_eq!(setup.server.count_of("good"), 1, "cached answers stay good");
        let log = setup.gateway.stderr();
        assert!(!log.contains(&first[..30]) && !log.contains("reload"), "{log}");
    }
}

#[test]
fn a_bad_file_leaves_the_last_good_one_and_an_expired_one_is_not_sent() {
    let signer = Signer::p256("platform");
    let good = assertion(&signer, 600);
    let setup = with_file(&good, "");
    assert_eq!(setup.outcome("good"), (200, String::new()));
    let mut number = 0;
    let mut ask = || {
        number += 1;
        setup.outcome(&format!("unknown-{number}"))
    };
    let half = good[..good.len() / 2].to_owned();
    for bad in [String::new(), half, "x".repeat(70 << 10)] {
        put(&setup, &bad);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        assert_eq!(ask(), (401, "inactive".into()), "{} bytes", bad.len());
        assert!(sent(&setup).iter().any(|(_, value)| *value == good));
    }
    setup.gateway.log_with("assertion_file cannot be used");
    put(&setup, &assertion(&signer, -5));
    wait_until("it has been noticed", || ask() == (503, "as_rejected_us".into()));
    let asked = setup.server.count();
    assert_eq!(ask(), (503, "as_rejected_us".into()));
    assert_eq!(setup.server.count(), asked, "nothing was sent");
    setup.gateway.log_with("and was not sent; does the platform still renew it");
    put(&setup, &assertion(&signer, 600));
    wait_until("a new one is used", || ask() == (401, "inactive".into()));
}

#[test]
fn a_server_that_does_not_accept_it_is_recognised() {
    let setup = with_file(&assertion(&Signer::p256("platform"), 600), "");
    setup.server.behave_for_all(Behaviour::respond(401, &[], r#"{"error":"invalid_client"}"#));
    assert_eq!(setup.outcome("good"), (503, "as_rejected_us".into()));
    setup.gateway.log_with("that the server trusts the issuer of assertion_file");
}
