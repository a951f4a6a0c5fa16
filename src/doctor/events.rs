//! Security events: whether the keys are there, and whether the transmitter knows the gateway.

use super::DoctorReport;
use crate::delivery::{FoundStream, look, try_poll};
use crate::introspect::ServerSettings;
use crate::introspect::jwt::Keys;
use crate::runtime::CarriedOver;
use crate::security_events::{StreamStatus, Subscription};

/// Changes nothing at the transmitter: no stream is created, and no event is fetched.
pub async fn examine(server: &ServerSettings, parts: &CarriedOver, report: &mut DoctorReport<'_>) {
    let Some(settings) = &server.events else { return };
    match Keys::for_server(&settings.keys, server, &parts.documents) {
        Err(error) => return report.wrong(format_args!("events: {error}")),
        Ok(keys) => match keys.available().await {
            Ok(()) => report.good("events: the keys of the events are there"),
            Err(failure) => report.wrong(format_args!("events: no keys: {}", failure.detail)),
        },
    }
    let one = std::slice::from_ref(server);
    let subscriptions = match Subscription::all(one, &parts.documents, &parts.streams) {
        Ok(subscriptions) => subscriptions,
        Err(error) => return report.wrong(format_args!("events: {error}")),
    };
    for subscription in &subscriptions {
        if settings.stream.is_some() {
            examine_stream(subscription, parts, report).await;
        } else if let Some(endpoint) =
            settings.poll.as_ref().and_then(|poll| poll.endpoint.as_ref())
        {
            match try_poll(subscription, endpoint).await {
                Ok(()) => report.good("events: the poll endpoint answers and accepts the gateway"),
                Err(failure) => report.wrong(format_args!("events: {}", failure.detail)),
            }
        }
    }
}

async fn examine_stream(
    subscription: &Subscription,
    parts: &CarriedOver,
    report: &mut DoctorReport<'_>,
) {
    match look(subscription, &parts.clock).await {
        Ok(FoundStream::None) => {
            report.note(
                "events: the transmitter has no stream for this gateway yet; `run` creates it",
            );
        }
        Ok(FoundStream::Stream { id, status: None }) => {
            report.good(format_args!("events: the stream `{id}` is there"));
        }
        Ok(FoundStream::Stream { id, status: Some(StreamStatus::Enabled) }) => {
            report.good(format_args!("events: the stream `{id}` is enabled"));
        }
        Ok(FoundStream::Stream { id, status: Some(status) }) => {
            let (word, meaning) = (status.as_str(), status.sentence());
            report.wrong(format_args!("events: the stream `{id}` is {word}: {meaning}"));
        }
        Err(failure) => report.wrong(format_args!("events: {}", failure.detail)),
    }
}
