//! Contract §10: the gate asked by other proxies. Real ones run with the configurations of
//! `deploy/beside/` as they are, ports aside.

mod forward_auth;
mod proxies;
