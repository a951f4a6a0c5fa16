//! Calls the collector: OTLP over HTTP, or over gRPC.

use super::span::attribute;
use super::{TraceProtocol, TraceSettings};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use std::error::Error;
use std::time::Duration;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use url::Url;

const USER_AGENT: &str = concat!("introgate/", env!("CARGO_PKG_VERSION"));

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of an answer that are read.
const LARGEST_ANSWER: usize = 64 * 1024;

/// A client of one collector.
pub struct Exporter {
    resource: Resource,
    transport: Transport,
}

enum Transport {
    Http { client: reqwest::Client, url: Url, headers: HeaderMap },
    Grpc { client: TraceServiceClient<Channel>, metadata: MetadataMap },
}

/// The collector's answer to a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportOutcome {
    /// Spans that it did not take.
    pub rejected: u64,
}

/// Why a batch was not exported.
#[derive(Clone, Debug)]
pub struct ExportError {
    /// In words, without URLs, headers and the collector's own text.
    pub detail: String,
    /// Whether another attempt may succeed, and how long the collector wants to be left alone.
    pub retry: Option<Option<Duration>>,
}

impl ExportError {
    fn lasting(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), retry: None }
    }

    fn passing(detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), retry: Some(None) }
    }

    pub fn too_slow(limit: Duration) -> Self {
        Self::passing(format!("no answer within {limit:?}"))
    }
}

impl Exporter {
    /// Connects with the first export. Needs a tokio runtime.
    pub fn new(settings: &TraceSettings) -> Result<Self, ExportError> {
        let headers: HeaderMap = settings.headers.iter().cloned().collect();
        let transport = match settings.protocol {
            TraceProtocol::HttpProtobuf => Transport::Http {
                client: http_client(settings)
                    .map_err(|error| ExportError::lasting(causes(&error)))?,
                url: settings.endpoint.clone(),
                headers,
            },
            TraceProtocol::Grpc => Transport::Grpc {
                client: TraceServiceClient::new(
                    channel(settings).map_err(|error| ExportError::lasting(causes(&error)))?,
                ),
                metadata: MetadataMap::from_headers(headers),
            },
        };
        let attributes = settings
            .resource
            .iter()
            .map(|(name, value)| attribute(name, Value::StringValue(value.clone())));
        let resource = Resource { attributes: attributes.collect(), ..Resource::default() };
        Ok(Self { resource, transport })
    }

    /// The message that exports these spans.
    pub fn request(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let scope = InstrumentationScope {
            name: "introgate".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            ..InstrumentationScope::default()
        };
        let scope_spans = ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() };
        ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(self.resource.clone()),
                scope_spans: vec![scope_spans],
                schema_url: SCHEMA.to_owned(),
            }],
        }
    }

    /// One attempt. The caller limits its time.
    pub async fn export(
        &mut self,
        request: &ExportTraceServiceRequest,
    ) -> Result<ExportOutcome, ExportError> {
        let answer = match &mut self.transport {
            Transport::Http { client, url, headers } => {
                let call = client
                    .post(url.clone())
                    .headers(headers.clone())
                    .header(header::CONTENT_TYPE, "application/x-protobuf")
                    .body(request.encode_to_vec());
                over_http(call).await?
            }
            Transport::Grpc { client, metadata } => {
                let mut call = Request::new(request.clone());
                *call.metadata_mut() = metadata.clone();
                client.export(call).await.map_err(|status| refused_by_grpc(&status))?.into_inner()
            }
        };
        let rejected = answer.partial_success.map_or(0, |partial| partial.rejected_spans);
        Ok(ExportOutcome { rejected: u64::try_from(rejected).unwrap_or(0) })
    }
}

/// The version of the semantic conventions whose names the spans use.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.37.0";

fn http_client(settings: &TraceSettings) -> reqwest::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(1);
    if settings.endpoint.scheme() == "http" {
        // nothing is verified, so that no trust roots need to be installed
        builder = builder.tls_certs_only([]);
    }
    builder.build()
}

fn channel(settings: &TraceSettings) -> Result<Channel, tonic::transport::Error> {
    let mut endpoint = Endpoint::from_shared(settings.origin())?
        .user_agent(USER_AGENT)?
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(settings.timeout);
    if settings.endpoint.scheme() == "https" {
        endpoint = endpoint.tls_config(ClientTlsConfig::new().with_native_roots())?;
    }
    Ok(endpoint.connect_lazy())
}

async fn over_http(
    call: reqwest::RequestBuilder,
) -> Result<ExportTraceServiceResponse, ExportError> {
    // URLs may hold a key of the collector's
    let broken = |error: reqwest::Error| ExportError::passing(causes(&error.without_url()));
    let mut response = call.send().await.map_err(broken)?;
    let status = response.status();
    if !status.is_success() {
        let detail = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                format!("status {}; look at `traces.headers`", status.as_u16())
            }
            StatusCode::NOT_FOUND => {
                "status 404; the collector has no OTLP receiver at this path".to_owned()
            }
            _ => format!("status {}", status.as_u16()),
        };
        // the statuses that OTLP lets a client try again (OTLP §Failures)
        let passes = matches!(status.as_u16(), 429 | 502 | 503 | 504);
        let after = response.headers().get(header::RETRY_AFTER);
        let after = after.and_then(|after| after.to_str().ok()?.parse().ok());
        return Err(ExportError { detail, retry: passes.then(|| after.map(Duration::from_secs)) });
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            break;
        }
        body.extend_from_slice(&chunk);
    }
    // the spans were taken: an answer that cannot be read changes nothing
    Ok(ExportTraceServiceResponse::decode(Bytes::from(body)).unwrap_or_default())
}

/// A status of gRPC, without the collector's text, which may repeat parts of the request.
fn refused_by_grpc(status: &Status) -> ExportError {
    let code = status.code();
    let passes = matches!(
        code,
        Code::Cancelled
            | Code::DeadlineExceeded
            | Code::Aborted
            | Code::OutOfRange
            | Code::Unavailable
            | Code::DataLoss
    );
    let mut detail = format!("gRPC status {code:?}");
    if let Some(source) = status.source() {
        detail = format!("{detail}: {}", causes(source));
    }
    if matches!(code, Code::Unauthenticated | Code::PermissionDenied) {
        detail.push_str("; look at `traces.headers`");
    }
    ExportError { detail, retry: passes.then_some(None) }
}

/// An error with all its causes.
fn causes(error: &dyn Error) -> String {
    let (mut texts, mut next) = (Vec::new(), Some(error));
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    texts.dedup();
    texts.join(": ")
}
