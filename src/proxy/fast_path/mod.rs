//! The way for the plain case: a request over HTTP/1.1 that asks nothing of the connection, with or
//! without a body. Most requests are plain, and need few of a proxy's features. The same way carries
//! upgrades out, all of them: pingora's proxy loses some (cloudflare/pingora#946).
//!
//! A request that is not plain is left untouched for the general way. A response of an upstream
//! that is not plain is read by pingora's own reader.

mod body;
mod carry_out;
mod flow;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod handshake;
mod plain;
mod relay;
mod request;
mod response;
mod rewound;
mod tunnel;
mod upload;
mod upstream;

pub use plain::Plain;
pub use response::own as own_response;

use crate::per_thread::{Handle, Spread};
use crate::proxy::client::Client;
use crate::proxy::connection::ConnectionUse;
use crate::proxy::connectors::Connectors;
use crate::proxy::exchange::Exchange;
use crate::proxy::stopping::Stopping;
use crate::runtime::{Process, Runtime};
use carry_out::PlainExchange;
use std::sync::Arc;

/// Serves plain requests over connections of its own.
pub struct FastPath {
    process: Spread<Process>,
    connectors: Arc<Connectors>,
}

impl FastPath {
    pub fn new(process: Spread<Process>, connectors: Arc<Connectors>) -> Self {
        Self { process, connectors }
    }

    /// Serves one request. Gives whether the client's connection is kept.
    pub async fn request(
        &self,
        plain: &Plain,
        client: &mut Client,
        runtime: Handle<Runtime>,
        stopping: &Stopping,
    ) -> ConnectionUse {
        let connection = if plain.closes { ConnectionUse::Ended } else { ConnectionUse::Kept };
        let (connection, unread, upgraded) = {
            let (status, coming, unread, upgraded) = Default::default();
            let mut exchange = PlainExchange {
                plain,
                client,
                exchange: Exchange::under(&self.process, runtime),
                stopping,
                connection,
                status,
                coming,
                unread,
                upgraded,
            };
            exchange.carry_out(&self.connectors).await;
            (exchange.connection, exchange.unread, exchange.upgraded.take())
        }; // the request is over: a stop does not wait for more of it
        if connection == ConnectionUse::Ended {
            client.end(unread).await;
        }
        drop(upgraded);
        connection
    }
}
