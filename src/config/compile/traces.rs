//! `traces`, and the standard `OTEL_*` variables.
//!
//! A mistake in the file is an error. A variable that cannot be used is a warning, and counts as not
//! set, as OpenTelemetry's specification wants: such variables are often set for all programs of a
//! machine, and must not keep a gateway from starting.

use super::headers::is_of_the_connection;
use super::{Context, Reported};
use crate::config::path::KeyPath;
use crate::config::raw::{Sample, TraceProtocol as RawProtocol, Traces};
use crate::telemetry::{BatchSettings, Sampling, Share, TraceProtocol, TraceSettings};
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use std::str::FromStr;
use std::time::Duration;
use url::Url;

/// The settings, if traces are on.
pub fn traces(cx: Context) -> Result<Option<TraceSettings>, Reported> {
    let env = Environment(cx);
    let default = Traces::default();
    let written = cx.raw.traces.as_ref();
    if env.is_disabled() || (written.is_none() && env.endpoint().is_none()) {
        return Ok(None);
    }
    let section = KeyPath::root().key("traces");
    let raw = written.unwrap_or(&default);
    let protocol = protocol(env, raw);
    let endpoint = match &raw.endpoint {
        Some(written) => {
            // no further errors without it
            let url = cx.collector(&section.key("endpoint"), written).ok_or(Reported)?;
            whole(url, protocol)
        }
        None => match env.url(protocol) {
            Some(Ok(url)) => url,
            // without a usable endpoint, nothing else of the variables asks for traces
            Some(Err(())) if written.is_none() => return Ok(None),
            Some(Err(())) | None => local(protocol).ok_or(Reported)?,
        },
    };
    if endpoint.scheme() == "http"
        && !crate::introspect::is_loopback(&endpoint)
        && !raw.headers.is_empty()
    {
        cx.report.warning(
            &section.key("endpoint"),
            "is plain http: `headers` cross the network unprotected; use https",
        );
    }
    let headers = match raw.headers.is_empty() {
        false => headers(cx, &section.key("headers"), raw)?,
        true => env.headers(),
    };
    Ok(Some(TraceSettings {
        endpoint,
        protocol,
        headers,
        sampling: match raw.sample {
            Some(sample) => sampling(sample).ok_or(Reported)?,
            None => env.sampling(),
        },
        timeout: env.millis(env.exporter("TIMEOUT"), 10_000),
        batch: env.batch(),
        resource: env.resource(),
    }))
}

fn protocol(env: Environment, raw: &Traces) -> TraceProtocol {
    match raw.protocol {
        Some(RawProtocol::HttpProtobuf) => TraceProtocol::HttpProtobuf,
        Some(RawProtocol::Grpc) => TraceProtocol::Grpc,
        None => env.protocol(),
    }
}

/// The URL that is called, for the base that the file or `OTEL_EXPORTER_OTLP_ENDPOINT` has.
fn whole(mut base: Url, protocol: TraceProtocol) -> Url {
    let path = base.path().trim_end_matches('/').to_owned();
    if protocol == TraceProtocol::HttpProtobuf && !path.ends_with(PATH) {
        base.set_path(&format!("{path}{PATH}"));
    }
    base
}

/// OTLP §OTLP/HTTP Request.
const PATH: &str = "/v1/traces";

fn local(protocol: TraceProtocol) -> Option<Url> {
    let port = match protocol {
        TraceProtocol::HttpProtobuf => 4318,
        TraceProtocol::Grpc => 4317,
    };
    let base = Url::parse(&format!("http://localhost:{port}")).ok()?;
    Some(whole(base, protocol))
}

fn sampling(sample: Sample) -> Option<Sampling> {
    let (heeds_parent, share) = match sample {
        Sample::Parent => (true, Share::NONE),
        Sample::Always => (false, Share::ALL),
        Sample::Off => (false, Share::NONE),
        // the schema has seen to the range
        Sample::Share(share) => (true, Share::from_ratio(share)?),
    };
    Some(Sampling { heeds_parent, share })
}

fn headers(
    cx: Context,
    section: &KeyPath,
    raw: &Traces,
) -> Result<Vec<(HeaderName, HeaderValue)>, Reported> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let mut faulty = false;
    for (name, value) in &raw.headers {
        let at = section.key(name);
        match header(name, value.0.expose()) {
            Ok(header) if headers.iter().any(|(other, _)| *other == header.0) => {
                cx.report.error_at_key(&at, "is there twice; the case of names does not matter");
                faulty = true;
            }
            Ok(header) => headers.push(header),
            Err(message) => {
                cx.report.error_at_key(&at, message);
                faulty = true;
            }
        }
    }
    if faulty { Err(Reported) } else { Ok(headers) }
}

