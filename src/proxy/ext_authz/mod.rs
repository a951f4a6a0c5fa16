//! `serves: ext_authz`: Envoy asks by gRPC whether a request may pass (contract §10), with
//! `envoy.service.auth.v3.Authorization/Check`. The standard health service answers beside it.
//!
//! The listener's limits end the connections of peers that are gone or do nothing:
//!
//! | a peer that | is stopped by |
//! |---|---|
//! | asks nothing, and watches no health | `idle_timeout`: GOAWAY |
//! | sends nothing for `idle_timeout` while it waits or watches | a PING; without its answer within `write_timeout` the connection ends |
//! | does not send the rest of a question | `header_timeout` |
//! | opens many streams | `streams`: further ones are refused |

mod answer;
mod asked;
mod bodies;

use super::at_work::Requests;
use super::exchange::Exchange;
use super::head::Head;
use super::judge::{self, JudgedRequest};
use super::{report, validate};
use crate::decisions::may_ask;
use crate::deny::{Denial, Reason};
use crate::listen::Arrival;
use crate::per_thread::Spread;
use crate::runtime::Process;
use crate::telemetry::Stranger;
use asked::CheckedRequest;
use bodies::{InTime, Watched};
use envoy_types::ext_authz::v3::pb::{
    Authorization, AuthorizationServer, CheckRequest, CheckResponse,
};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use pingora_core::protocols::Stream;
use pingora_core::server::ShutdownWatch;
use std::pin::pin;
use std::sync::Arc;
use tokio::time::timeout;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// Bytes of a question at most. Envoy sends header sections, and bodies where it is told to.
const LARGEST: usize = 4 << 20;

/// Serves a connection to its end.
pub async fn serve(
    process: &Spread<Process>,
    stream: Stream,
    arrival: &Arc<Arrival>,
    shutdown: &ShutdownWatch,
) {
    let check = CheckService { process: process.clone(), arrival: arrival.clone() };
    let (mut health, serving) = tonic_health::server::health_reporter();
    health.set_serving::<AuthorizationServer<CheckService>>().await;
    let check = AuthorizationServer::new(check).max_decoding_message_size(LARGEST);
    let routes = TowerToHyperService::new(Routes::new(check).add_service(serving).prepare());

    let limits = &arrival.listener.limits;
    let mut http2 = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.idle_timeout)
        .keep_alive_timeout(limits.write_timeout)
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_size).unwrap_or(u32::MAX));
    let requests = Requests::default();
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        let at_work = requests.begin(usize::MAX);
        let request = request.map(|body| InTime::new(body, limits.header_timeout));
        let answer = routes.call(request);
        async move { answer.await.map(|answer| answer.map(|body| Watched::new(body, at_work))) }
    });
    let mut connection = pin!(http2.serve_connection(TokioIo::new(stream), service));
    let mut stop = shutdown.clone();
    let idle = tokio::select! {
        // it fails where Envoy is gone
        _ = connection.as_mut() => return,
        () = requests.idle_for(limits.idle_timeout) => true,
        _ = stop.wait_for(|stop| *stop) => false,
    };
    if idle {
        connection.as_mut().graceful_shutdown();
        // a peer that has not sent its preface would be waited for
        let _ = timeout(limits.header_timeout, connection).await;
        return;
    }
    // a health watch has no end of its own, and would delay the stop
    for service in ["", <AuthorizationServer<CheckService> as NamedService>::NAME] {
        health.clear_service_status(service).await;
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}

/// The service of one connection.
struct CheckService {
    process: Spread<Process>,
    arrival: Arc<Arrival>,
}

#[tonic::async_trait]
impl Authorization for CheckService {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let mut exchange = Exchange::begin(&self.process);
        if !may_ask(self.arrival.peer, &exchange.runtime.trusted_proxies) {
            Stranger::at(&self.arrival.listener.name, self.arrival.peer, exchange.now().mono)
                .emit(&self.process.parts.strangers);
            return Err(Status::permission_denied(
                "This listener answers proxies in trusted_proxies only.",
            ));
        }
        exchange.on_behalf = true;
        let asked = match CheckedRequest::from_check(request.into_inner()) {
            Ok(asked) => asked,
            Err(denial) => {
                let asked = CheckedRequest::unreadable();
                judge::introduce(&asked.head(), &self.arrival, &mut exchange);
                let answer = answer::refuse(&asked, &denial, &mut exchange);
                return Ok(Response::new(self.end(&asked, answer, &exchange)));
            }
        };
        let head: Head<'_> = asked.head();
        let host = validate::check(head, Vec::new);
        let at = exchange.began;
        let judged = judge::judge(head, &self.arrival, host, None, at, &mut exchange).await;
        let answer = match judged {
            Ok(JudgedRequest::Permitted) => answer::permit(&asked, &exchange),
            // documents are for requests that are meant for the gateway itself
            Ok(JudgedRequest::Answered(_)) => {
                answer::refuse(&asked, &Denial::because(Reason::NoRoute), &mut exchange)
            }
            Err(denial) => answer::refuse(&asked, &denial, &mut exchange),
        };
        Ok(Response::new(self.end(&asked, answer, &exchange)))
    }
}

impl CheckService {
    fn end(
        &self,
        asked: &CheckedRequest,
        answer: answer::CheckAnswer,
        exchange: &Exchange,
    ) -> CheckResponse {
        report::report(&asked.method, Some(answer.status), exchange);
        answer.response
    }
}
