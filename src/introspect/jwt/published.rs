//! The key set that an authorization server publishes.

use super::keys::KeySet;
use crate::introspect::discovery::Discovery;
use crate::introspect::document::json_object;
use crate::introspect::fetched::{Fetch, Fetched};
use crate::introspect::http_client::HttpClient;
use crate::introspect::status::shown;
use crate::introspect::{Failure, FailureKind};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// How long a key set is taken for the present one. New keys are found earlier, when a token names
/// one; this is how long a withdrawn key may still serve.
pub const REFRESH: Duration = Duration::from_secs(10 * 60);

pub struct PublishedKeySet {
    pub client: Arc<HttpClient>,
    pub at: KeySetLocation,
}

pub enum KeySetLocation {
    Url(Url),
    Found(Arc<Fetched<Discovery>>),
}

#[async_trait]
impl Fetch for PublishedKeySet {
    type Document = KeySet;

    async fn fetch(&self) -> Result<KeySet, Failure> {
        let url = match &self.at {
            KeySetLocation::Url(url) => Arc::new(url.clone()),
            KeySetLocation::Found(discovery) => discovery.get().await?,
        };
        let members = json_object(&self.client, &url).await?;
        KeySet::from_members(&members).map_err(|error| {
            Failure::new(FailureKind::BadResponse, format!("{}: {error}", shown(&url)))
        })
    }
}
