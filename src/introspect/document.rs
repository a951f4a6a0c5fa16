//! Documents that an authorization server publishes: metadata and keys.

use super::http_client::HttpClient;
use super::status::{self, shown};
use super::{Failure, FailureKind};
use crate::token::json;
use http::{StatusCode, header};
use serde_json::{Map, Value};
use url::Url;

/// One JSON object without duplicate members. Redirects are not followed: who can redirect could
/// hand out keys.
pub async fn json_object(client: &HttpClient, url: &Url) -> Result<Map<String, Value>, Failure> {
    fetch(client, url).await.map_err(|failure| failure.at(&shown(url)))
}

async fn fetch(client: &HttpClient, url: &Url) -> Result<Map<String, Value>, Failure> {
    let answer = client
        .send(|client| client.get(url.clone()).header(header::ACCEPT, "application/json"))
        .await?;
    match answer.status {
        StatusCode::OK => json::object(&answer.body).map_err(|_| {
            Failure::new(
                FailureKind::BadResponse,
                "status 200, but not one JSON object without duplicate members",
            )
        }),
        _ => Err(status::failure(&answer, "this document should be public")),
    }
}
