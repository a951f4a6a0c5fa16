//! The usual arrangement: a gateway between a fake authorization server and an echo upstream.

use super::{AuthorizationServer, Builder, Gateway, Response, Upstream};
use serde_json::{Value, json};

pub struct Setup {
    pub gateway: Gateway,
    pub server: AuthorizationServer,
    pub upstream: Upstream,
}

impl Setup {
    /// Starts all three. In the configuration `@AS@` is replaced by the introspection endpoint,
    /// `@AS_ORIGIN@` by its URL without a path and `@UPSTREAM@` by the upstream's URL; without
    /// `authorization_servers:` there is one, `main`, with `client_auth` none. The tokens of
    /// [`known_tokens`] are known.
    #[track_caller]
    pub fn start(yaml: &str) -> Setup {
        Setup::build(Builder::new(), yaml)
    }

    #[track_caller]
    pub fn build(builder: Builder, yaml: &str) -> Setup {
        Setup::around(AuthorizationServer::start(), builder, yaml)
    }

    /// The same with an authorization server that is there already.
    #[track_caller]
    pub fn around(server: AuthorizationServer, builder: Builder, yaml: &str) -> Setup {
        let upstream = Upstream::start();
        known_tokens(&server);
        let gateway = builder.start(&fill_in(yaml, &server, &upstream));
        Setup { gateway, server, upstream }
    }

    /// One route `all` for every path, with these further keys, e.g. `scopes: [read], max_age: 1s`.
    #[track_caller]
    pub fn route(keys: &str) -> Setup {
        Setup::start(&one_route(keys))
    }

    /// One route for every path, and these keys for the server `main`, e.g. `timeout: 300ms,
    /// retries: 0`.
    #[track_caller]
    pub fn server(keys: &str) -> Setup {
        Setup::start(&server_and_route(keys))
    }

    /// The configuration with its placeholders filled in, for a reload.
    pub fn fill_in(&self, yaml: &str) -> String {
        fill_in(yaml, &self.server, &self.upstream)
    }

    #[track_caller]
    pub fn reload(&self, yaml: &str) {
        self.gateway.reload(&self.fill_in(yaml));
    }

    /// GET of `/` with this bearer token.
    #[track_caller]
    pub fn get(&self, token: &str) -> Response {
        self.gateway.get_with("/", token)
    }

    /// The same, as status and reason; the reason is empty unless the response is a refusal.
    #[track_caller]
    pub fn outcome(&self, token: &str) -> (u16, String) {
        let response = self.get(token);
        (response.status, response.reason())
    }
}

/// `good` is active with the scopes `read write` and the usual members, `narrow` has no scope but
/// `other`, `bare` is active without any member; `expired` was active a minute ago. All others are
/// inactive.
pub fn known_tokens(server: &AuthorizationServer) {
    let good = json!({
        "sub": "alice", "username": "alice@example.com", "client_id": "app",
        "scope": "read write", "exp": super::now() + 3600,
    });
    server.answer("good", active(good));
    server.answer("narrow", active(json!({ "sub": "bob", "scope": "other" })));
    server.answer("bare", active(json!({})));
    server.answer("expired", active(json!({ "exp": super::now() - 60 })));
}

/// The members with `"active": true` in front.
pub fn active(mut members: Value) -> Value {
    members["active"] = json!(true);
    members
}

pub fn one_route(keys: &str) -> String {
    format!("routes:\n  - {{ name: all, path: /*, upstream: \"@UPSTREAM@\", {keys} }}\n")
}

fn server_and_route(keys: &str) -> String {
    format!(
        "authorization_servers:\n  main: {{ introspection_endpoint: \"@AS@\", {keys} }}\n{}",
        one_route("")
    )
}

fn fill_in(yaml: &str, server: &AuthorizationServer, upstream: &Upstream) -> String {
    let mut whole = String::new();
    if !yaml.lines().any(|line| line.starts_with("authorization_servers:")) {
        whole.push_str("authorization_servers:\n  main: { introspection_endpoint: \"@AS@\" }\n");
    }
    whole.push_str(yaml);
    whole
        .replace("@AS@", &server.url())
        .replace("@AS_ORIGIN@", &server.origin())
        .replace("@UPSTREAM@", &upstream.url())
}
