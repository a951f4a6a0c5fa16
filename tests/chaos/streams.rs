//! Event streams and WebSockets while their tokens expire, are purged and are revoked, and the
//! configuration is reloaded: none outlives its token by more than a second, and none ends before.
//! A few seconds in every test run; for a minute or more, with the figures printed, `make chaos`.

use super::Stop;
use crate::support::{
    AuthorizationServer, Behaviour, Connection, Gateway, Upstream, UpstreamBehaviour, active,
    now_millis, request_bytes,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CLIENTS: u64 = 12;

const CONFIGURATION: &str = "
authorization_servers: { main: { introspection_endpoint: '@AS@', timeout: 2s } }
cache: { ttl: 1s }
log: { level: error, access: off }
routes:
  - { name: all, path: /*, upstream: '@UPSTREAM@', scopes: [read] }
";

/// Contract §3.
const SECOND: i64 = 1000;

/// A renewal comes each second, and takes a moment.
const RENEWAL: i64 = 1500;

/// In `make chaos` the machine is ours. A short run beside other tests allows for a busy machine.
const BUSY: i64 = 4000;

const EVENTS: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nd\r\ndata: hello\n\n\r\n";

/// A masked text frame, and the echo's bytes.
const FRAME: &[u8] = b"\x81\x82\0\0\0\0hi";

const POLICY_VIOLATION: &[u8] = &[0x88, 2, 0x03, 0xf0];

/// Why a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Expires,
    Purged,
    Revoked,
    /// The client leaves.
    Spared,
}

/// Ends of one kind of stream by one cause.
#[derive(Default)]
struct Ends {
    count: u64,
    /// The longest time by which one outlived its token, in milliseconds.
    longest: i64,
}

#[derive(Default)]
struct Tally {
    ends: Mutex<BTreeMap<(&'static str, Fate), Ends>>,
    wrong: Mutex<Vec<String>>,
}

#[test]
fn no_stream_outlives_its_token() {
    let chosen = std::env::var("CHAOS_SECONDS").ok();
    let seconds = chosen.as_ref().map_or(6, |text| text.parse().expect("a number of seconds"));
    let allowed = SECOND + if chosen.is_some() { 0 } else { BUSY };
    let seed: u64 = std::env::var("CHAOS_SEED")
        .map_or_else(|_| rand::random(), |text| text.parse().expect("CHAOS_SEED is a number"));
    let (server, upstream) = (AuthorizationServer::start(), Upstream::start());
    upstream.behave(UpstreamBehaviour::Kept(EVENTS.into()));
    let configuration =
        CONFIGURATION.replace("@AS@", &server.url()).replace("@UPSTREAM@", &upstream.url());
    let gateway = Gateway::start(&configuration);
    let (server, tally, done) = (Mutex::new(server), Tally::default(), AtomicBool::new(false));
    thread::scope(|scope| {
        for client in 1..=CLIENTS {
            let (gateway, server, tally, done) = (&gateway, &server, &tally, &done);
            let mut random = StdRng::seed_from_u64(seed.wrapping_add(client));
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    stream(gateway, server, tally, allowed, &mut random);
                }
            });
        }
        let _stop = Stop(&done);
        let (mut random, end) = (StdRng::seed_from_u64(seed), Duration::from_secs(seconds));
        let began = Instant::now();
        while began.elapsed() < end {
            thread::sleep(Duration::from_millis(random.random_range(200..900)));
            match random.random_range(0..3) {
                0 => server.lock().expect("the server").cut_connections(),
                1 => gateway.sighup(),
                _ => gateway.rewrite_config(&format!(
                    "{configuration}realm: chaos-{}\n",
                    random.random::<u32>()
                )),
            }
        }
    });
    let ends = tally.ends.lock().expect("the counts");
    println!("{CLIENTS} clients, {seconds} s, CHAOS_SEED={seed}");
    for ((kind, fate), Ends { count, longest }) in &*ends {
        println!("{count:>9}  {kind} {fate:?}, {longest} ms behind the token's end at most");
    }
    let wrong = tally.wrong.lock().expect("the list");
    println!("{:>9}  outlived their token by more than a second, or ended before", wrong.len());
    assert!(wrong.is_empty(), "CHAOS_SEED={seed}: {:#?}", &wrong[..wrong.len().min(5)]);
    let count: u64 = ends.values().map(|ends| ends.count).sum();
    assert!(count > 10, "too little happened: {count} streams");
}

/// One stream with a token of its own, from its beginning to its end.
fn stream(
    gateway: &Gateway,
    server: &Mutex<AuthorizationServer>,
    tally: &Tally,
    allowed: i64,
    random: &mut StdRng,
) {
    let (websocket, busy) = (random.random(), random.random());
    let kind = if websocket { "WebSocket" } else { "event stream" };
    let fate =
        [Fate::Expires, Fate::Purged, Fate::Revoked, Fate::Spared][random.random_range(0..4)];
    let token = format!("t{:016x}", random.random::<u64>());
    // whole seconds, as servers send it
    let exp = now_millis() / 1000 + random.random_range(2..5);
    let mut answer = json!({ "sub": token, "scope": "read" });
    if fate == Fate::Expires {
        answer["exp"] = json!(exp);
    }
    server.lock().expect("the server").answer(&token, active(answer));
    let wrong = |why: String| {
        tally.wrong.lock().expect("the list").push(format!("{kind} {fate:?} {token}: {why}"));
    };
    let mut connection = match open(gateway, &token, websocket) {
        Ok(connection) => connection,
        Err(why) => return wrong(why),
    };
    let mut life = Life { websocket: websocket && busy, last: Vec::new() };
    let quiet = Duration::from_millis(random.random_range(100..1500));
    let ended = match fate {
        Fate::Expires => None,
        Fate::Purged | Fate::Revoked | Fate::Spared => life.ends(&mut connection, quiet),
    };
    if ended.is_some() {
        return wrong("it ended before its token".into());
    }
    let due = match fate {
        Fate::Expires => exp * 1000,
        Fate::Purged => {
            let purge = json!({ "token": token });
            assert_eq!(gateway.admin_post("/api/cache/purge", &purge).status, 200);
            now_millis()
        }
        Fate::Revoked => {
            server.lock().expect("the server").behave(&token, Behaviour::inactive());
            now_millis() + RENEWAL
        }
        Fate::Spared => 0,
    };
    let mut late = 0;
    if fate != Fate::Spared {
        let patience = (due - now_millis()).max(0) + allowed + BUSY;
        let Some(ended) = life.ends(&mut connection, Duration::from_millis(patience as u64)) else {
            return wrong("it did not end".into());
        };
        late = ended - due;
        if late > allowed {
            wrong(format!("it outlived its token by {late} ms"));
        }
        if fate == Fate::Expires && late < 0 {
            wrong(format!("it ended {} ms before its token", -late));
        }
        if websocket && !busy && !life.last.ends_with(POLICY_VIOLATION) {
            wrong(format!("it ended without its close frame: {:?}", life.last));
        }
    }
    let mut ends = tally.ends.lock().expect("the counts");
    let ends = ends.entry((kind, fate)).or_default();
    ends.count += 1;
    ends.longest = late.max(ends.longest);
}

fn open(gateway: &Gateway, token: &str, websocket: bool) -> Result<Connection, String> {
    let authorization = format!("Bearer {token}");
    let mut headers = vec![("Host", "gateway.test"), ("Authorization", authorization.as_str())];
    if websocket {
        headers.extend([("Connection", "Upgrade"), ("Upgrade", "websocket")]);
    }
    let mut connection = Connection::open(gateway.port());
    connection
        .send(&request_bytes("GET", "/", &headers, b""))
        .map_err(|error| format!("no request: {error}"))?;
    let expected = if websocket { "HTTP/1.1 101 " } else { "HTTP/1.1 200 " };
    let whole = if websocket { "\r\n\r\n" } else { "hello" };
    let mut read = String::new();
    while !read.contains(whole) {
        match connection.read_some() {
            Ok(some) if !some.is_empty() => read.push_str(&String::from_utf8_lossy(&some)),
            other => return Err(format!("no response: {other:?} {read}")),
        }
    }
    if read.starts_with(expected) { Ok(connection) } else { Err(read) }
}

/// The client's side of a stream.
struct Life {
    /// It sends frames all the time.
    websocket: bool,
    /// The last bytes that came.
    last: Vec<u8>,
}

impl Life {
    /// The moment of the end, in milliseconds since the epoch; `None` where there is none within
    /// `patience`.
    fn ends(&mut self, connection: &mut Connection, patience: Duration) -> Option<i64> {
        connection.patience(Duration::from_millis(20));
        let began = Instant::now();
        while began.elapsed() < patience {
            if self.websocket && connection.send(FRAME).is_err() {
                return Some(now_millis());
            }
            match connection.read_some() {
                Ok(some) if some.is_empty() => return Some(now_millis()),
                Ok(some) => self.last = some,
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => {}
                    // reset, with a frame on its way
                    _ => return Some(now_millis()),
                },
            }
        }
        None
    }
}
