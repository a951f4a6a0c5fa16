//! `google`.

use super::tokeninfo::{audience, endpoint};
use super::{CompileKind, Context, WrittenServer};
use crate::config::raw;
use crate::introspect::{GoogleSettings, ServerKind};
use std::sync::Arc;

const ENDPOINT: &str = "https://oauth2.googleapis.com/tokeninfo";
/// A client id as they look.
const CLIENT_ID: &str = "123.apps.googleusercontent.com";

impl CompileKind for raw::Google {
    const IS_ASKED_ABOUT_JWTS: bool = false;

    fn asks_too(&self) -> Option<&str> {
        None
    }

    fn compile(&self, cx: Context, server: WrittenServer<'_>) -> Option<Arc<dyn ServerKind>> {
        let (audience_at, endpoint_at) = (server.path.key("audience"), server.path.key("endpoint"));
        let audience = audience(cx, &audience_at, self.audience.as_deref(), CLIENT_ID);
        let endpoint = endpoint(cx, &endpoint_at, self.endpoint.as_deref(), ENDPOINT);
        Some(Arc::new(GoogleSettings { endpoint: endpoint?, audience: audience? }))
    }
}
