//! The same situations for every proxy, and the table of results, which docs/beside.md shows.

use super::running::{Beside, Proxy};
use crate::interop::{cache, unless_missing};
use crate::support::Response;
use std::fs;

/// A proxy that can be had from a registry or from Debian.
pub struct Peer {
    pub name: &'static str,
    /// Finds or makes it; an error names the missing part.
    pub proxy: fn() -> Result<Proxy, String>,
    /// Where the outcome is not the usual one.
    pub differs: &'static [(Situation, &'static str)],
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Situation {
    TokenIn,
    IdentityOut,
    ForgedIdentity,
    Authorization,
    NoToken,
    BadToken,
    WrongScope,
    /// The body of those refusals.
    Body,
    /// The client itself sends the headers in which proxies describe a request.
    ForgedDescription,
    WebSocket,
    /// The authorization server is down.
    NoFacts,
    /// introgate is down.
    NoGateway,
}
use Situation::*;

impl Situation {
    const ALL: [Situation; 12] = [
        TokenIn,
        IdentityOut,
        ForgedIdentity,
        Authorization,
        NoToken,
        BadToken,
        WrongScope,
        Body,
        ForgedDescription,
        WebSocket,
        NoFacts,
        NoGateway,
    ];

    fn title(self) -> &'static str {
        match self {
            TokenIn => "token in",
            IdentityOut => "identity headers out",
            ForgedIdentity => "forged identity header",
            Authorization => "`Authorization` before the service",
            NoToken => "no token",
            BadToken => "bad token",
            WrongScope => "wrong scope",
            Body => "body of a refusal",
            ForgedDescription => "forged description of the request",
            WebSocket => "WebSocket handshake",
            NoFacts => "authorization server down",
            NoGateway => "introgate down",
        }
    }

    fn usual(self) -> &'static str {
        match self {
            TokenIn => "200",
            IdentityOut => "set",
            ForgedIdentity => "removed",
            Authorization => "removed",
            NoToken => "401, challenge",
            BadToken => "401, `invalid_token`",
            WrongScope => "403, `insufficient_scope`",
            Body => "introgate's",
            ForgedDescription => "400",
            WebSocket => "101; 401 without a token",
            NoFacts => "503, `Retry-After`",
            NoGateway => "503",
        }
    }
}

impl Peer {
    fn expected(&self, situation: Situation) -> &'static str {
        let different = self.differs.iter().find(|(which, _)| *which == situation);
        different.map_or(situation.usual(), |(_, outcome)| outcome)
    }

    fn line<'a>(&self, outcome: impl Fn(Situation) -> &'a str) -> String {
        format!("| {} | {} |\n", self.name, Situation::ALL.map(outcome).join(" | "))
    }
}

/// The whole table as it should be.
pub fn table(peers: &[&Peer]) -> String {
    let titles = Situation::ALL.map(Situation::title).join(" | ");
    let rule = "|---".repeat(Situation::ALL.len() + 1);
    let lines: String = peers.iter().map(|peer| peer.line(|it| peer.expected(it))).collect();
    format!("| proxy | {titles} |\n{rule}|\n{lines}")
}

/// Starts the proxy, goes through all situations, and compares the results with the expected ones.
#[track_caller]
pub fn go_through(peer: &Peer) {
    let Some(proxy) = unless_missing((peer.proxy)()) else { return };
    let outcomes = outcomes(Beside::start(&proxy));
    let outcome = |situation: Situation| {
        let found = outcomes.iter().find(|(which, _)| *which == situation);
        found.map_or("?", |(_, outcome)| outcome.as_str())
    };
    let folder = cache().join("beside");
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(peer.name), peer.line(outcome)).expect("write the results");
    for situation in Situation::ALL {
        assert_eq!(outcome(situation), peer.expected(situation), "{}: {situation:?}", peer.name);
    }
}

const READER: (&str, &str) = ("Authorization", "Bearer reader");

