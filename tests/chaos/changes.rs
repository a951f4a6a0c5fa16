//! Load over HTTP/1.1 and over HTTP/2 with TLS, while the configuration is reloaded each second, the
//! certificate changes each five, and two new processes take over: no request may fail.

use crate::support::{Authority, Builder, Setup, free_port, one_route};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start the load generator")
}

fn printed(child: Child) -> String {
    let output = child.wait_with_output().expect("its output");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[ignore = "a minute of load; make soak"]
fn nothing_fails_while_everything_changes() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u64 = seconds.unwrap_or(60);
    let authority = Authority::new();
    let pair = || authority.certify(&["localhost", "127.0.0.1"]);
    let first = pair();
    let tls_port = free_port();
    let yaml = |round: u64| {
        format!(
            "listeners:\n\
             - {{ address: \"127.0.0.1:@PORT@\" }}\n\
             - {{ address: \"127.0.0.1:{tls_port}\", protocols: [h1, h2], tls: {{ certificate: tls.crt, private_key: tls.key }} }}\n\
             realm: round-{round}\nlog: {{ access: off }}\n{}",
            one_route("scopes: [read]")
        )
    };
    let builder = Builder::new().file("tls.crt", &first.certificate).file("tls.key", &first.key);
    let mut setup = Setup::build(builder, &yaml(0));
    let (server, upstream) = (setup.server.url(), setup.upstream.url());
    let port = setup.gateway.port();
    let bearer = "Authorization: Bearer good";
    let time = format!("{seconds}s");
    let wrk = start(
        Command::new("wrk")
            .args(["-t1", "-c16", "-d", &time, "-H", bearer])
            .arg(format!("http://127.0.0.1:{port}/")),
    );
    // h2load opens no second connection when the first one ends (GOAWAY): one run after the other
    let h2load = std::thread::spawn(move || {
        let (began, mut runs) = (Instant::now(), Vec::new());
        while began.elapsed() < Duration::from_secs(seconds) {
            runs.push(printed(start(
                Command::new("h2load")
                    .args(["-t1", "-c8", "-m4", "-D", "2", "-H", bearer])
                    .arg(format!("https://127.0.0.1:{tls_port}/")),
            )));
        }
        runs
    });
    let (began, mut round, mut upgrades) = (Instant::now(), 0, 0);
    let end = Duration::from_secs(seconds.saturating_sub(2));
    while began.elapsed() < end {
        round += 1;
        if round % 5 == 0 {
            let next = pair();
            let folder = setup.gateway.directory();
            std::fs::write(folder.join("tls.key"), &next.key).expect("write");
            std::fs::write(folder.join("tls.crt"), &next.certificate).expect("write");
        }
        let whole = format!(
            "authorization_servers: {{ main: {{ introspection_endpoint: \"{server}\" }} }}\n{}",
            yaml(round).replace("@UPSTREAM@", &upstream)
        );
        setup.gateway.reload(&whole);
        if began.elapsed() > end * (upgrades + 1) / 3 && upgrades < 2 {
            upgrades += 1;
            let mut old = setup.gateway.upgrade();
            setup.gateway.log_with("took over from the old process");
            assert_eq!(old.wait().expect("its end").code(), Some(0));
        }
        std::thread::sleep(Duration::from_secs(round).saturating_sub(began.elapsed()));
    }
    let (wrk, h2load) = (printed(wrk), h2load.join().expect("h2load"));
    println!("{round} reloads, {upgrades} upgrades\n{wrk}");
    let line = |run: &str, start: &str| {
        run.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned()
    };
    for run in &h2load {
        println!("h2load {}", line(run, "requests: "));
    }
    assert_eq!(upgrades, 2);
    let bad = ["Socket errors", "Non-2xx"].map(|bad| wrk.contains(bad));
    assert_eq!(bad, [false, false], "{wrk}");
    for run in &h2load {
        assert!(line(run, "requests: ").contains(" 0 failed, 0 errored, 0 timeout"), "{run}");
        assert!(line(run, "status codes: ").contains(" 0 3xx, 0 4xx, 0 5xx"), "{run}");
    }
}
