//! The requirements of the standards, named after the clause.

mod rfc3986;
mod rfc6750;
mod rfc7239;
mod rfc7516;
mod rfc7638;
mod rfc7662;
mod rfc8693;
mod rfc8705;
mod rfc8936;
mod rfc9110;
mod rfc9112;
mod rfc9113;
mod rfc9396;
mod rfc9449;
mod rfc9457;
mod rfc9470;
mod rfc9701;
mod rfc9728;
mod smuggling;
mod ssf;
