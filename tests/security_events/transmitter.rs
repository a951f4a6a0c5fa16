//! A transmitter of the tests' own: poll delivery (RFC 8936) and streams (SSF 1.0) over real HTTP.
//! It keeps events until they are acknowledged, as long polls do, and misbehaves on demand.

use crate::jwt::Signer;
use crate::support::{Request, Server, free_port, now, read_request};
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long it holds a poll without an event.
pub const HOLDS: Duration = Duration::from_secs(2);

pub struct Transmitter {
    port: u16,
    shared: Arc<Shared>,
    server: Option<Server>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// Its state, and the requests that it received.
#[derive(Default)]
pub struct State {
    /// Not acknowledged yet, in the order of delivery.
    pub events: Vec<(String, Value)>,
    pub acknowledged: Vec<String>,
    /// `jti` and the object of `setErrs`.
    pub refused: Vec<(String, Value)>,
    /// The bodies of polls that were answered, and when they came.
    pub polls: Vec<(Value, Instant)>,
    /// Every request but polls: method, target, body.
    pub calls: Vec<(String, String, Value)>,
    /// `Authorization` of every request.
    pub credentials: Vec<Option<String>>,
    /// Statuses and headers for the next polls, before any answer.
    pub failures: VecDeque<(u16, &'static str)>,
    /// Never holds a poll.
    pub short: bool,
    /// Sends everything, with any `maxEvents`.
    pub floods: bool,
    /// Ignores acknowledgements.
    pub forgets_acknowledgements: bool,
    /// Streams by id, and whether there is one more to be had.
    pub streams: Vec<Value>,
    pub next_stream: usize,
    pub status: Value,
    /// Members of the configuration that replace others.
    pub configuration: Map<String, Value>,
    /// `aud` of new streams.
    pub audience: String,
    /// Answers requests for verification, and sends no event.
    pub does_not_verify: bool,
    /// The status for requests for verification, which are refused then.
    pub refuses_to_verify: Option<u16>,
    /// The tokens that the token endpoint issued.
    pub tokens: usize,
}

impl Transmitter {
    /// `signer` signs verification events, for the issuer [`Transmitter::issuer`].
    pub fn start(signer: Signer) -> Transmitter {
        let mut transmitter =
            Transmitter { port: free_port(), shared: Arc::default(), server: None };
        {
            let mut state = transmitter.state();
            state.status = json!({ "status": "enabled" });
            state.audience = super::AUDIENCE.to_owned();
        }
        transmitter.start_again(signer);
        transmitter
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    pub fn start_again(&mut self, signer: Signer) {
        let (shared, port) = (self.shared.clone(), self.port);
        let serve = move |stream: TcpStream, running: crate::support::Running| {
            let Ok(mut writer) = stream.try_clone() else { return };
            let mut reader = BufReader::new(stream);
            while let Ok(Some(request)) = read_request(&mut reader) {
                let gone = || running.is_stopped();
                let (status, headers, body) = shared.answer(&request, &signer, port, &gone);
                let length = body.len();
                let head = format!(
                    "HTTP/1.1 {status} Scripted\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n"
                );
                if writer.write_all(&[head.as_bytes(), body.as_bytes()].concat()).is_err() {
                    return;
                }
            }
        };
        self.server = Some(Server::start(self.port, Arc::<AtomicUsize>::default(), serve));
    }

    pub fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}/tenant", self.port)
    }

    pub fn poll_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/poll", self.port)
    }

    pub fn token_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().expect("the transmitter's state")
    }

    /// An event becomes available.
    pub fn send(&self, jti: &str, token: &str) {
        self.send_value(jti, json!(token));
    }

    pub fn send_value(&self, jti: &str, token: Value) {
        self.state().events.push((jti.to_owned(), token));
        self.shared.changed.notify_all();
    }

    pub fn acknowledged(&self) -> Vec<String> {
        self.state().acknowledged.clone()
    }

    /// How often this path was called.
    pub fn calls(&self, method: &str, path: &str) -> Vec<Value> {
        let state = self.state();
        let of_path = state.calls.iter().filter(|(called, target, _)| {
            called == method && target.split('?').next() == Some(path)
        });
        of_path.map(|(_, _, body)| body.clone()).collect()
    }
}

type Answer = (u16, String, String);

fn answer(status: u16, body: Value) -> Answer {
    (status, String::new(), body.to_string())
}

