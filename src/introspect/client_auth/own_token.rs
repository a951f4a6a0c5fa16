//! The gateway's own bearer token, fetched with its client credentials (RFC 6749 §4.4): by one call
//! at a time, before the old one ends, and once after a server refused it.

use super::{ASSERTION_TYPE, ClientAuth, ClientCredentials, sensitive};
use crate::clock::{Clock, Mono};
use crate::introspect::discovery::{Discovery, WantedEndpoint};
use crate::introspect::documents::Documents;
use crate::introspect::fetched::Fetched;
use crate::introspect::http_client::{HttpAnswer, HttpClient};
use crate::introspect::retry::retried;
use crate::introspect::status::{self, shown};
use crate::introspect::{Failure, FailureKind, ServerSettings, UnusableSettings};
use crate::telemetry::Occasionally;
use crate::token::json;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex as Turn;
use url::Url;

pub struct OwnToken {
    server: Arc<str>,
    client: Arc<HttpClient>,
    place: TokenEndpoint,
    auth: ClientAuth,
    /// The headers of every call, with the credentials of Basic.
    headers: HeaderMap,
    scope: Option<String>,
    /// One call, repetitions included.
    timeout: Duration,
    retries: u32,
    /// After a failure, and between two renewals because of a refusal.
    pause: Duration,
    clock: Clock,
    held: Mutex<Option<Arc<FetchedToken>>>,
    /// Its holder renews; all others wait for the outcome.
    turn: Arc<Turn<Renewals>>,
    log: Occasionally,
}

pub enum TokenEndpoint {
    Url(Url),
    Found(Arc<Fetched<Discovery>>),
}

/// A token.
pub struct FetchedToken {
    /// `Bearer …`
    pub header: HeaderValue,
    /// From then on a new one is fetched; this one serves meanwhile.
    due: Mono,
    ends: Mono,
}

#[derive(Default)]
struct Renewals {
    /// The failure of the last call, if it failed, and the time before which no call is made.
    failed: Option<(Failure, Mono)>,
    /// No renewal because of a refusal before: a server that refuses every token is not asked for
    /// one by each request.
    not_before: Mono,
}

/// How long a token is used whose answer does not say how long it is good (RFC 6749 §5.1: it
/// should).
const DEFAULT_LIFETIME: Duration = Duration::from_secs(300);
/// The limit on lifetimes from the server.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Before its end a new one is fetched: a tenth of its life, and at most this.
const LONGEST_LEAD: Duration = Duration::from_secs(60);

