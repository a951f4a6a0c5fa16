//! The one way out to authorization servers: keep-alive, no redirects, bounded bodies.
//!
//! Calls over plain http without a proxy go directly (`direct_client.rs`), all others by reqwest.
//! The outcomes are the same.

use super::broken_call::{failure, sentence, was_closed};
use super::direct_client::{CallOn, DirectClient};
use super::{ClientCertificate, Failure, FailureKind, ServerSettings, UnusableSettings};
use crate::clock::Clock;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use parking_lot::Mutex;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Error, Request, RequestBuilder, Response};
use std::collections::HashMap;
use std::time::Duration;
use url::{Host, Position};

pub struct HttpClient {
    direct: Option<DirectClient>,
    clients: Clients,
    /// Of `tls.server_name`.
    named: Option<NameOverride>,
    largest: Largest,
    clock: Clock,
}

/// The bytes that a response may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Largest {
    /// `max_response_size`.
    Configured(usize),
    /// Of this kind of response, with any configuration.
    Fixed(usize),
}

impl Largest {
    pub fn bytes(self) -> usize {
        match self {
            Self::Configured(bytes) | Self::Fixed(bytes) => bytes,
        }
    }

    pub fn exceeded(self) -> Failure {
        let detail = match self {
            Self::Configured(bytes) => {
                format!("the response is larger than max_response_size ({bytes} bytes)")
            }
            Self::Fixed(bytes) => {
                format!("the response is larger than {bytes} bytes, the fixed limit for it")
            }
        };
        Failure::new(FailureKind::BadResponse, detail)
    }
}

#[derive(Clone)]
struct Clients {
    pooled: Client,
    /// Without a pool: each request uses a new connection.
    fresh: Client,
}

/// TLS asks for one name, with any host in the URL. The clients take the name for the host, and
/// look up the host in its place: one pair for each, so that no host gets requests for another one.
struct NameOverride {
    name: String,
    by_host: Mutex<HashMap<String, Clients>>,
    settings: ServerSettings,
    certificate: Option<ClientCertificate>,
}

/// A whole answer.
pub struct HttpAnswer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// Without a byte order mark, which a reader may ignore (RFC 8259 §8.1).
    pub body: Bytes,
    /// When it came, in seconds since the Unix epoch.
    pub at: i64,
}

impl HttpClient {
    /// A client that presents the certificate of the server's `client_auth`.
    pub fn new(settings: &ServerSettings, clock: Clock) -> Result<Self, UnusableSettings> {
        Self::with_certificate(settings, settings.profile().certificate, clock)
    }

    /// The same with this certificate instead, or with none.
    pub fn with_certificate(
        settings: &ServerSettings,
        certificate: Option<&ClientCertificate>,
        clock: Clock,
    ) -> Result<Self, UnusableSettings> {
        let unusable = |error: Error| UnusableSettings::Client {
            name: settings.name.to_string(),
            why: sentence(&error),
        };
        Ok(Self {
            direct: DirectClient::new(settings, clock.clone()),
            clients: Clients::build(settings, certificate, None).map_err(unusable)?,
            named: settings.server_name.clone().map(|name| NameOverride {
                name,
                by_host: Mutex::default(),
                settings: settings.clone(),
                certificate: certificate.cloned(),
            }),
            largest: Largest::Configured(settings.max_response_size),
            clock,
        })
    }

    /// Responses may have this many bytes, whatever `max_response_size` is.
    pub fn with_fixed_limit(self, bytes: usize) -> Self {
        Self { largest: Largest::Fixed(bytes), ..self }
    }

    /// Sends the request that `request` builds. A server may close an idle connection just as it is
    /// used again: then the call is repeated at once, on a new connection.
    pub async fn send(
        &self,
        request: impl Fn(&Client) -> RequestBuilder,
    ) -> Result<HttpAnswer, Failure> {
        self.try_send(|client| Ok(request(client))).await
    }

    /// The same with a request that is new each time, and may fail to be made.
    pub async fn try_send(
        &self,
        request: impl Fn(&Client) -> Result<RequestBuilder, Failure>,
    ) -> Result<HttpAnswer, Failure> {
        let build = || request(&self.clients.pooled)?.build().map_err(failure);
        self.send_built(build).await
    }

