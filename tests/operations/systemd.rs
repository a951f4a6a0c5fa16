//! `Type=notify-reload`: the messages to the service manager over its socket.

use crate::support::{Builder, Setup, UpstreamBehaviour, one_route, request_bytes, wait_until};
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// A service manager's socket in the gateway's folder, and a gateway that uses it.
fn start(environment: &[(&str, &str)]) -> (UnixDatagram, Setup) {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let path = folder.join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("bind");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time-out");
    let mut builder = Builder::new().env("NOTIFY_SOCKET", &path.display().to_string());
    for (name, value) in environment {
        builder = builder.env(name, value);
    }
    (socket, Setup::build(builder, &one_route("auth: none")))
}

fn receive(socket: &UnixDatagram) -> Vec<String> {
    let mut message = [0; 4096];
    let length = socket.recv(&mut message).expect("a notification");
    String::from_utf8_lossy(&message[..length]).lines().map(str::to_owned).collect()
}

/// The next message that is about something else than the watchdog.
fn state(socket: &UnixDatagram) -> Vec<String> {
    loop {
        let message = receive(socket);
        if message != ["WATCHDOG=1"] {
            return message;
        }
    }
}

fn monotonic_micros() -> u128 {
    let uptime = std::fs::read_to_string("/proc/uptime").expect("the uptime");
    let seconds: f64 =
        uptime.split(' ').next().and_then(|text| text.parse().ok()).expect("seconds");
    (seconds * 1e6) as u128
}

#[test]
fn ready_reloading_stopping() {
    let (socket, mut setup) = start(&[]);
    let ready = state(&socket);
    assert_eq!(ready[0], "READY=1");
    assert!(ready[1].starts_with("STATUS=1 listeners"), "{ready:?}");

    let before = monotonic_micros();
    setup.gateway.sighup();
    let reloading = state(&socket);
    assert_eq!(reloading[0], "RELOADING=1");
    let at = reloading[1].strip_prefix("MONOTONIC_USEC=").and_then(|at| at.parse::<u128>().ok());
    let at = at.unwrap_or_else(|| panic!("{reloading:?}"));
    assert!(at + 1_000_000 > before && at < monotonic_micros() + 1_000_000, "{at} {before}");
    let ready = state(&socket);
    assert_eq!(ready, ["READY=1", "STATUS=the newest configuration is in force"]);

    setup.gateway.rewrite_config("nonsense: 1");
    assert_eq!(state(&socket)[0], "RELOADING=1", "a change of the file is a reload too");
    let ready = state(&socket);
    assert_eq!(ready[0], "READY=1", "a bad file does not leave the service reloading");
    assert!(ready[1].contains("errors"), "{ready:?}");

    setup.gateway.sigterm();
    let stopping = state(&socket);
    assert_eq!(stopping[0], "STOPPING=1", "{stopping:?}");
    assert_eq!(setup.gateway.wait_for_exit(Duration::from_secs(5)).code(), Some(0));
}

#[test]
fn the_watchdog_is_fed_until_the_end() {
    let (socket, mut setup) = start(&[("WATCHDOG_USEC", "200000")]);
    let fed = |socket: &UnixDatagram, times: usize| {
        let began = std::time::Instant::now();
        let mut count = 0;
        while count < times {
            count += usize::from(receive(socket) == ["WATCHDOG=1"]);
        }
        began.elapsed()
    };
    assert!(fed(&socket, 10) < Duration::from_secs(4), "twice in each 200 ms");
    // also while the last requests end
    setup.upstream.behave(UpstreamBehaviour::EchoAfter(Duration::from_secs(1)));
    let mut connection = setup.gateway.connect();
    connection.send(&request_bytes("GET", "/", &[], b"")).expect("send");
    wait_until("it is under way", || setup.upstream.count() == 1);
    setup.gateway.sigterm();
    assert_eq!(state(&socket)[0].as_str(), "STOPPING=1");
    fed(&socket, 2);
    assert_eq!(connection.read_response("GET").expect("an answer").status, 200);
    setup.gateway.wait_for_exit(Duration::from_secs(5));
}

/// Another process's watchdog, and a socket that is not there, end nothing.
#[test]
fn a_bad_environment_ends_nothing() {
    for (name, value) in [
        ("NOTIFY_SOCKET", "/nowhere/notify.sock"),
        ("NOTIFY_SOCKET", "relative"),
        ("WATCHDOG_USEC", "soon"),
        ("WATCHDOG_PID", "1"),
    ] {
        let builder = Builder::new().env("WATCHDOG_USEC", "1000").env(name, value);
        let setup = Setup::build(builder, &one_route("auth: none"));
        assert_eq!(setup.gateway.get("/", &[]).status, 200, "{name}={value}");
    }
}