/// The value is never part of a message, nor of a log.
fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let name = HeaderName::from_str(name)
        .map_err(|_| "is not the name of a header; write one such as `x-api-key`")?;
    if is_of_the_connection(&name) || name == http::header::CONTENT_TYPE {
        return Err("is a header that the gateway sets itself; remove it");
    }
    let mut value = HeaderValue::from_str(value)
        .map_err(|_| "has a value with characters that no header may have; look for line breaks")?;
    value.set_sensitive(true);
    Ok((name, value))
}

impl Context<'_> {
    fn collector(self, path: &KeyPath, text: &str) -> Option<Url> {
        match collector(text) {
            Ok(url) => Some(url),
            Err(message) => {
                self.report.error(path, message);
                None
            }
        }
    }
}

const CREDENTIALS: &str = "write them as `authorization` of `traces.headers`";

/// A URL is never part of a message: it may hold a key.
fn collector(text: &str) -> Result<Url, String> {
    let url = super::url::parse(text, "`http://127.0.0.1:4318`", CREDENTIALS)?;
    if url.query().is_some() {
        return Err("must have no query; keys belong into `traces.headers`".into());
    }
    Ok(url)
}

/// The standard variables.
#[derive(Clone, Copy)]
struct Environment<'a>(Context<'a>);

/// A variable: its name and its value.
type Variable = (String, String);

