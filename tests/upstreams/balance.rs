//! Contract §2, `balance`: which server gets a request.

use super::{answers, balanced};
use crate::support::{Setup, Upstream, UpstreamBehaviour, wait_until};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[test]
fn least_connections_avoids_the_server_that_is_busy() {
    let (slow, quick) = (Upstream::named("slow"), Upstream::named("quick"));
    slow.behave(UpstreamBehaviour::EchoAfter(Duration::from_secs(4)));
    quick.behave(UpstreamBehaviour::EchoAfter(Duration::from_millis(500)));
    let gateway = balanced(&format!(
        "{{ balance: least_connections, servers: [\"{}\", \"{}\"] }}",
        slow.url(),
        quick.url()
    ));
    std::thread::scope(|scope| {
        // Equals take turns. Two requests keep the slow server busy: the quick one is counted busy
        // with one request for a moment after its response was read.
        let waiting = [1, 2, 3, 4].map(|number| {
            let request = scope.spawn(|| answers(&gateway, 1));
            wait_until("the request is there", || slow.count() + quick.count() == number);
            request
        });
        assert_eq!((slow.count(), quick.count()), (2, 2));
        quick.behave(UpstreamBehaviour::Echo);
        wait_until("the quick server has answered", || {
            waiting.iter().filter(|request| request.is_finished()).count() == 2
        });
        assert_eq!(answers(&gateway, 10), BTreeMap::from([("quick".into(), 10)]));
        assert_eq!((slow.count(), quick.count()), (2, 12));
        for request in waiting {
            assert_eq!(request.join().expect("a response").len(), 1);
        }
    });
}

/// A client's address is its key: all requests from loopback go to one server.
#[test]
fn hash_by_client_address_keeps_a_client_at_its_server() {
    let servers = [Upstream::named("a"), Upstream::named("b"), Upstream::named("c")];
    let urls: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.url())).collect();
    let gateway =
        balanced(&format!("{{ balance: \"hash:client_ip\", servers: [{}] }}", urls.join(", ")));
    assert_eq!(answers(&gateway, 20).len(), 1);
}

/// A subject stays at its server, subjects spread over all of them, and when a server is down its
/// subjects alone go elsewhere.
#[test]
fn hash_by_subject_spreads_subjects_and_keeps_each_at_its_server() {
    let mut servers = [Upstream::named("a"), Upstream::named("b"), Upstream::named("c")];
    let urls: Vec<String> = servers.iter().map(|server| format!("\"{}\"", server.url())).collect();
    let setup = Setup::start(&format!(
        "upstreams: {{ api: {{ balance: \"hash:sub\", servers: [{}] }} }}\nroutes: [{{ path: /*, upstream: api }}]\n",
        urls.join(", ")
    ));
    let subjects: Vec<String> = (0..30).map(|n| format!("user-{n}")).collect();
    for subject in &subjects {
        setup.server.answer(subject, json!({ "active": true, "sub": subject }));
    }
    let server_of = |subject: &String| {
        setup.get(subject).json()["upstream"].as_str().expect("a name").to_owned()
    };
    let before: Vec<String> = subjects.iter().map(server_of).collect();
    assert_eq!(before.iter().collect::<BTreeSet<_>>().len(), 3, "{before:?}");
    assert_eq!(subjects.iter().map(server_of).collect::<Vec<_>>(), before);

    servers[1].stop();
    for (subject, before) in subjects.iter().zip(&before) {
        let after = server_of(subject);
        assert_eq!(after != *before, before == "b", "{subject}: {before} → {after}");
    }
}