impl Shared {
    fn answer(
        &self,
        request: &Request,
        signer: &Signer,
        port: u16,
        gone: &dyn Fn() -> bool,
    ) -> Answer {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let mut state = self.state.lock().expect("the state");
        state.credentials.push(request.header("authorization").map(str::to_owned));
        if request.path() == "/poll" {
            return self.poll(state, body, gone);
        }
        let call = (request.method.clone(), request.target.clone(), body.clone());
        state.calls.push(call);
        let here = |path: &str| format!("http://127.0.0.1:{port}{path}");
        match (&*request.method, request.path()) {
            ("POST", "/token") => {
                state.tokens += 1;
                let token = format!("own-{}", state.tokens);
                answer(
                    200,
                    json!({ "access_token": token, "token_type": "Bearer", "expires_in": 3600 }),
                )
            }
            ("GET", "/.well-known/ssf-configuration/tenant") => {
                let mut configuration = json!({
                    "spec_version": "1_0", "issuer": here("/tenant"), "jwks_uri": here("/jwks"),
                    "delivery_methods_supported": ["urn:ietf:rfc:8935", "urn:ietf:rfc:8936"],
                    "configuration_endpoint": here("/streams"), "status_endpoint": here("/status"),
                    "add_subject_endpoint": here("/subjects"),
                    "verification_endpoint": here("/verify"), "default_subjects": "ALL",
                });
                let members = configuration.as_object_mut().expect("an object");
                members.extend(state.configuration.clone());
                answer(200, configuration)
            }
            ("GET", "/jwks") => answer(200, json!({ "keys": [signer.jwk()] })),
            ("GET", "/streams") => answer(200, json!(state.streams)),
            ("POST", "/streams") => {
                state.next_stream += 1;
                let mut delivery = body["delivery"].clone();
                if delivery["method"] == "urn:ietf:rfc:8936" {
                    delivery["endpoint_url"] = json!(here("/poll"));
                }
                let stream = json!({
                    "stream_id": format!("stream-{}", state.next_stream), "iss": here("/tenant"),
                    "aud": state.audience, "delivery": delivery,
                    "events_requested": body["events_requested"],
                    "events_delivered": body["events_requested"],
                });
                state.streams.push(stream.clone());
                answer(201, stream)
            }
            ("PATCH", "/streams") => {
                let id = &body["stream_id"];
                let found = state.streams.iter_mut().find(|stream| stream["stream_id"] == *id);
                let Some(stream) = found else { return answer(404, json!({})) };
                stream["events_requested"] = body["events_requested"].clone();
                stream["events_delivered"] = body["events_requested"].clone();
                answer(200, stream.clone())
            }
            ("GET", "/status") => answer(200, state.status.clone()),
            ("POST", "/subjects") => answer(200, json!({})),
            ("POST", "/verify") => {
                if let Some(status) = state.refuses_to_verify {
                    return answer(status, json!({ "error": "too_many_requests" }));
                }
                if !state.does_not_verify {
                    let jti = format!("verify-{:016x}", rand::random::<u64>());
                    let uri = "https://schemas.openid.net/secevent/ssf/event-type/verification";
                    let claims = json!({
                        "iss": here("/tenant"), "aud": super::AUDIENCE, "iat": now(), "jti": jti,
                        "sub_id": { "format": "opaque", "id": body["stream_id"] },
                        "events": { uri: { "state": body["state"] } },
                    });
                    state.events.push((jti, json!(super::sign(signer, &claims))));
                    self.changed.notify_all();
                }
                (204, String::new(), String::new())
            }
            _ => answer(404, json!({})),
        }
    }

    /// RFC 8936 §2.
    fn poll(
        &self,
        mut state: MutexGuard<'_, State>,
        body: Value,
        gone: &dyn Fn() -> bool,
    ) -> Answer {
        if let Some((status, headers)) = state.failures.pop_front() {
            return (status, headers.to_owned(), "{}".to_owned());
        }
        let listed: Vec<String> = serde_json::from_value(body["ack"].clone()).unwrap_or_default();
        let errors = body["setErrs"].as_object().cloned().unwrap_or_default();
        if !state.forgets_acknowledgements {
            state.events.retain(|(jti, _)| !listed.contains(jti) && !errors.contains_key(jti));
        }
        state.acknowledged.extend(listed);
        state.refused.extend(errors);
        state.polls.push((body.clone(), Instant::now()));
        let until = Instant::now() + HOLDS;
        let at_once = body["returnImmediately"] == true || state.short;
        while state.events.is_empty() && !at_once && Instant::now() < until && !gone() {
            state = self.changed.wait_timeout(state, Duration::from_millis(20)).expect("state").0;
        }
        let most = body["maxEvents"].as_u64().map_or(usize::MAX, |most| most as usize);
        let most = if state.floods { usize::MAX } else { most };
        let sets: Map<String, Value> = state.events.iter().take(most).cloned().collect();
        let more = state.events.len() > sets.len();
        answer(200, json!({ "sets": sets, "moreAvailable": more }))
    }
}