impl Environment<'_> {
    /// An empty variable counts as not set.
    fn variable(self, name: &str) -> Option<Variable> {
        let value = (self.0.env)(name).map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty()).map(|value| (name.to_owned(), value))
    }

    /// The one for traces, else the one for all signals.
    fn exporter(self, key: &str) -> Option<Variable> {
        let of_traces = self.variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{key}"));
        of_traces.or_else(|| self.variable(&format!("OTEL_EXPORTER_OTLP_{key}")))
    }

    fn is_disabled(self) -> bool {
        let disabled = self.variable("OTEL_SDK_DISABLED");
        let exporter = self.variable("OTEL_TRACES_EXPORTER");
        if let Some((name, other)) = &exporter
            && !matches!(&**other, "otlp" | "none")
        {
            self.warn(name, "names an exporter that is not built in; `otlp` is used");
        }
        disabled.is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
            || exporter.is_some_and(|(_, value)| value == "none")
    }

    fn endpoint(self) -> Option<Variable> {
        self.exporter("ENDPOINT")
    }

    fn url(self, protocol: TraceProtocol) -> Option<Result<Url, ()>> {
        let (name, value) = self.endpoint()?;
        let of_traces = name.contains("TRACES");
        Some(match collector(&value) {
            Ok(url) if of_traces => Ok(url),
            Ok(url) => Ok(whole(url, protocol)),
            Err(message) => {
                self.warn(&name, &format!("{message}; it is ignored"));
                Err(())
            }
        })
    }

    fn protocol(self) -> TraceProtocol {
        match self.exporter("PROTOCOL") {
            None => TraceProtocol::HttpProtobuf,
            Some((_, value)) if value == "http/protobuf" => TraceProtocol::HttpProtobuf,
            Some((_, value)) if value == "grpc" => TraceProtocol::Grpc,
            Some((name, _)) => {
                self.warn(&name, "is neither `http/protobuf` nor `grpc`; the first one is used");
                TraceProtocol::HttpProtobuf
            }
        }
    }

    /// `name1=value1,name2=value2`, with percent-encoded values.
    fn headers(self) -> Vec<(HeaderName, HeaderValue)> {
        let Some((name, value)) = self.exporter("HEADERS") else { return Vec::new() };
        let mut headers = Vec::new();
        for (key, value) in self.pairs(&name, &value) {
            match header(&key.to_ascii_lowercase(), &value) {
                Ok(header) => headers.push(header),
                Err(message) => {
                    self.warn(&name, &format!("has a header that {message}; it is not sent"))
                }
            }
        }
        headers
    }

    fn sampling(self) -> Sampling {
        let ratio = || {
            let Some((name, value)) = self.variable("OTEL_TRACES_SAMPLER_ARG") else {
                return Share::ALL;
            };
            value.parse().ok().and_then(Share::from_ratio).unwrap_or_else(|| {
                self.warn(&name, "is not a number from 0 to 1; 1 is used");
                Share::ALL
            })
        };
        let not_set = Sampling { heeds_parent: true, share: Share::NONE };
        let Some((name, value)) = self.variable("OTEL_TRACES_SAMPLER") else { return not_set };
        let (heeds_parent, share) = match &*value {
            "always_on" => (false, Share::ALL),
            "always_off" => (false, Share::NONE),
            "traceidratio" => (false, ratio()),
            "parentbased_always_on" => (true, Share::ALL),
            "parentbased_always_off" => (true, Share::NONE),
            "parentbased_traceidratio" => (true, ratio()),
            _ => {
                self.warn(&name, "names a sampler that is not built in; `parent` is used");
                return not_set;
            }
        };
        Sampling { heeds_parent, share }
    }

    fn batch(self) -> BatchSettings {
        let millis =
            |key: &str, default| self.millis(self.variable(&format!("OTEL_BSP_{key}")), default);
        let spans = |key: &str, default| {
            let variable = self.variable(&format!("OTEL_BSP_{key}"));
            usize::try_from(self.number(variable, default, MOST_SPANS)).unwrap_or(1)
        };
        let max_queue_size = spans("MAX_QUEUE_SIZE", 2048);
        BatchSettings {
            schedule_delay: millis("SCHEDULE_DELAY", 5_000),
            export_timeout: millis("EXPORT_TIMEOUT", 30_000),
            max_queue_size,
            max_export_batch_size: spans("MAX_EXPORT_BATCH_SIZE", 512).min(max_queue_size),
        }
    }

    fn millis(self, variable: Option<Variable>, default: u64) -> Duration {
        Duration::from_millis(self.number(variable, default, MOST_MILLIS))
    }

    fn number(self, variable: Option<Variable>, default: u64, most: u64) -> u64 {
        let Some((name, value)) = variable else { return default };
        match value.parse() {
            Ok(number) if (1..=most).contains(&number) => number,
            _ => {
                self.warn(
                    &name,
                    &format!("is not a whole number from 1 to {most}; {default} is used"),
                );
                default
            }
        }
    }

    /// `service.name` and the other attributes of this process. `OTEL_SERVICE_NAME` wins.
    fn resource(self) -> Vec<(String, String)> {
        let attributes = self.variable("OTEL_RESOURCE_ATTRIBUTES");
        let mut resource = vec![
            ("telemetry.sdk.language".to_owned(), "rust".to_owned()),
            ("telemetry.sdk.name".to_owned(), "introgate".to_owned()),
            ("telemetry.sdk.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            ("service.name".to_owned(), "introgate".to_owned()),
        ];
        let given = attributes.map(|(name, value)| self.pairs(&name, &value)).unwrap_or_default();
        let service = self.variable("OTEL_SERVICE_NAME");
        let service = service.map(|(_, value)| ("service.name".to_owned(), value));
        for (name, value) in given.into_iter().chain(service) {
            resource.retain(|(other, _)| *other != name);
            resource.push((name, value));
        }
        resource
    }

    /// `name1=value1,name2=value2`, percent-encoded. A list with a mistake is not used at all.
    fn pairs(self, variable: &str, list: &str) -> Vec<(String, String)> {
        let pair = |member: &str| {
            let (name, value) = member.split_once('=')?;
            let name = percent_decode_str(name.trim()).decode_utf8().ok()?;
            let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
            (!name.is_empty()).then(|| (name.into_owned(), value.into_owned()))
        };
        let members = list.split(',').map(str::trim).filter(|member| !member.is_empty());
        let pairs: Option<Vec<_>> = members.map(pair).collect();
        pairs.unwrap_or_else(|| {
            self.warn(variable, "is not a list such as `name=value,name=value`; it is ignored");
            Vec::new()
        })
    }

    /// The value is never part of the message: it may be a key.
    fn warn(self, name: &str, message: &str) {
        let at = KeyPath::root().key("traces");
        self.0.report.warning(&at, format!("the environment variable {name} {message}"));
    }
}

/// An hour.
const MOST_MILLIS: u64 = 3_600_000;

/// Half a gigabyte of spans.
const MOST_SPANS: u64 = 1_000_000;