    /// The same, of requests that are made without a client.
    pub async fn send_built(
        &self,
        build: impl Fn() -> Result<Request, Failure>,
    ) -> Result<HttpAnswer, Failure> {
        let first = build()?;
        match self.direct.as_ref().filter(|direct| direct.takes(first.url())) {
            Some(direct) => self.send_directly(direct, first, build).await,
            // large: in a box, so that it is not a part of each direct call's state
            None => Box::pin(self.send_by_reqwest(first, build)).await,
        }
    }

    async fn send_directly(
        &self,
        direct: &DirectClient,
        first: Request,
        build: impl Fn() -> Result<Request, Failure>,
    ) -> Result<HttpAnswer, Failure> {
        let response = match direct.send(first, CallOn::AnyConnection).await {
            Err(broken) if broken.was_closed() => {
                direct.send(build()?, CallOn::NewConnection).await
            }
            outcome => outcome,
        };
        let (status, headers, body) = direct.read(response?, self.largest).await?;
        Ok(self.answer(status, headers, body))
    }

    async fn send_by_reqwest(
        &self,
        mut first: Request,
        build: impl Fn() -> Result<Request, Failure>,
    ) -> Result<HttpAnswer, Failure> {
        let clients = self.clients_for(&mut first)?;
        let response = match clients.pooled.execute(first).await {
            Err(error) if was_closed(&error) => {
                let mut again = build()?;
                self.clients_for(&mut again)?.fresh.execute(again).await
            }
            outcome => outcome,
        };
        self.read_body(response.map_err(failure)?).await
    }

    /// Those that send the request, which is changed for them where TLS asks for another name than
    /// the URL's host: the name becomes the URL's, and `Host` is the URL's original host.
    fn clients_for(&self, request: &mut Request) -> Result<Clients, Failure> {
        let Some(named) = self.named.as_ref().filter(|_| request.url().scheme() == "https") else {
            return Ok(self.clients.clone());
        };
        let unusable = || {
            Failure::new(FailureKind::Unavailable, "tls.server_name cannot replace the URL's host")
        };
        let url = request.url();
        let host = url.host().ok_or_else(unusable)?.to_owned();
        let authority = HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort])
            .map_err(|_| unusable())?;
        let clients = named.clients_for(host)?;
        request.url_mut().set_host(Some(&named.name)).map_err(|_| unusable())?;
        request.headers_mut().entry(header::HOST).or_insert(authority);
        Ok(clients)
    }

    async fn read_body(&self, mut response: Response) -> Result<HttpAnswer, Failure> {
        let largest = self.largest;
        if response.content_length().is_some_and(|length| length > largest.bytes() as u64) {
            return Err(largest.exceeded());
        }
        let mut body = Body::default();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            body.append(chunk, largest)?;
        }
        let headers = std::mem::take(response.headers_mut());
        Ok(self.answer(response.status(), headers, body.finish()))
    }

    fn answer(&self, status: StatusCode, headers: HeaderMap, body: Bytes) -> HttpAnswer {
        let at = self.clock.now().unix_seconds();
        HttpAnswer { status, headers, body: without_mark(body), at }
    }
}

/// A body as it arrives. In one piece, which is usual, it is not copied.
#[derive(Default)]
pub(super) struct Body {
    first: Bytes,
    /// The whole, once there is more than one piece.
    joined: BytesMut,
}

impl Body {
    /// Fails where the body would become too large.
    pub fn append(&mut self, piece: Bytes, largest: Largest) -> Result<(), Failure> {
        if self.first.len().max(self.joined.len()) + piece.len() > largest.bytes() {
            return Err(largest.exceeded());
        }
        if self.first.is_empty() {
            self.first = piece;
        } else {
            if self.joined.is_empty() {
                self.joined.extend_from_slice(&self.first);
            }
            self.joined.extend_from_slice(&piece);
        }
        Ok(())
    }

    pub fn finish(self) -> Bytes {
        if self.joined.is_empty() { self.first } else { self.joined.freeze() }
    }
}

/// The byte order mark of UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with(MARK) { body.slice(MARK.len()..) } else { body }
}

/// A connection that has waited for so long is closed: servers close theirs soon after.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(20);

/// Waiting connections to one host; the one that has waited longest goes when there are more.
pub(super) const MOST_WAITING: usize = 32;

