//! The stream at the transmitter (OpenID Shared Signals Framework 1.0 §8): found by this gateway's
//! audience or created, and asked for the events that end answers.

use crate::clock::Clock;
use crate::introspect::{
    EventSettings, Failure, FailureKind, Responded, StreamSettings, callable,
    transmitter_configuration,
};
use crate::security_events::{REQUESTED, StreamStatus, Subscription, printable};
use crate::token::json;
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::time::Duration;
use url::Url;

/// RFC 8935 and RFC 8936, as streams name them (SSF 1.0 §6.1).
const PUSH: &str = "urn:ietf:rfc:8935";
const POLL: &str = "urn:ietf:rfc:8936";
/// The names before SSF 1.0 was final, which transmitters may still use.
const OLD_PUSH: &str = "https://schemas.openid.net/secevent/risc/delivery-method/push";
const OLD_POLL: &str = "https://schemas.openid.net/secevent/risc/delivery-method/poll";

/// A stream that is set up.
pub struct Stream {
    pub id: String,
    /// `None`: its events are pushed.
    pub poll_endpoint: Option<Url>,
    status_endpoint: Option<Url>,
    pub verification_endpoint: Option<Url>,
    /// Verification events may not be asked for more often.
    pub shortest_verification: Duration,
}

type Members = Map<String, Value>;

/// A `min_verification_interval` that is longer is not believed.
const LONGEST_INTERVAL: f64 = 24.0 * 60.0 * 60.0;

fn bad(why: impl Into<String>) -> Failure {
    Failure::new(FailureKind::BadResponse, why.into())
}

/// What a look at the transmitter finds.
pub enum FoundStream {
    None,
    /// The status where the transmitter says it.
    Stream {
        id: String,
        status: Option<StreamStatus>,
    },
}

/// Looks for this gateway's stream, and changes nothing. Fails with a detail for the operator.
pub async fn look(subscription: &Subscription, clock: &Clock) -> Result<FoundStream, Failure> {
    let settings = &subscription.settings;
    let Some(wanted) = &settings.stream else { return Ok(FoundStream::None) };
    let place = (&*wanted.issuer, &wanted.at);
    let transmitter = transmitter_configuration(&subscription.server, place, clock).await?;
    let method = method(&transmitter, wanted)?;
    let configuration = endpoint(&transmitter, "configuration_endpoint")?;
    let call = StreamCall { subscription, configuration: configuration.ok_or_else(unmanaged)? };
    let Some(stream) = call.find(settings, &method).await? else { return Ok(FoundStream::None) };
    check(&stream, settings)?;
    let id = text(&stream, "stream_id").ok_or_else(|| bad("the stream has no `stream_id`"))?;
    let stream = Stream {
        id,
        poll_endpoint: None,
        status_endpoint: endpoint(&transmitter, "status_endpoint")?,
        verification_endpoint: None,
        shortest_verification: Duration::ZERO,
    };
    let status = stream.status(subscription).await?.map(|(status, _)| status);
    Ok(FoundStream::Stream { id: printable(&stream.id), status })
}

/// A URL of the transmitter's configuration.
fn endpoint(transmitter: &Members, name: &str) -> Result<Option<Url>, Failure> {
    let Some(text) = transmitter.get(name).and_then(Value::as_str) else { return Ok(None) };
    callable(text)
        .map(Some)
        .map_err(|wrong| bad(format!("`{name}` of the transmitter's configuration {wrong}")))
}

fn unmanaged() -> Failure {
    bad(
        "the transmitter's configuration has no `configuration_endpoint`: it does not let receivers manage streams; create one there and write `poll_endpoint` in place of `transmitter`",
    )
}

