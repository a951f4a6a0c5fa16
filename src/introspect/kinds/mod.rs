//! The kinds of authorization server: one file each, with its settings, its properties, its
//! requests and the reading of its answers.

mod amazon;
mod custom;
mod github;
mod google;
mod jwt;
mod rfc7662;
mod soap;
#[cfg(test)]
mod tests;

pub use amazon::AmazonSettings;
pub use custom::{BodyTemplate, CustomSettings};
pub use github::{GithubApi, GithubSettings};
pub use google::GoogleSettings;
pub use rfc7662::Rfc7662Settings;
pub use soap::{SoapSettings, SoapVersion};