/// How soon a peer that is gone is noticed. A transmitter may hold a poll for long.
pub(super) struct KeepAlive {
    pub idle: Duration,
    pub interval: Duration,
    pub retries: u32,
    /// Until sent data must be acknowledged.
    pub unacknowledged: Duration,
}

pub(super) const KEEPALIVE: KeepAlive = KeepAlive {
    idle: Duration::from_secs(10),
    interval: Duration::from_secs(2),
    retries: 3,
    unacknowledged: Duration::from_secs(30),
};

/// The value of `User-Agent`.
pub(super) fn user_agent() -> HeaderValue {
    HeaderValue::from_static(concat!("introgate/", env!("CARGO_PKG_VERSION")))
}

impl Clients {
    /// `instead`: the host that is looked up in place of the URL's.
    fn build(
        settings: &ServerSettings,
        certificate: Option<&ClientCertificate>,
        instead: Option<Instead>,
    ) -> Result<Self, Error> {
        let builder = || {
            let mut builder = Client::builder()
                .user_agent(user_agent())
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .connect_timeout(settings.connect_timeout)
                .tcp_keepalive(KEEPALIVE.idle)
                .tcp_keepalive_interval(KEEPALIVE.interval)
                .tcp_keepalive_retries(KEEPALIVE.retries)
                .tcp_nodelay(true);
            #[cfg(target_os = "linux")]
            {
                builder = builder.tcp_user_timeout(KEEPALIVE.unacknowledged);
            }
            builder = settings.proxy.apply(builder)?;
            if let Some((_, pem)) = &settings.extra_roots {
                builder = builder.tls_certs_merge(reqwest::Certificate::from_pem_bundle(pem)?);
            }
            if let Some(certificate) = certificate {
                builder = builder.identity(reqwest::Identity::from_pem(certificate.pem())?);
            }
            if settings.is_plain() && !settings.proxy.may_use_tls() {
                // nothing is verified, so that no trust roots need to be installed
                builder = builder.tls_certs_only([]);
            }
            if let Some(instead) = &instead {
                // HTTP/2 has no place for a `Host` that differs from the URL's
                builder = builder.dns_resolver(instead.clone()).http1_only();
            }
            Ok::<_, Error>(builder)
        };
        Ok(Self {
            pooled: builder()?
                .pool_idle_timeout(LONGEST_WAIT)
                .pool_max_idle_per_host(MOST_WAITING)
                .build()?,
            fresh: builder()?.pool_max_idle_per_host(0).build()?,
        })
    }
}

impl NameOverride {
    /// Hosts are those of the configuration and of the server's own metadata: few.
    fn clients_for(&self, host: Host) -> Result<Clients, Failure> {
        let key = host.to_string();
        let mut by_host = self.by_host.lock();
        if let Some(clients) = by_host.get(&key) {
            return Ok(clients.clone());
        }
        let clients =
            Clients::build(&self.settings, self.certificate.as_ref(), Some(Instead(host)))
                .map_err(failure)?;
        by_host.insert(key, clients.clone());
        Ok(clients)
    }
}

/// Looks up this host in place of the requested name.
#[derive(Clone)]
struct Instead(Host);

impl Resolve for Instead {
    fn resolve(&self, _: Name) -> Resolving {
        let host = self.0.clone();
        Box::pin(async move {
            // the port is the URL's
            let found: Addrs = match host {
                Host::Ipv4(address) => Box::new(std::iter::once((address, 0).into())),
                Host::Ipv6(address) => Box::new(std::iter::once((address, 0).into())),
                Host::Domain(name) => {
                    let found: Vec<_> = tokio::net::lookup_host((name, 0)).await?.collect();
                    Box::new(found.into_iter())
                }
            };
            Ok(found)
        })
    }
}

impl ServerSettings {
    /// Everything that decides how the server is called, for the keys of documents fetched from it.
    pub fn way(&self) -> String {
        let (connect_timeout, limit, server_name) =
            (self.connect_timeout, self.max_response_size, &self.server_name);
        let roots = self.extra_roots.as_ref().map(|(_, pem)| blake3::hash(pem));
        let certificate = self.profile().certificate.map(super::ClientCertificate::digest);
        format!(
            "{connect_timeout:?} {limit} {roots:?} {server_name:?} {certificate:?} {} {} {}",
            self.is_plain(),
            self.fast_path,
            self.proxy.digest()
        )
    }
}
