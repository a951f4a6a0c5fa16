//! Running it: the admin listener, metrics, logs, reload and the end.

mod admin;
mod idle;
mod logs;
mod metrics;
mod reload;
mod shutdown;