impl OwnToken {
    /// The one of this server and these credentials; a reload finds it again.
    pub fn for_server(
        server: &ServerSettings,
        own: &ClientCredentials,
        client: &Arc<HttpClient>,
        clock: Clock,
        documents: &Documents,
    ) -> Result<Arc<Self>, UnusableSettings> {
        let credentials = || UnusableSettings::Credentials(server.name.to_string());
        let place = match (
            &own.token_endpoint,
            server.issuer.as_deref().map(|issuer| (issuer, Url::parse(issuer))),
        ) {
            (Some(url), _) => TokenEndpoint::Url(url.clone()),
            (None, Some((issuer, Ok(at)))) => TokenEndpoint::Found(Discovery::for_issuer(
                documents,
                match own.auth.certificate() {
                    None => WantedEndpoint::Member("token_endpoint"),
                    Some(_) => WantedEndpoint::WithCertificate("token_endpoint"),
                },
                (issuer, &at),
                client,
                server,
            )),
            _ => return Err(credentials()),
        };
        let mut headers = HeaderMap::from_iter([
            (header::ACCEPT, HeaderValue::from_static("application/json")),
            (header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded")),
        ]);
        if let Some(value) = own.auth.header().map_err(|_| credentials())? {
            headers.insert(header::AUTHORIZATION, value);
        }
        // the key stays in memory: it does not reveal the secret
        let secret = blake3::hash(format!("{:?}", own.auth.fingerprint()).as_bytes());
        let key = format!(
            "own token {secret} {:?} {:?} {:?} {:?}",
            own.token_endpoint,
            own.scope,
            server.issuer,
            server.fetch("token", Duration::ZERO)
        );
        Ok(documents.shared(server, &key, || {
            Arc::new(Self {
                server: server.name.clone(),
                client: client.clone(),
                place,
                auth: (*own.auth).clone(),
                headers,
                scope: own.scope.clone(),
                timeout: server.timeout,
                retries: server.retries,
                pause: server.circuit_breaker.open_for,
                clock,
                held: Mutex::default(),
                turn: Arc::default(),
                log: Occasionally::default(),
            })
        }))
    }

    /// The token, from memory where there is one that has not ended.
    pub async fn get(self: &Arc<Self>) -> Result<Arc<FetchedToken>, Failure> {
        let now = self.clock.now().mono;
        let held = self.held.lock().clone().filter(|token| now < token.ends);
        let Some(token) = held else {
            return self.renewed(None).await?.ok_or_else(lost);
        };
        if now >= token.due
            && let Ok(mut turn) = self.turn.clone().try_lock_owned()
        {
            let this = self.clone();
            tokio::spawn(async move { this.renew(&mut turn, None).await });
        }
        Ok(token)
    }

    /// A token other than the one that a server has just refused; `None` when it is too soon to
    /// fetch one because of that.
    pub async fn after(
        self: &Arc<Self>,
        refused: &Arc<FetchedToken>,
    ) -> Result<Option<Arc<FetchedToken>>, Failure> {
        self.renewed(Some(refused.clone())).await
    }

    /// In a task of its own, so that a caller who gives up ends no call that others wait for.
    async fn renewed(
        self: &Arc<Self>,
        refused: Option<Arc<FetchedToken>>,
    ) -> Result<Option<Arc<FetchedToken>>, Failure> {
        let this = self.clone();
        let renewing = tokio::spawn(async move {
            let mut turn = this.turn.clone().lock_owned().await;
            this.renew(&mut turn, refused.as_ref()).await
        });
        renewing.await.unwrap_or_else(|_| Err(lost()))
    }

    async fn renew(
        &self,
        turn: &mut Renewals,
        refused: Option<&Arc<FetchedToken>>,
    ) -> Result<Option<Arc<FetchedToken>>, Failure> {
        let now = self.clock.now().mono;
        // another one may have done it meanwhile
        let good = |token: &Arc<FetchedToken>| match refused {
            Some(refused) => now < token.ends && !Arc::ptr_eq(token, refused),
            None => now < token.due,
        };
        if let Some(token) = self.held.lock().clone().filter(good) {
            return Ok(Some(token));
        }
        if let Some((failure, until)) = turn.failed.as_ref().filter(|(_, until)| now < *until) {
            let retry_after = Some(*until - now);
            return Err(Failure { retry_after, ..failure.clone() });
        }
        if refused.is_some() && now < turn.not_before {
            return Ok(None);
        }
        let outcome = self.call().await;
        let now = self.clock.now().mono;
        if refused.is_some() {
            turn.not_before = now + self.pause;
        }
        match outcome {
            Ok(token) => {
                turn.failed = None;
                let token = Arc::new(token);
                *self.held.lock() = Some(token.clone());
                if self.log.over() {
                    tracing::info!(
                        server = &*self.server,
                        "the gateway's own token is renewed again"
                    );
                }
                Ok(Some(token))
            }
            Err(failure) => {
                if self.log.now(failure.kind.label(), now).is_some() {
                    let reason = failure.kind.reason().as_str();
                    tracing::warn!(
                        server = &*self.server,
                        reason,
                        detail = &*failure.detail,
                        "the gateway's own token is not renewed"
                    );
                }
                let asked_for = failure.pause();
                // the introspection endpoint did not fail, and the call is not repeated at once
                let failure = Failure { transient: false, isolated: true, ..failure };
                turn.failed = Some((failure.clone(), now + self.pause.max(asked_for)));
                Err(failure)
            }
        }
    }

    async fn call(&self) -> Result<FetchedToken, Failure> {
        let with_retries = retried(self.retries, || (), || self.fetch());
        let too_slow = || {
            Failure::new(
                FailureKind::Timeout,
                format!("no token within timeout ({:?})", self.timeout),
            )
        };
        tokio::time::timeout(self.timeout, with_retries).await.unwrap_or_else(|_| Err(too_slow()))
    }

    async fn fetch(&self) -> Result<FetchedToken, Failure> {
        let endpoint = match &self.place {
            TokenEndpoint::Url(url) => Arc::new(url.clone()),
            TokenEndpoint::Found(discovery) => discovery.get().await?,
        };
        // its life counts from the request: the answer may have been long on its way
        let now = self.clock.now().mono;
        let answer = self.client.try_send(|client| {
            let form = self.form(&endpoint)?;
            Ok(client.post((*endpoint).clone()).headers(self.headers.clone()).body(form))
        });
        answer
            .await
            .and_then(|answer| read_token(&answer, now))
            .map_err(|failure| failure.at(&shown(&endpoint)))
    }
}

impl OwnToken {
    /// RFC 6749 §4.4.2 with the credentials that go into a form. An assertion is new each time.
    fn form(&self, endpoint: &Url) -> Result<String, Failure> {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "client_credentials");
        form.extend_pairs(self.scope.iter().map(|scope| ("scope", scope)));
        form.extend_pairs(self.auth.parameters());
        if let ClientAuth::Assertion(assertion) = &self.auth {
            let assertion = assertion.mint(endpoint, self.clock.now().unix_seconds())?;
            form.append_pair("client_assertion_type", ASSERTION_TYPE)
                .append_pair("client_assertion", assertion.expose());
        }
        Ok(form.finish())
    }
}

