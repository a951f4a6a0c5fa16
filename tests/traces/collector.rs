//! A collector of OpenTelemetry's own messages: OTLP over HTTP and over gRPC. It keeps every byte.

use crate::support::{Running, Server, free_port, read_request, wait_until};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::{BufReader, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use tonic::{Request, Response, Status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Grpc,
}

pub const BOTH: [Protocol; 2] = [Protocol::Http, Protocol::Grpc];

/// Behaviour of the collector for every call from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    Take,
    /// Takes all spans but so many.
    Reject(i64),
    /// Over HTTP.
    Status(u16),
    /// Reads the call and never answers.
    Hang,
}

/// One call that was taken.
#[derive(Clone, Debug)]
pub struct Call {
    pub message: ExportTraceServiceRequest,
    pub bytes: Vec<u8>,
    pub path: String,
    pub headers: Vec<(String, String)>,
}

pub struct Collector {
    pub protocol: Protocol,
    port: u16,
    state: Arc<Mutex<State>>,
    running: Option<Transport>,
}

struct State {
    behaviour: Behaviour,
    calls: Vec<Call>,
    /// Also those that were not taken.
    attempts: usize,
}

#[allow(dead_code)] // the server is there to be dropped
enum Transport {
    Http(Server),
    Grpc(Option<oneshot::Sender<()>>, Option<JoinHandle<()>>),
}

impl Collector {
    pub fn start(protocol: Protocol) -> Collector {
        let mut collector = Collector::absent(protocol);
        collector.listen();
        collector
    }

    /// Nothing listens yet.
    pub fn absent(protocol: Protocol) -> Collector {
        let state = State { behaviour: Behaviour::Take, calls: Vec::new(), attempts: 0 };
        Collector { protocol, port: free_port(), state: Arc::new(Mutex::new(state)), running: None }
    }

    pub fn listen(&mut self) {
        let state = self.state.clone();
        self.running = Some(match self.protocol {
            Protocol::Http => {
                Transport::Http(Server::start(self.port, Arc::default(), move |stream, running| {
                    serve_http(&state, stream, &running)
                }))
            }
            Protocol::Grpc => serve_grpc(state, self.port),
        });
    }

    /// Closes the port and all connections.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// `endpoint` and `protocol` of the configuration.
    pub fn keys(&self) -> String {
        let protocol = match self.protocol {
            Protocol::Http => "http/protobuf",
            Protocol::Grpc => "grpc",
        };
        format!("endpoint: \"{}\", protocol: {protocol}", self.url())
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn behave(&self, behaviour: Behaviour) {
        lock(&self.state).behaviour = behaviour;
    }

    pub fn attempts(&self) -> usize {
        lock(&self.state).attempts
    }

    pub fn calls(&self) -> Vec<Call> {
        lock(&self.state).calls.clone()
    }

    pub fn spans(&self) -> Vec<Span> {
        let calls = self.calls().into_iter().flat_map(|call| call.message.resource_spans);
        calls.flat_map(|of_resource| of_resource.scope_spans).flat_map(|of| of.spans).collect()
    }

    /// All spans, once there are at least so many.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<Span> {
        wait_until(&format!("{count} spans arrive"), || self.spans().len() >= count);
        self.spans()
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        if let Transport::Grpc(stop, thread) = self {
            drop(stop.take());
            if let Some(thread) = thread.take() {
                let _ = thread.join();
            }
        }
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().expect("the collector's state")
}

/// The answer, after the call was noted. `None`: none.
fn answer(state: &Mutex<State>, call: Call) -> Option<Result<ExportTraceServiceResponse, u16>> {
    let mut state = lock(state);
    state.attempts += 1;
    let rejected = match state.behaviour {
        Behaviour::Take => 0,
        Behaviour::Reject(count) => count,
        Behaviour::Status(status) => return Some(Err(status)),
        Behaviour::Hang => return None,
    };
    state.calls.push(call);
    let partial_success = (rejected > 0).then(|| ExportTracePartialSuccess {
        rejected_spans: rejected,
        error_message: "scripted".into(),
    });
    Some(Ok(ExportTraceServiceResponse { partial_success }))
}

fn serve_http(state: &Mutex<State>, stream: TcpStream, running: &Running) {
    let Ok(mut writer) = stream.try_clone() else { return };
    let mut reader = BufReader::new(stream);
    while let Ok(Some(request)) = read_request(&mut reader) {
        assert_eq!(request.header("content-type"), Some("application/x-protobuf"));
        let message = ExportTraceServiceRequest::decode(&*request.body).expect("OTLP");
        let (path, headers) = (request.target, request.headers);
        let call = Call { message, bytes: request.body, path, headers };
        let (status, body) = match answer(state, call) {
            None => return running.hang(),
            Some(Ok(response)) => (200, response.encode_to_vec()),
            Some(Err(status)) => (status, Vec::new()),
        };
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n", body.len());
        if writer.write_all(&[head.as_bytes(), &body].concat()).is_err() {
            return;
        }
    }
}

struct Service(Arc<Mutex<State>>);

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = request.metadata().clone().into_headers();
        let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let headers = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        let message = request.into_inner();
        let bytes = message.encode_to_vec();
        match answer(&self.0, Call { message, bytes, path: String::new(), headers }) {
            None => std::future::pending().await,
            Some(Ok(response)) => Ok(Response::new(response)),
            Some(Err(_)) => Err(Status::unavailable("scripted: hunter2")),
        }
    }
}

fn serve_grpc(state: Arc<Mutex<State>>, port: u16) -> Transport {
    let (stop, stopped) = oneshot::channel::<()>();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async move {
            let service = TraceServiceServer::new(Service(state));
            let server = tonic::transport::Server::builder().add_service(service);
            tokio::select! {
                served = server.serve(([127, 0, 0, 1], port).into()) => served.expect("serve"),
                _ = stopped => {}
            }
        });
    });
    Transport::Grpc(Some(stop), Some(thread))
}

/// The value of an attribute as text; empty where there is none.
pub fn text(attributes: &[KeyValue], name: &str) -> String {
    let named: Vec<_> = attributes.iter().filter(|attribute| attribute.key == name).collect();
    assert!(named.len() < 2, "{name} is there twice: {attributes:?}");
    match named.first().and_then(|attribute| attribute.value.clone()) {
        None => String::new(),
        Some(AnyValue { value: Some(Value::StringValue(text)) }) => text,
        Some(AnyValue { value: Some(Value::IntValue(number)) }) => number.to_string(),
        Some(AnyValue { value: Some(Value::BoolValue(value)) }) => value.to_string(),
        other => panic!("{name}: {other:?}"),
    }
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
