//! Every kind of Redis that can be named: Sentinel, Cluster, TLS, ACL, a Unix socket.

use super::{Fleet, MS, cache, is_up, wait_for_answers};
use crate::support::{Behaviour, Redis, one_route, wait_until, wait_within};
use serde_json::json;
use std::process::Command;
use std::time::Duration;

/// An answer and a purge go from one gateway to the other.
#[track_caller]
fn works(fleet: &Fleet) {
    let mut count = 0;
    wait_until("an answer is there", || {
        count += 1;
        let token = format!("works{count}");
        fleet.server.answer(&token, json!({ "active": true }));
        assert_eq!(fleet.get(0, &token), 200);
        std::thread::sleep(MS(100));
        assert_eq!(fleet.get(1, &token), 200);
        fleet.looks(1, "hit") > 0.0
    });
    assert_eq!((fleet.get(0, "good"), fleet.get(1, "good")), (200, 200));
    fleet.server.behave("good", Behaviour::inactive());
    assert_eq!(
        fleet.gateways[0].admin_post("/api/cache/purge", &json!({"sub": "alice"})).json()["fleet_told"],
        true
    );
    wait_until("the purge", || fleet.get(1, "good") == 401);
}

#[test]
fn a_unix_socket_and_another_database() {
    let Some(redis) = Redis::with(&["--unixsocket", "@DIR@/redis.sock"]) else { return };
    let path = redis.directory().join("redis.sock");
    works(&Fleet::with(2, &cache(&format!("redis+unix://{}", path.display()), "", "")));
    works(&Fleet::with(2, &cache(&format!("{}/3", redis.url()), "", "")));
    let keyspace: String = redis.command("INFO keyspace");
    assert!(keyspace.contains("db3:"), "{keyspace}");
}

/// The user of docs/fleet.md has the rights that are needed and no others.
#[test]
fn a_user_with_the_rights_of_the_docs() {
    let Some(redis) = Redis::start() else { return };
    let page = include_str!("../../docs/fleet.md");
    let rule = page
        .lines()
        .find_map(|line| line.trim().strip_prefix("ACL SETUSER introgate "))
        .expect("the rule in docs/fleet.md");
    let _: () =
        redis.command(&format!("ACL SETUSER introgate {}", rule.replace("PASSWORD", "secret")));
    let _: () = redis.command("ACL SETUSER default off");
    let fleet = Fleet::with(2, &cache(&redis.url().replace("//", "//introgate:secret@"), "", ""));
    works(&fleet);
    assert_eq!(fleet.looks(0, "error") + fleet.looks(1, "error"), 0.0);
}

#[test]
fn a_cluster_of_three() {
    let node = || Redis::with(&["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"]);
    let (Some(a), Some(b), Some(c)) = (node(), node(), node()) else { return };
    let addresses = [&a, &b, &c].map(|node| format!("127.0.0.1:{}", node.port()));
    let made = Command::new("redis-cli")
        .args(["--cluster", "create"])
        .args(&addresses)
        .arg("--cluster-yes")
        .output()
        .expect("redis-cli");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stdout));
    wait_until("the cluster is made", || {
        [&a, &b, &c]
            .iter()
            .all(|node| node.command::<String>("CLUSTER INFO").contains("cluster_state:ok"))
    });
    let fleet =
        Fleet::with(2, &cache(&format!("redis-cluster://{}", addresses[..2].join(",")), "", ""));
    // enough tokens for every node
    for n in 0..20 {
        let token = format!("t{n}");
        fleet.server.answer(&token, json!({ "active": true, "sub": "bob" }));
        assert_eq!(fleet.get(0, &token), 200);
    }
    let held = || -> Vec<usize> {
        [&a, &b, &c]
            .map(|node| node.answers().iter().filter(|name| !name.ends_with(":asked")).count())
            .to_vec()
    };
    wait_until("all are written", || held().iter().sum::<usize>() == 20);
    assert!(held().iter().all(|held| *held > 0), "{:?}", held());
    assert!((0..20).all(|n| fleet.get(1, &format!("t{n}")) == 200));
    assert_eq!(fleet.server.count(), 20);
    works(&fleet);

    // the same, taken for a single one: it redirects, and is bypassed
    let mut astray = Fleet::with(0, "");
    for node in [&a, &b, &c] {
        astray.add(&format!("{}{}", cache(&node.url(), "", ""), one_route("")));
    }
    for gateway in 0..3 {
        for n in 0..10 {
            astray.server.answer(&format!("t{n}"), json!({ "active": true }));
            assert_eq!(astray.get(gateway, &format!("t{n}")), 200);
        }
    }
    let moved = |gateway: &crate::support::Gateway| {
        gateway.stderr().contains("this is a node of a cluster")
    };
    wait_until("all gateways have moved", || astray.gateways.iter().all(moved));
}

