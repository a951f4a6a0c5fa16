//! Health checks: the gateway asks every server on its own account, whether requests come or not.

use super::{HealthCheck, PeerServer, Upstream};
use crate::telemetry::Metrics;
use futures::future::{join_all, pending};
use pingora_core::connectors::http::Connector;
use pingora_core::connectors::{ConnectorOptions, TransportConnector};
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_error::{Error, ErrorType, Result};
use pingora_http::RequestHeader;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How soon a change of the configuration is seen.
const TICK: Duration = Duration::from_millis(200);

/// A file without certificates.
const NO_ROOTS: &str = "/dev/null";

/// Checks the servers of those upstreams that are in force each time, until the future is dropped.
pub async fn keep_checking(upstreams: impl Fn() -> Vec<Arc<Upstream>>, metrics: &Metrics) {
    let checker = HealthChecker::default();
    loop {
        let current = upstreams();
        let changed = async {
            while same(&upstreams(), &current) {
                sleep(TICK).await;
            }
        };
        tokio::select! {
            () = changed => {}
            () = checker.check_all(&current, metrics) => {}
        }
    }
}

fn same(one: &[Arc<Upstream>], other: &[Arc<Upstream>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| Arc::ptr_eq(one, other))
}

/// The connections of checks: apart from those of requests, and never kept.
#[derive(Default)]
struct HealthChecker {
    http: ByTls<Connector>,
    transport: ByTls<TransportConnector>,
}

/// A connector for servers without TLS, and one for those with it. The system's trust roots are read
/// only when a server with TLS is checked, and then once.
struct ByTls<C> {
    plaintext: OnceLock<C>,
    tls: OnceLock<C>,
}

impl<C> Default for ByTls<C> {
    fn default() -> Self {
        Self { plaintext: OnceLock::new(), tls: OnceLock::new() }
    }
}

impl<C> ByTls<C> {
    fn connector(&self, peer: &HttpPeer, make: fn(Option<ConnectorOptions>) -> C) -> &C {
        if peer.tls() {
            self.tls.get_or_init(|| make(None))
        } else {
            self.plaintext.get_or_init(|| make(Some(without_roots())))
        }
    }
}

impl HealthChecker {
    /// Never comes to an end.
    async fn check_all(&self, upstreams: &[Arc<Upstream>], metrics: &Metrics) {
        let checks =
            upstreams.iter().filter_map(|upstream| Some((upstream, upstream.health_check()?)));
        let servers = checks.flat_map(|(upstream, check)| {
            let places = 0..upstream.servers().len();
            places.map(move |place| self.check_one(upstream, place, check, metrics))
        });
        join_all(servers).await;
        pending().await
    }

    async fn check_one(
        &self,
        upstream: &Upstream,
        place: usize,
        check: &HealthCheck,
        metrics: &Metrics,
    ) {
        let Some(server) = upstream.servers().get(place) else { return };
        loop {
            let asked = self.ask(upstream, place, server, check);
            let failed = match timeout(check.timeout, asked).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.root_cause().to_string()),
                Err(_) => Some(format!("no answer within {:?}", check.timeout)),
            };
            let changed = server.health.checked(failed.is_none(), check);
            report(upstream, server, changed, failed, metrics);
            sleep(check.interval).await;
        }
    }

    /// An error is a check that was not passed.
    async fn ask(
        &self,
        upstream: &Upstream,
        place: usize,
        server: &PeerServer,
        check: &HealthCheck,
    ) -> Result<()> {
        let aim = upstream.aim_at(place, 0);
        let peer = aim.and_then(|aim| upstream.peer(aim, check.timeout));
        let peer = peer.ok_or_else(|| {
            Error::explain(ErrorType::ConnectNoRoute, "the server's name has no address")
        })?;
        match &check.path {
            // a connection, closed at once
            None => {
                let connector = self.transport.connector(&peer, TransportConnector::new);
                connector.new_stream(&*peer).await.map(drop)
            }
            Some(path) => self.get(&peer, path, &server.host).await,
        }
    }

    async fn get(&self, peer: &HttpPeer, path: &str, host: &str) -> Result<()> {
        let mut request = RequestHeader::build("GET", path.as_bytes(), Some(3))?;
        request.insert_header("host", host)?;
        request.insert_header("user-agent", "introgate-health-check")?;
        request.insert_header("connection", "close")?;
        let connector = self.http.connector(peer, Connector::new);
        let (mut session, _) = connector.get_http_session(peer).await?;
        if session.as_http2().is_some() {
            request.remove_header("connection");
        }
        session.write_request_header(Box::new(request)).await?;
        session.finish_request_body().await?;
        session.read_response_header().await?;
        let status = session.response_header().map(|head| head.status);
        session.shutdown().await;
        match status {
            Some(status) if status.is_success() => Ok(()),
            Some(status) => Err(Error::explain(
                ErrorType::HTTPStatus(status.as_u16()),
                format!("the health check was answered with {}", status.as_u16()),
            )),
            None => Err(Error::explain(ErrorType::InvalidHTTPHeader, "no response")),
        }
    }
}

fn without_roots() -> ConnectorOptions {
    ConnectorOptions {
        ca_file: Some(NO_ROOTS.into()),
        ..ConnectorOptions::from_server_conf(&ServerConf::default())
    }
}

fn report(
    upstream: &Upstream,
    server: &PeerServer,
    changed: Option<bool>,
    failed: Option<String>,
    metrics: &Metrics,
) {
    let (name, label) = (&*upstream.settings.name, &**server.label());
    let error = failed.unwrap_or_default();
    match changed {
        Some(true) => tracing::info!(upstream = name, server = label, "a server is healthy again"),
        Some(false) => {
            tracing::warn!(upstream = name, server = label, error, "a server is unhealthy")
        }
        None => {}
    }
    metrics
        .upstream_healthy
        .with_label_values(&[name, label])
        .set(server.health.is_checked_good().into());
}