/// Finds this gateway's stream, or creates it. Fails with a detail for the operator.
pub async fn set_up(
    subscription: &Subscription,
    wanted: &StreamSettings,
    clock: &Clock,
) -> Result<Stream, Failure> {
    let place = (&*wanted.issuer, &wanted.at);
    let transmitter = transmitter_configuration(&subscription.server, place, clock).await?;
    let method = method(&transmitter, wanted)?;
    let configuration = endpoint(&transmitter, "configuration_endpoint")?.ok_or_else(unmanaged)?;
    let call = StreamCall { subscription, configuration };
    let delivery = match &wanted.push_endpoint {
        None => json!({ "method": method }),
        Some(endpoint) => json!({ "method": method, "endpoint_url": endpoint.as_str() }),
    };
    let settings = &subscription.settings;
    let stream = match call.find(settings, &method).await? {
        Some(stream) => call.update(stream, &delivery).await?,
        None => call.create(&delivery).await?,
    };
    check(&stream, settings)?;
    let id = text(&stream, "stream_id").ok_or_else(|| bad("the stream has no `stream_id`"))?;
    let poll_endpoint = match &wanted.push_endpoint {
        Some(_) => None,
        None => {
            let url = stream.get("delivery").and_then(|delivery| delivery.get("endpoint_url"));
            let url = url.and_then(Value::as_str);
            let url = url.ok_or_else(|| bad("the stream has no `delivery.endpoint_url`"))?;
            let wrong = |wrong| bad(format!("the stream's `delivery.endpoint_url` {wrong}"));
            Some(callable(url).map_err(wrong)?)
        }
    };
    if transmitter.get("default_subjects").and_then(Value::as_str) == Some("NONE") {
        match endpoint(&transmitter, "add_subject_endpoint")? {
            Some(endpoint) => call.add_subjects(&endpoint, &id).await?,
            None => {
                return Err(bad(
                    "the transmitter's streams begin without subjects, and its configuration has no `add_subject_endpoint`; have the subjects added at the transmitter",
                ));
            }
        }
    }
    let shortest = stream.get("min_verification_interval").and_then(Value::as_f64);
    let shortest = shortest.filter(|seconds| seconds.is_finite()).unwrap_or_default();
    Ok(Stream {
        id,
        poll_endpoint,
        status_endpoint: endpoint(&transmitter, "status_endpoint")?,
        verification_endpoint: endpoint(&transmitter, "verification_endpoint")?,
        shortest_verification: Duration::from_secs_f64(shortest.clamp(0.0, LONGEST_INTERVAL)),
    })
}

/// The transmitter's name of the way of delivery.
fn method(transmitter: &Members, wanted: &StreamSettings) -> Result<String, Failure> {
    let (current, old) =
        if wanted.push_endpoint.is_some() { (PUSH, OLD_PUSH) } else { (POLL, OLD_POLL) };
    let Some(supported) = transmitter.get("delivery_methods_supported").and_then(Value::as_array)
    else {
        return Ok(current.to_owned());
    };
    let supported: Vec<&str> = supported.iter().filter_map(Value::as_str).collect();
    let found = [current, old].into_iter().find(|name| supported.contains(name));
    found.map(str::to_owned).ok_or_else(|| {
        bad(format!(
            "the transmitter does not offer delivery by `{current}` (`delivery_methods_supported`: {}); change `delivery`",
            printable(&supported.join(", "))
        ))
    })
}

/// That the gateway would believe the stream's events.
fn check(stream: &Members, settings: &EventSettings) -> Result<(), Failure> {
    let audiences = texts(stream.get("aud"));
    if !audiences.iter().any(|audience| settings.audience.contains(audience)) {
        return Err(bad(format!(
            "the stream's `aud` is `{}`, which `events.audience` does not have, so that every event would be refused; write it there",
            printable(&audiences.join(" "))
        )));
    }
    match text(stream, "iss") {
        Some(issuer) if issuer != settings.issuer => Err(bad(format!(
            "the stream's `iss` is `{}`, and `events.issuer` is another, so that every event would be refused; write it there",
            printable(&issuer)
        ))),
        _ => Ok(()),
    }?;
    let delivered = texts(stream.get("events_delivered"));
    let useful = |uri: &String| REQUESTED.contains(&&**uri);
    if stream.contains_key("events_delivered") && !delivered.iter().any(useful) {
        return Err(bad("the stream delivers no event that ends answers (`events_delivered`)"));
    }
    Ok(())
}

struct StreamCall<'s> {
    subscription: &'s Subscription,
    configuration: Url,
}

