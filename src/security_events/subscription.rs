//! One authorization server's events that the gateway fetches, or whose stream it manages.

use super::streams::{EventStreams, StreamState};
use crate::introspect::{
    Documents, EventSettings, ServerSettings, TransmitterClient, UnusableSettings,
};
use crate::telemetry::Occasionally;
use std::sync::Arc;

/// A transmitter that the gateway calls.
pub struct Subscription {
    pub server: ServerSettings,
    pub settings: EventSettings,
    pub client: TransmitterClient,
    pub state: Arc<StreamState>,
    /// For failures of calls, which repeat.
    pub log: Occasionally,
}

impl Subscription {
    /// The subscriptions of these servers. Fails when credentials or TLS settings cannot be used.
    pub fn all(
        servers: &[ServerSettings],
        documents: &Documents,
        streams: &EventStreams,
    ) -> Result<Vec<Arc<Self>>, UnusableSettings> {
        let called =
            |settings: &&EventSettings| settings.poll.is_some() || settings.stream.is_some();
        let with_events = servers
            .iter()
            .filter_map(|server| Some((server, server.events.as_ref().filter(called)?)));
        let subscription = |(server, settings): (&ServerSettings, &EventSettings)| {
            Ok(Arc::new(Self {
                server: server.clone(),
                settings: settings.clone(),
                client: TransmitterClient::new(server, settings, documents)?,
                state: streams.for_server(&server.name),
                log: Occasionally::default(),
            }))
        };
        with_events.map(subscription).collect()
    }
}
