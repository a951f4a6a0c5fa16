//! `introgate demo`: the printed curl lines have the announced results.

use crate::support::{PATIENCE, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

#[test]
fn the_demos_curl_lines_work() {
    let _alone = super::DEMO.lock();
    let mut command = Command::new(env!("CARGO_BIN_EXE_introgate"));
    command.arg("demo").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut demo = Running(command.spawn().expect("start the demo"));
    let (sender, lines) = mpsc::channel();
    let out = BufReader::new(demo.0.stdout.take().expect("stdout"));
    std::thread::spawn(move || {
        out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
    });

    let mut curls = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    let mut quiet = Duration::from_secs(10);
    while let Ok(line) =
        lines.recv_timeout(quiet.min(deadline.saturating_duration_since(Instant::now())))
    {
        if let Some(at) = line.find("curl ") {
            curls.push(line[at..].to_owned());
            quiet = Duration::from_millis(500);
        }
    }
    let responses: Vec<Response> = curls.iter().map(|line| run(line)).collect();
    drop(demo);
    let status = curls.iter().zip(&responses).find(|(line, _)| line.contains("/api/status"));
    let (_, status) = status.expect("the status among the lines");
    assert_eq!(status.json()["configuration"]["last_reload_succeeded"], true);
    let statuses: Vec<u16> = responses.iter().map(|response| response.status).collect();
    for status in [200, 401, 403] {
        assert!(statuses.contains(&status), "{status} in {statuses:?} of {curls:?}");
    }
}

/// Killed when dropped, also by a failed test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Carries out a curl line, without curl: `-H`, `-X`, a URL on loopback.
fn run(line: &str) -> Response {
    let words = words(line);
    let (mut method, mut headers, mut url) = ("GET", Vec::new(), None);
    let (mut body, mut basic) = (String::new(), None);
    let mut rest = words.iter().skip(1);
    while let Some(word) = rest.next() {
        match word.as_str() {
            "-H" => {
                let header = rest.next().expect("a header");
                headers.push(header.split_once(": ").expect("name: value"));
            }
            "-X" => method = rest.next().expect("a method"),
            "-d" => {
                method = "POST";
                body = rest.next().expect("a form").clone();
            }
            "-u" => {
                let credentials = BASE64_STANDARD.encode(rest.next().expect("id:secret"));
                basic = Some(format!("Basic {credentials}"));
            }
            word if word.starts_with("http://") => url = word.strip_prefix("http://"),
            word => assert!(word.starts_with('-'), "{word} in {line}"),
        }
    }
    let url = url.unwrap_or_else(|| panic!("no URL in {line}"));
    let (authority, path) = url.split_once('/').unwrap_or((url, ""));
    let port = authority.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    headers.push(("Host", authority));
    headers.extend(basic.as_deref().map(|basic| ("Authorization", basic)));
    let mut connection = crate::support::Connection::open(port);
    connection
        .request(method, &format!("/{path}"), &headers, body.as_bytes())
        .unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// Splits like a shell, as far as quotes go; a comment ends the line.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for character in line.chars() {
        match (character, quote) {
            ('\'' | '"', None) => quote = Some(character),
            (c, Some(q)) if c == q => quote = None,
            (' ', None) if word.is_empty() => {}
            (' ', None) => words.push(std::mem::take(&mut word)),
            ('#' | '|', None) if word.is_empty() => return words,
            (c, _) => word.push(c),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}
