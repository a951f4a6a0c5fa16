//! The way for the plain case: a `GET` or `HEAD` over HTTP/1.1 that has no body and asks nothing of
//! the connection. Most requests are plain, and need little of what a proxy can do.
//!
//! A request that is not plain is left untouched for the general way. A response of an upstream
//! that is not plain is read by pingora's own reader.

mod carry_out;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod plain;
mod relay;
mod request;
mod response;
mod rewound;
mod upstream;

pub use plain::Plain;
pub use response::refusal;

use crate::proxy::client::Client;
use crate::proxy::connection::Connection;
use crate::proxy::connectors::Connectors;
use crate::proxy::exchange::Exchange;
use crate::runtime::Process;
use carry_out::PlainExchange;
use pingora_core::server::ShutdownWatch;
use std::sync::Arc;

/// Serves plain requests over connections of its own.
pub struct FastPath {
    process: Arc<Process>,
    connectors: Arc<Connectors>,
}

impl FastPath {
    pub fn new(process: Arc<Process>, connectors: Arc<Connectors>) -> Self {
        Self { process, connectors }
    }

    /// Serves one request. Gives whether the client's connection is kept.
    pub async fn request(
        &self,
        plain: &Plain,
        client: &mut Client,
        shutdown: &ShutdownWatch,
    ) -> Connection {
        let connection = if plain.closes { Connection::Ended } else { Connection::Kept };
        let exchange = Exchange::begin(&self.process);
        let exchange =
            PlainExchange { plain, client, exchange, shutdown, connection, status: None };
        exchange.carry_out(&self.connectors).await
    }
}
