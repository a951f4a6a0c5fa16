//! The differential wire fuzzer: mutated requests meet mutated responses, on both ways. For each
//! case the service and the client must see the same on both ways, and two oracles hold all along:
//!
//! * no byte of a response to one user reaches another one (a second user's clients ask all the time,
//!   over the same upstream connections);
//! * every request that reaches the service is well-formed, carries exactly one identity, and is
//!   that user's own.
//!
//! `FUZZ_SECONDS` (default 20) and `FUZZ_SEED` (default: by the clock) may be set; a failure names
//! the seed of its case, with which `FUZZ_CASE=seed` runs this one case again.

mod mutate;
mod service;
mod view;

use crate::support::{AuthorizationServer, Connection, Gateway, active, now};
use mutate::Case;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use service::Service;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use view::{Seen, View};

/// A client that gets nothing for so long looks no further.
const QUIET: Duration = Duration::from_millis(700);

struct Lab {
    ways: [(&'static str, Gateway); 2],
    service: Service,
    _server: AuthorizationServer,
}

impl Lab {
    fn start() -> Lab {
        let server = AuthorizationServer::start();
        for user in ["alice", "bob"] {
            let facts = json!({ "sub": user, "scope": "read", "exp": now() + 3600 });
            server.answer(user, active(facts));
        }
        let service = Service::start();
        let gateway = |fast: bool| {
            Gateway::start(&format!(
                "fast_path: {fast}\nlog: {{access: off}}\nthreads: 2\nauthorization_servers: {{main: {{introspection_endpoint: \"{}\"}}}}\n\
                 routes: [{{name: all, path: /*, upstream: service, scopes: [read]}}]\n\
                 upstreams: {{service: {{servers: [\"{}\"], read_timeout: 2s}}}}\n",
                server.url(),
                service.url(),
            ))
        };
        let ways = [("fast path", gateway(true)), ("general way", gateway(false))];
        Lab { ways, service, _server: server }
    }

    /// Sends a case's bytes one way.
    fn run(&self, gateway: &Gateway, case: &Case) -> Seen {
        self.service.script(&case.responses);
        let mut client = gateway.connect();
        client.patience(QUIET);
        for piece in &case.pieces {
            if client.send(piece).is_err() {
                break;
            }
            if case.pieces.len() > 1 {
                std::thread::sleep(Duration::from_millis(3));
            }
        }
        let (raw, closed) = read_all(&mut client);
        drop(client);
        let shown = String::from_utf8_lossy(&raw).into_owned();
        assert!(!shown.contains("bob-"), "bytes of another user: {shown}\n{case:?}");
        Seen { client: View::of(&raw, &case.methods, closed), service: self.service.seen() }
    }

    /// Compares both ways. A difference counts when it comes three times out of three: a connection
    /// that the service closes at the same moment is no defect.
    fn compare(&self, case: &Case) -> Result<(), String> {
        // A service that closes a connection without a byte may have done so before the request
        // came: an idempotent request is then repeated where the connection had served before, and
        // which of the pooled connections it takes differs from one run to the next.
        let silent = |answer: &service::Answer| answer.pieces.iter().all(Vec::is_empty);
        if case.responses.iter().any(silent) {
            for (_, gateway) in &self.ways {
                self.run(gateway, case);
            }
            return Ok(());
        }
        let mut last = String::new();
        for _ in 0..3 {
            let [fast, general] = [0, 1].map(|way| self.run(&self.ways[way].1, case));
            match fast.differs(&general) {
                None => return Ok(()),
                Some(difference) => last = difference,
            }
        }
        Err(last)
    }
}

fn read_all(client: &mut Connection) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match client.read_some() {
            Ok(bytes) if bytes.is_empty() => return (all, true),
            Ok(bytes) => all.extend(bytes),
            Err(error) => {
                let quiet = matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                );
                return (all, !quiet);
            }
        }
    }
}

/// The second user: asks for its own all the time, and gets nothing else.
fn bob(port: u16, stop: &AtomicBool, asked: &AtomicUsize, wrong: &Mutex<Vec<String>>) {
    let (mut connection, mut number, mut lost) = (None, 0_u32, 0);
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let method = if number % 7 == 0 { "HEAD" } else { "GET" };
        let target = format!("/bob/{number}");
        let headers = [("Authorization", "Bearer bob"), ("X-Mark", "bob")];
        let client = match &mut connection {
            Some(client) => client,
            None => match Connection::try_open(port) {
                Ok(client) => connection.insert(client),
                Err(_) => return,
            },
        };
        let response = client.request(method, &target, &headers, b"");
        asked.fetch_add(1, Ordering::Relaxed);
        let own = if method == "HEAD" { String::new() } else { format!("bob-{number}-own") };
        match response {
            Ok(response) if response.status == 200 && response.text() == own => {
                let mark = response.header("x-mark").map(str::to_owned);
                if mark != Some(format!("bob-{number}")) {
                    wrong.lock().expect("findings").push(format!("bob got {response:?}"));
                }
            }
            // the service closed the connection at the same moment, or cut the response
            Ok(response) if response.status == 502 => {
                lost += 1;
                connection = None;
            }
            other => {
                wrong.lock().expect("findings").push(format!("{method} {target}: {other:?}"));
                connection = None;
            }
        }
        std::thread::sleep(Duration::from_millis(u64::from(number % 5)));
    }
    if lost * 20 > number {
        wrong.lock().expect("findings").push(format!("{lost} of {number} requests of bob lost"));
    }
}

#[test]
fn mutated_messages_are_the_same_on_both_ways() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seconds = number("FUZZ_SECONDS").unwrap_or(20);
    let seed = number("FUZZ_SEED").unwrap_or_else(|| now().unsigned_abs());
    let lab = Lab::start();
    let (stop, asked, wrong) =
        (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default(), Arc::<Mutex<_>>::default());
    let clients: Vec<_> = [0, 0, 1, 1]
        .map(|way| {
            let (port, stop, asked, wrong) =
                (lab.ways[way].1.port(), stop.clone(), asked.clone(), wrong.clone());
            std::thread::spawn(move || bob(port, &stop, &asked, &wrong))
        })
        .into();
    let mut cases = 0;
    let mut differences = Vec::new();
    if let Some(one) = number("FUZZ_CASE") {
        let case = Case::from_seed(one);
        eprintln!("{case:#?}");
        for (name, gateway) in &lab.ways {
            eprintln!("{name}: {:#?}", lab.run(gateway, &case));
        }
        differences.extend(lab.compare(&case).err());
    } else {
        let mut random = StdRng::seed_from_u64(seed);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(seconds) && differences.len() < 5 {
            let one = random.random_range(0..1 << 40);
            let case = Case::from_seed(one);
            cases += 1;
            if let Err(difference) = lab.compare(&case) {
                differences.push(format!("FUZZ_CASE={one}: {difference}\n{case:?}"));
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    clients.into_iter().for_each(|client| client.join().expect("a client"));
    let wrong = std::mem::take(&mut *wrong.lock().expect("findings"));
    let unsound = lab.service.findings();
    println!(
        "fuzz-wire: seed {seed}, {cases} cases on both ways, {} requests of the other user, {} differences",
        asked.load(Ordering::Relaxed),
        differences.len()
    );
    assert!(
        differences.is_empty() && wrong.is_empty() && unsound.is_empty(),
        "seed {seed}\n{}\n{}\n{}",
        differences.join("\n\n"),
        wrong.join("\n"),
        unsound.join("\n")
    );
}
