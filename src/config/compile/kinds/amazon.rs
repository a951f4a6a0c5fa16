//! `amazon`.

use super::tokeninfo::{audience, endpoint};
use super::{CompileKind, Context, WrittenServer};
use crate::config::raw;
use crate::introspect::{AmazonSettings, ServerKind};
use std::sync::Arc;

const ENDPOINT: &str = "https://api.amazon.com/auth/o2/tokeninfo";
/// A client id as they look.
const CLIENT_ID: &str = "amzn1.application-oa2-client.123";

impl CompileKind for raw::Amazon {
    const IS_ASKED_ABOUT_JWTS: bool = false;

    fn asks_too(&self) -> Option<&str> {
        None
    }

    fn compile(&self, cx: Context, server: WrittenServer<'_>) -> Option<Arc<dyn ServerKind>> {
        let (audience_at, endpoint_at) = (server.path.key("audience"), server.path.key("endpoint"));
        let audience = audience(cx, &audience_at, self.audience.as_deref(), CLIENT_ID);
        let endpoint = endpoint(cx, &endpoint_at, self.endpoint.as_deref(), ENDPOINT);
        Some(Arc::new(AmazonSettings { endpoint: endpoint?, audience: audience? }))
    }
}