#[test]
fn sentinels_lead_to_the_new_master() {
    let Some(mut master) = Redis::start() else { return };
    let Some(replica) = Redis::with(&["--replicaof", "127.0.0.1", &master.port().to_string()])
    else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("sentinel.conf");
    let port = master.port();
    let conf = format!(
        "sentinel monitor mymaster 127.0.0.1 {port} 1\nsentinel down-after-milliseconds mymaster 1000\n\
         sentinel failover-timeout mymaster 3000\nrequirepass watch\n"
    );
    std::fs::write(&file, conf).expect("write");
    let Some(sentinel) = Redis::program("redis-sentinel", &[&file.display().to_string()]) else {
        return;
    };
    wait_until("the replica follows", || {
        let info: String = master.command("INFO replication");
        info.contains("state=online")
    });
    let url = format!("redis-sentinel://127.0.0.1:1,127.0.0.1:{}/0#mymaster", sentinel.port());
    let fleet = Fleet::with(2, &cache(&url, "", "sentinel: { password: watch }"));
    works(&fleet);
    // the Sentinel must have found the replica before the master goes
    let mut watch = redis::Client::open(format!("redis://:watch@127.0.0.1:{}", sentinel.port()))
        .expect("a client")
        .get_connection()
        .expect("a connection");
    wait_within(Duration::from_secs(30), "the Sentinel knows the replica", || {
        let masters: String = redis::cmd("INFO").arg("sentinel").query(&mut watch).expect("INFO");
        masters.contains("slaves=1")
    });
    fleet.server.answer("narrow", json!({ "active": true, "sub": "bob" }));
    assert_eq!((fleet.get(0, "narrow"), fleet.get(1, "narrow")), (200, 200));
    master.stop();
    wait_until("it is noticed", || !is_up(&fleet.gateways[0]));
    assert_eq!(fleet.get(0, "bare"), 200, "meanwhile without");
    wait_within(Duration::from_secs(60), "the new master is in use", || {
        fleet.gateways.iter().all(is_up)
    });
    fleet.server.behave("narrow", Behaviour::inactive());
    assert_eq!(
        fleet.gateways[0].admin_post("/api/cache/purge", &json!({"sub": "bob"})).json()["fleet_told"],
        true
    );
    wait_until("the purge", || fleet.get(1, "narrow") == 401);
    let role: Vec<redis::Value> = replica.command("ROLE");
    assert!(format!("{role:?}").contains("master"), "{role:?}");
}

#[test]
fn tls_with_certificates_of_both_sides() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    for (authority, names) in [("ca", ["server", "client"]), ("other", ["x", "y"])] {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name.push(rcgen::DnType::CommonName, authority);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).expect("an authority");
        std::fs::write(path(&format!("{authority}.pem")), certificate.pem()).expect("write");
        let issuer = rcgen::Issuer::new(params, key);
        for name in names {
            let key = rcgen::KeyPair::generate().expect("a key");
            let mut params =
                rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
                    .expect("parameters");
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let certificate = params.signed_by(&key, &issuer).expect("a certificate");
            std::fs::write(path(&format!("{name}.pem")), certificate.pem()).expect("write");
            std::fs::write(path(&format!("{name}.key")), key.serialize_pem()).expect("write");
        }
    }
    let port = crate::support::free_port();
    let (ca, certificate, key) = (path("ca.pem"), path("server.pem"), path("server.key"));
    let arguments = [
        "--tls-port",
        &port.to_string(),
        "--tls-ca-cert-file",
        &ca,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
    ];
    let Some(_redis) = Redis::with(&arguments) else { return };
    let url = format!("rediss://localhost:{port}");
    let tls = |ca: &str, identity: &str| match identity {
        "" => cache(&url, "", &format!("tls: {{ ca: \"{}\" }}", path(ca))),
        name => cache(
            &url,
            "",
            &format!(
                "tls: {{ ca: \"{}\", certificate: \"{}\", private_key: \"{}\" }}",
                path(ca),
                path(&format!("{name}.pem")),
                path(&format!("{name}.key"))
            ),
        ),
    };
    works(&Fleet::with(2, &tls("ca.pem", "client")));
    for (ca, identity) in [("other.pem", "client"), ("ca.pem", "x"), ("ca.pem", "")] {
        let mut fleet = Fleet::with(0, "");
        fleet.add(&format!("{}{}", tls(ca, identity), one_route("")));
        assert_eq!(fleet.get(0, "good"), 200, "{ca} {identity}");
        fleet.gateways[0].log_with("Redis is unavailable and is being bypassed");
        assert!(!is_up(&fleet.gateways[0]), "{ca} {identity}");
    }
}

/// Every place has its own time: a look takes as long as `timeout` at most.
#[test]
fn the_answer_is_written_without_anybody_waiting() {
    let Some(redis) = Redis::start() else { return };
    let fleet = Fleet::start(&redis, 1);
    assert_eq!(fleet.get(0, "good"), 200);
    wait_for_answers(&redis, 1);
    let ttl: i64 = redis.command(&format!("PTTL {}", redis.answers()[0]));
    assert!((1..=60_000).contains(&ttl), "{ttl}");
    let locks: Vec<String> = redis.command("KEYS *:asked");
    assert!(locks.is_empty(), "{locks:?}");
}
