//! `introgate demo`: a complete setup on loopback in one process, to try with curl.

mod authorization_server;
mod echo;

use super::output::complain;
use super::{USAGE, run};
use crate::config::{self, Loaded};
use crate::runtime::Process;
use crate::server::{self, Extras};
use crate::telemetry::{self, Reloaded};
use async_trait::async_trait;
use authorization_server::DemoServer;
use echo::Echo;
use pingora_core::apps::http_app::HttpServer;
use pingora_core::server::ShutdownWatch;
use pingora_core::services::ServiceWithDependents;
use pingora_core::services::background::{BackgroundService, background_service};
use pingora_core::services::listening::Service;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::sleep;

/// The demo's own configuration; a good one to start from.
const CONFIGURATION: &str = include_str!("gateway.yaml");

pub fn demo() -> ExitCode {
    let Some([gateway, admin, authorization_server, upstream]) = ports() else {
        complain(format_args!("introgate: no free ports on 127.0.0.1"));
        return ExitCode::FAILURE;
    };
    let port = |name: &str| match name {
        "GATEWAY_PORT" => Some(gateway.to_string()),
        "ADMIN_PORT" => Some(admin.to_string()),
        "AUTHORIZATION_SERVER_PORT" => Some(authorization_server.to_string()),
        "UPSTREAM_PORT" => Some(upstream.to_string()),
        _ => None,
    };
    let Loaded { settings, problems, redacted, .. } =
        config::parse(CONFIGURATION, Path::new("demo.yaml"), &port);
    let Some(settings) = settings else {
        for problem in problems {
            complain(format_args!("{}", problem.display(Path::new("demo.yaml"))));
        }
        return ExitCode::from(USAGE);
    };
    telemetry::start(&settings.log);
    let process = match run::process(settings, redacted.to_string().into(), None) {
        Ok(process) => Arc::new(process),
        Err(error) => {
            complain(format_args!("introgate: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let clock = process.parts.clock.clone();
    Reloaded { file: "demo.yaml", outcome: Ok(&[]), shadow: &[], at: clock.now().unix_seconds() }
        .emit(&process.parts.metrics);
    let introduction =
        Introduction { process: process.clone(), gateway, admin, authorization_server, upstream };
    let services = vec![
        service("demo authorization server", DemoServer::new(clock), authorization_server),
        service("demo upstream", Echo, upstream),
        Box::new(background_service("demo introduction", introduction)),
    ];
    run::finish(server::run(process, Extras { services, ..Extras::default() }))
}

fn service<A>(name: &str, app: A, port: u16) -> Box<dyn ServiceWithDependents>
where
    A: pingora_core::apps::http_app::ServeHttp + Send + Sync + 'static,
{
    let mut service = Service::new(name.to_owned(), HttpServer::new_app(app));
    service.threads = Some(1);
    service.add_tcp(&format!("127.0.0.1:{port}"));
    Box::new(service)
}

/// The usual ports; another one in place of each that is taken.
fn ports() -> Option<[u16; 4]> {
    // held together until all are known, so that no two are the same
    let held: Vec<TcpListener> = [8080, 9901, 9002, 9003]
        .into_iter()
        .map(|port| {
            TcpListener::bind(("127.0.0.1", port)).or_else(|_| TcpListener::bind(("127.0.0.1", 0)))
        })
        .collect::<Result<_, _>>()
        .ok()?;
    let ports: Vec<u16> =
        held.iter().filter_map(|listener| Some(listener.local_addr().ok()?.port())).collect();
    ports.try_into().ok()
}

/// Commands to try, printed as soon as all of them work.
struct Introduction {
    process: Arc<Process>,
    gateway: u16,
    admin: u16,
    authorization_server: u16,
    upstream: u16,
}

#[async_trait]
impl BackgroundService for Introduction {
    async fn start(&self, _: ShutdownWatch) {
        while !self.process.ready.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(5)).await;
        }
        for port in [self.admin, self.authorization_server, self.upstream] {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                sleep(Duration::from_millis(5)).await;
            }
        }
        if self.print().is_err() {
            // the reader has left, and nothing was shown yet
            std::process::exit(0);
        }
    }
}

impl Introduction {
    fn print(&self) -> io::Result<()> {
        let Self { gateway, admin, authorization_server, .. } = self;
        let mut out = io::stdout().lock();
        writeln!(
            out,
            "\
The demo runs: a gateway, an authorization server and a service, all on this machine. Try in another
terminal:

  # without a token: 401
  curl -i http://127.0.0.1:{gateway}/items
  # an active token: the service shows the headers that it got, X-Introspected-* and no Authorization
  curl -i -H 'Authorization: Bearer demo-active' http://127.0.0.1:{gateway}/items
  # a client cannot forge an identity, in any spelling
  curl -i -H 'Authorization: Bearer demo-active' -H 'X_Introspected_Sub: admin' http://127.0.0.1:{gateway}/items
  # a narrow token may read but not write: 200, then 403 insufficient_scope
  curl -i -H 'Authorization: Bearer demo-narrow' http://127.0.0.1:{gateway}/items
  curl -i -H 'Authorization: Bearer demo-narrow' -d name=new http://127.0.0.1:{gateway}/items
  # expired, revoked, issued for another service: 401
  curl -i -H 'Authorization: Bearer demo-expired' http://127.0.0.1:{gateway}/items
  curl -i -H 'Authorization: Bearer demo-revoked' http://127.0.0.1:{gateway}/items
  curl -i -H 'Authorization: Bearer demo-other-audience' http://127.0.0.1:{gateway}/items
  # revoke the active token; the gateway refuses it within five seconds, the ttl of the demo
  curl -i -u demo-gateway:demo-secret -d token=demo-active http://127.0.0.1:{authorization_server}/revoke
  # the answer of the authorization server itself (RFC 7662)
  curl -i -u demo-gateway:demo-secret -d token=demo-narrow http://127.0.0.1:{authorization_server}/introspect
  # a public page
  curl -i http://127.0.0.1:{gateway}/public/hello
  # the operator's view; http://127.0.0.1:{admin}/ is the status page for a browser
  curl http://127.0.0.1:{admin}/api/status
  curl http://127.0.0.1:{admin}/metrics

Ctrl-C ends the demo. The lines below are the access log.
"
        )?;
        out.flush()
    }
}
