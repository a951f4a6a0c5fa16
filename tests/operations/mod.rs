//! Running it: the admin listener, metrics, logs, reload and the end.

mod admin;
mod decisions;
mod idle;
mod logs;
mod metrics;
mod page;
mod prometheus;
mod reload;
mod shutdown;
mod systemd;
mod unit;
mod upgrade;
