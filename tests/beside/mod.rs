//! Contract §10: the gate asked by other proxies. Real ones run with the configurations of
//! `deploy/beside/` as they are, ports aside; `make beside` prints the table of results.

mod envoy;
mod forward_auth;
mod health;
mod proxies;
mod running;
mod situations;
mod strangers;
mod traefik;