/// RFC 6749 §5.1 and §5.2.
fn read_token(answer: &HttpAnswer, now: Mono) -> Result<FetchedToken, Failure> {
    let bad = |detail: &str| Failure::new(FailureKind::BadResponse, detail);
    match answer.status {
        StatusCode::OK => {}
        StatusCode::BAD_REQUEST => return Err(refused(&answer.body)),
        _ => {
            return Err(status::failure(
                answer,
                "check client_id, client_secret and form_encode of client_auth, or its private_key or certificate",
            ));
        }
    }
    let members = json::object(&answer.body)
        .map_err(|_| bad("status 200, but not one JSON object; is this the token endpoint?"))?;
    if members
        .get("token_type")
        .is_some_and(|kind| !kind.as_str().is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")))
    {
        return Err(bad("the token is of another type than Bearer, which alone is supported here"));
    }
    let token = members.get("access_token").and_then(|token| token.as_str()).unwrap_or_default();
    if token.is_empty() || !token.bytes().all(|byte| matches!(byte, 0x21..=0x7e)) {
        return Err(bad("there is no `access_token` in the answer that fits into a header"));
    }
    let lifetime = match members.get("expires_in") {
        None | Some(serde_json::Value::Null) => DEFAULT_LIFETIME,
        // some servers write the number as a text
        Some(value) => match value.as_f64().or_else(|| value.as_str()?.parse().ok()) {
            Some(seconds) if seconds >= 1.0 => {
                Duration::from_secs_f64(seconds.min(LONGEST_LIFETIME.as_secs_f64()))
            }
            _ => return Err(bad("`expires_in` is not a number of at least one second")),
        },
    };
    let header = sensitive(&format!("Bearer {token}"))
        .map_err(|_| bad("the token does not fit into a header"))?;
    let lead = (lifetime / 10).min(LONGEST_LEAD);
    Ok(FetchedToken { header, due: now + (lifetime - lead), ends: now + lifetime })
}

/// 400: the codes of RFC 6749 §5.2 that are about the gateway itself, or a call that is not
/// understood.
fn refused(body: &[u8]) -> Failure {
    let ours = [
        "invalid_client",
        "unauthorized_client",
        "invalid_scope",
        "unsupported_grant_type",
        "invalid_grant",
    ];
    match status::error_code(body)
        .as_deref()
        .and_then(|code| ours.into_iter().find(|ours| *ours == code))
    {
        Some(code) => Failure::new(
            FailureKind::RejectedUs,
            format!(
                "status 400, {code}: the server gives this gateway no token; check client_id, the credentials and scope of client_auth"
            ),
        ),
        None => Failure::new(
            FailureKind::BadResponse,
            "status 400: the server does not understand the call; is this the token endpoint?",
        ),
    }
}

fn lost() -> Failure {
    let detail = "the call for a token ended without an outcome; this is a defect of the gateway";
    Failure { isolated: true, ..Failure::new(FailureKind::Unavailable, detail) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::introspect::{BreakerSettings, GoogleSettings, ProxySettings, TokenSelector};
    use crate::secret::Secret;
    use crate::telemetry::Metrics;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Setup {
        own: Arc<OwnToken>,
        clock: Arc<ManualClock>,
        calls: Arc<AtomicUsize>,
    }

    impl Setup {
        /// A token endpoint that answers so, the last answer for ever.
        fn new(answers: &'static [(u16, &'static str)]) -> Option<Self> {
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
            let listener = TcpListener::bind("127.0.0.1:0").ok()?;
            let url = Url::parse(&format!("http://{}/token", listener.local_addr().ok()?)).ok()?;
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = calls.clone();
            std::thread::spawn(move || {
                for mut stream in listener.incoming().flatten() {
                    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
                    while !request.ends_with(b"grant_type=client_credentials") {
                        match stream.read(&mut buffer) {
                            Ok(read @ 1..) => request.extend_from_slice(&buffer[..read]),
                            _ => return,
                        }
                    }
                    let (status, body) =
                        answers[counted.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)];
                    let length = body.len();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
                    );
                }
            });
            let credentials = ClientCredentials {
                auth: Box::new(ClientAuth::ClientSecretBasic {
                    client_id: "a".into(),
                    client_secret: Secret::new("b"),
                    form_encode: true,
                }),
                token_endpoint: Some(url.clone()),
                scope: None,
            };
            let settings = ServerSettings {
                implications: Default::default(),
                name: "main".into(),
                kind: Arc::new(GoogleSettings { endpoint: url, audience: Vec::new() }),
                tokens: TokenSelector::default(),
                issuer: None,
                require_issuer: false,
                timeout: Duration::from_secs(5),
                connect_timeout: Duration::from_secs(1),
                max_response_size: 1000,
                max_concurrent: 1,
                retries: 0,
                circuit_breaker: BreakerSettings { failures: 2, open_for: Duration::from_secs(5) },
                extra_roots: None,
                events: None,
                server_name: None,
                proxy: ProxySettings::default(),
                fast_path: true,
            };
            let manual = ManualClock::at(1_000_000);
            let clock = Clock::Manual(manual.clone());
            let documents = Documents::new(clock.clone(), Arc::new(Metrics::new().ok()?));
            let client = Arc::new(HttpClient::new(&settings, clock.clone()).ok()?);
            let own =
                OwnToken::for_server(&settings, &credentials, &client, clock, &documents).ok()?;
            Some(Self { own, clock: manual, calls })
        }

        async fn get(&self) -> Result<String, FailureKind> {
            let token = self.own.get().await.map_err(|failure| failure.kind)?;
            Ok(token.header.to_str().unwrap_or_default().to_owned())
        }

        /// The outcome of a renewal in the background.
        async fn settled(&self, calls: usize) {
            while self.calls.load(Ordering::SeqCst) < calls || self.own.turn.try_lock().is_err() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    #[tokio::test]
    async fn an_old_one_serves_while_a_new_one_cannot_be_had_and_not_beyond_its_end() {
        let answers = &[
            (200, r#"{"access_token":"t1","expires_in":100}"#),
            (500, ""),
            (500, ""),
            (200, r#"{"access_token":"t2","token_type":"bearer"}"#),
        ];
        let Some(setup) = Setup::new(answers) else { panic!("no setup") };
        let t1 = Ok("Bearer t1".to_owned());
        assert_eq!(setup.get().await, t1);
        setup.clock.advance(Duration::from_secs(89));
        assert_eq!(
            (setup.get().await, setup.calls.load(Ordering::SeqCst)),
            (t1.clone(), 1),
            "not due"
        );
        setup.clock.advance(Duration::from_secs(2));
        assert_eq!(setup.get().await, t1);
        setup.settled(2).await;
        for _ in 0..5 {
            assert_eq!(setup.get().await, t1, "the failure is no reason to throw it away");
            setup.settled(2).await;
        }
        assert_eq!(setup.calls.load(Ordering::SeqCst), 2, "not again before the pause is over");
        setup.clock.advance(Duration::from_secs(9));
        assert_eq!(setup.get().await, Err(FailureKind::Unavailable), "it has ended");
        assert_eq!(
            (setup.get().await, setup.calls.load(Ordering::SeqCst)),
            (Err(FailureKind::Unavailable), 3)
        );
        setup.clock.advance(Duration::from_secs(5));
        assert_eq!(setup.get().await, Ok("Bearer t2".into()));
        setup.clock.advance(DEFAULT_LIFETIME - Duration::from_secs(31));
        assert_eq!(
            (setup.get().await, setup.calls.load(Ordering::SeqCst)),
            (Ok("Bearer t2".into()), 4)
        );
    }

    #[tokio::test]
    async fn a_refused_one_is_renewed_once_a_pause() {
        let answers = &[
            (200, r#"{"access_token":"t1"}"#),
            (200, r#"{"access_token":"t2"}"#),
            (200, r#"{"access_token":"t3"}"#),
        ];
        let Some(setup) = Setup::new(answers) else { panic!("no setup") };
        let Ok(first) = setup.own.get().await else { panic!("no token") };
        let all = futures::future::join_all((0..20).map(|_| setup.own.after(&first))).await;
        assert!(
            all.iter().all(|newer| matches!(newer, Ok(Some(newer)) if newer.header == "Bearer t2"))
        );
        assert_eq!(setup.calls.load(Ordering::SeqCst), 2);
        let Ok(second) = setup.own.get().await else { panic!("no token") };
        assert!(matches!(setup.own.after(&second).await, Ok(None)), "too soon");
        setup.clock.advance(Duration::from_secs(5));
        assert!(
            matches!(setup.own.after(&second).await, Ok(Some(newer)) if newer.header == "Bearer t3")
        );
    }
}
