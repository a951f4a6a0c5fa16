//! The questions of proxies that people already run: may this request pass? Nothing is forwarded
//! for them; routes, policies, cache, refusals, logs and metrics are those of the proxy
//! (contract §10).

mod question;

pub use question::Question;