impl StreamCall<'_> {
    async fn send(
        &self,
        method: Method,
        url: &Url,
        body: Option<&Value>,
    ) -> Result<Responded, Failure> {
        let client = &self.subscription.client;
        client.call(method, url, body, client.timeout).await
    }

    /// SSF 1.0 §8.1.1.2: the stream of this gateway's audience, one with its way of delivery first.
    async fn find(
        &self,
        settings: &EventSettings,
        method: &str,
    ) -> Result<Option<Members>, Failure> {
        let response = self.send(Method::GET, &self.configuration, None).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let not_a_list = || bad("the list of streams is not a JSON array of objects");
        let body: Value = serde_json::from_slice(&response.body).map_err(|_| not_a_list())?;
        let streams = match body {
            Value::Array(streams) => streams,
            // a transmitter with one stream for each receiver
            Value::Object(stream) => vec![Value::Object(stream)],
            _ => return Err(not_a_list()),
        };
        let ours = |stream: &Members| {
            texts(stream.get("aud")).iter().any(|audience| settings.audience.contains(audience))
        };
        let streams = streams.into_iter().filter_map(|stream| match stream {
            Value::Object(stream) => Some(stream),
            _ => None,
        });
        let mut ours: Vec<Members> = streams.filter(ours).collect();
        let by_method = |stream: &Members| method_of(stream) == Some(method);
        let nth = ours.iter().position(by_method).unwrap_or_default();
        Ok((nth < ours.len()).then(|| ours.swap_remove(nth)))
    }

    /// SSF 1.0 §8.1.1.1.
    async fn create(&self, delivery: &Value) -> Result<Members, Failure> {
        let body = json!({
            "delivery": delivery, "events_requested": REQUESTED, "description": "introgate",
        });
        let response = self.send(Method::POST, &self.configuration, Some(&body)).await?;
        match response.status {
            StatusCode::CONFLICT => Err(bad(
                "status 409: the transmitter allows this receiver no further stream, and none of its streams has our `events.audience`; look at `aud` of the stream there",
            )),
            _ => self.parse_body(&response),
        }
    }

    /// SSF 1.0 §8.1.1.3: where the stream is not as it should be.
    async fn update(&self, stream: Members, delivery: &Value) -> Result<Members, Failure> {
        let requested = texts(stream.get("events_requested"));
        let same_events = requested.len() == REQUESTED.len()
            && REQUESTED.iter().all(|uri| requested.iter().any(|requested| requested == uri));
        let endpoint = |delivery: &Value| delivery.get("endpoint_url").cloned();
        let same_delivery = method_of(&stream) == delivery.get("method").and_then(Value::as_str)
            && endpoint(delivery)
                .is_none_or(|wanted| stream.get("delivery").and_then(endpoint) == Some(wanted));
        if same_events && same_delivery {
            return Ok(stream);
        }
        let mut body = json!({
            "stream_id": stream.get("stream_id"), "events_requested": REQUESTED,
        });
        if !same_delivery {
            body["delivery"] = delivery.clone();
        }
        let response = self.send(Method::PATCH, &self.configuration, Some(&body)).await?;
        self.parse_body(&response)
    }

    fn parse_body(&self, response: &Responded) -> Result<Members, Failure> {
        if !response.status.is_success() {
            return Err(bad(format!(
                "status {} of `configuration_endpoint`: the stream is gone",
                response.status
            )));
        }
        json::object(&response.body)
            .map_err(|_| bad("the response of `configuration_endpoint` is not one JSON object"))
    }

    /// SSF 1.0 §8.1.3.2. The subjects of future tokens are unknown, so the gateway asks for the
    /// whole tenant: by §8.1.3.1 a complex subject matches every complex one that has no other
    /// tenant.
    async fn add_subjects(&self, endpoint: &Url, id: &str) -> Result<(), Failure> {
        let server = &self.subscription.server;
        let tenant = server.issuer.as_deref().unwrap_or(&self.subscription.settings.issuer);
        let body = json!({
            "stream_id": id, "verified": true,
            "subject": { "format": "complex", "tenant": { "format": "uri", "uri": tenant } },
        });
        let response = self.send(Method::POST, endpoint, Some(&body)).await?;
        if response.status.is_success() {
            return Ok(());
        }
        Err(bad(format!(
            "status {} of `add_subject_endpoint`: the transmitter does not know the tenant `{tenant}`; have the subjects added at the transmitter, whose `default_subjects` are NONE",
            response.status
        )))
    }
}

impl Stream {
    /// SSF 1.0 §8.1.2.1; `None` where the transmitter does not say.
    pub async fn status(
        &self,
        subscription: &Subscription,
    ) -> Result<Option<(StreamStatus, Option<String>)>, Failure> {
        let Some(endpoint) = &self.status_endpoint else { return Ok(None) };
        let mut url = endpoint.clone();
        url.query_pairs_mut().append_pair("stream_id", &self.id);
        let client = &subscription.client;
        let response = client.call(Method::GET, &url, None, client.timeout).await?;
        if response.status == StatusCode::NOT_FOUND {
            return Err(bad("status 404 of `status_endpoint`: the stream is gone"));
        }
        let members = json::object(&response.body)
            .map_err(|_| bad("the response of `status_endpoint` is not one JSON object"))?;
        let status = text(&members, "status").and_then(|word| StreamStatus::from_word(&word));
        let status = status
            .ok_or_else(|| bad("`status` of the stream is not enabled, paused or disabled"))?;
        Ok(Some((status, text(&members, "reason").map(|reason| printable(&reason)))))
    }

    /// SSF 1.0 §8.1.4.2: asks for a verification event with this `state`.
    pub async fn ask_for_verification(
        &self,
        subscription: &Subscription,
        endpoint: &Url,
        state: &str,
    ) -> Result<(), Failure> {
        let body = json!({ "stream_id": self.id, "state": state });
        let client = &subscription.client;
        let response = client.call(Method::POST, endpoint, Some(&body), client.timeout).await?;
        if response.status.is_success() {
            return Ok(());
        }
        Err(bad(format!(
            "status {} of `verification_endpoint`: the stream is gone",
            response.status
        )))
    }
}

fn method_of(stream: &Members) -> Option<&str> {
    stream.get("delivery")?.get("method")?.as_str()
}

fn text(members: &Members, name: &str) -> Option<String> {
    members.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A text or a list of texts.
fn texts(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => {
            items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    }
}