fn outcomes(mut beside: Beside) -> Vec<(Situation, String)> {
    let mut outcomes = Vec::new();
    let mut note = |situation: Situation, outcome: String| outcomes.push((situation, outcome));
    let forged = [
        ("X-Introspected-Sub", "admin"),
        ("x-introspected-username", "root"),
        ("X_Introspected_Scope", "admin"),
    ];

    let response = beside.request("GET", "/items?a=b", &[&[READER], &forged[..]].concat());
    note(TokenIn, response.status.to_string());
    let seen = beside.service.last();
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("GET", "/items?a=b"));
    let set = seen.headers_all("x-introspected-sub") == ["alice"]
        && seen.headers_all("x-introspected-scope") == ["read"];
    note(IdentityOut, either(set, "set", || format!("{:?}", seen.headers)));
    let token = seen.header("authorization");
    note(Authorization, either(token.is_none(), "removed", || "the token".to_owned()));
    // a request that needs no token
    beside.request("GET", "/public/a", &forged);
    let public = beside.service.last();
    assert_eq!(public.target, "/public/a");
    let left = [
        seen.headers_all("x-introspected-username"),
        seen.headers_all("x_introspected_scope"),
        public.headers_all("x-introspected-sub"),
        public.headers_all("x-introspected-username"),
        public.headers_all("x_introspected_scope"),
    ]
    .concat();
    note(ForgedIdentity, either(left.is_empty(), "removed", || format!("{left:?}")));

    let before = beside.service.count();
    let challenge = |response: &Response| -> String {
        response.header("www-authenticate").unwrap_or_default().to_owned()
    };
    let missing = beside.request("GET", "/items", &[]);
    let fits = challenge(&missing).starts_with("Bearer realm=");
    note(NoToken, answered(&missing, fits, "challenge"));
    let bad = beside.request("GET", "/items", &[("Authorization", "Bearer unknown")]);
    let fits = challenge(&bad).contains("error=\"invalid_token\"");
    note(BadToken, answered(&bad, fits, "`invalid_token`"));
    let narrow = beside.request("DELETE", "/items", &[READER]);
    let fits = challenge(&narrow).contains("error=\"insufficient_scope\"")
        && challenge(&narrow).contains("scope=\"write\"");
    note(WrongScope, answered(&narrow, fits, "`insufficient_scope`"));
    let reasons = [missing.reason(), bad.reason(), narrow.reason()];
    let whole = reasons == ["missing_token", "inactive", "insufficient_scope"];
    note(Body, either(whole, "introgate's", || "the proxy's".to_owned()));

    // the method and the path in question decide, against all headers of the client
    let described = [
        READER,
        ("X-Forwarded-Method", "GET"),
        ("X-Original-Method", "GET"),
        ("X-Forwarded-Uri", "/public/a"),
        ("X-Original-URI", "/public/a"),
        ("X-Original-URL", "http://localhost/public/a"),
    ];
    note(ForgedDescription, beside.request("DELETE", "/items", &described).status.to_string());
    assert_eq!(beside.service.count(), before, "a refused request does not reach the service");
    let writer = [("Authorization", "Bearer writer")];
    assert_eq!(beside.request("DELETE", "/items", &writer).status, 200);

    let upgrade = [
        READER,
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
    ];
    let with = beside.request("GET", "/items", &upgrade).status;
    let without = beside.request("GET", "/items", &upgrade[1..]).status;
    note(WebSocket, format!("{with}; {without} without a token"));

    beside.server.stop();
    let before = beside.service.count();
    let down = beside.request("GET", "/items", &[("Authorization", "Bearer new")]);
    note(NoFacts, answered(&down, down.header("retry-after").is_some(), "`Retry-After`"));
    beside.gateway = None;
    note(NoGateway, beside.request("GET", "/items", &[READER]).status.to_string());
    assert_eq!(beside.service.count(), before, "without the gateway nothing passes");
    outcomes
}

fn either(good: bool, word: &str, otherwise: impl FnOnce() -> String) -> String {
    if good { word.to_owned() } else { otherwise() }
}

/// The status, and whether a header is as the word says.
fn answered(response: &Response, fits: bool, word: &str) -> String {
    let status = response.status;
    if fits { format!("{status}, {word}") } else { format!("{status}, without {word}") }
}
