//! `client_auth`: exactly one method, with all that it needs and nothing that belongs to another.

use super::files::GivenSecret;
use super::{Context, Reported};
use crate::clock::Clock;
use crate::config::path::KeyPath;
use crate::config::raw::{self, Method, ServerCommon, TokenEndpointAuth, listed};
use crate::introspect::jwt::Algorithm;
use crate::introspect::{
    AssertionFile, ClientAuth, ClientCertificate, ClientCredentials, Part, SignedAssertion,
    SigningKey,
};
use crate::secret::Secret;
use std::sync::Arc;
use url::Url;

/// The keys of each method. The key of a secret includes its `…_file` form.
const METHODS: [(Method, &[&str]); 10] = [
    (Method::None, &[]),
    (Method::Bearer, &["token"]),
    (Method::ClientSecretBasic, &["client_id", "client_secret", "form_encode"]),
    (Method::ClientSecretPost, &["client_id", "client_secret"]),
    (Method::ClientSecretJwt, &["client_id", "client_secret", "algorithm", "audience"]),
    (Method::PrivateKeyJwt, &["client_id", "private_key", "key_id", "algorithm", "audience"]),
    (Method::ClientAssertion, &["client_id", "assertion_file"]),
    (Method::TlsClientAuth, &["client_id", "certificate", "private_key"]),
    (Method::SelfSignedTlsClientAuth, &["client_id", "certificate", "private_key"]),
    (
        Method::ClientCredentials,
        &[
            "client_id",
            "client_secret",
            "form_encode",
            "token_endpoint",
            "token_endpoint_auth_method",
            "scope",
            "private_key",
            "key_id",
            "algorithm",
            "audience",
            "certificate",
        ],
    ),
];

/// `endpoints`: those of the server, where they are written.
pub fn client_auth(
    cx: Context,
    server: &KeyPath,
    common: &ServerCommon,
    raw: &raw::ClientAuth,
    endpoints: Option<&[Url]>,
) -> Option<ClientAuth> {
    let path = &server.key("client_auth");
    if cx.report.is_broken(&path.key("method")) {
        return None;
    }
    let token = cx.secret(path, "token", &raw.token, raw.token_file.as_deref());
    let secret =
        cx.secret(path, "client_secret", &raw.client_secret, raw.client_secret_file.as_deref());
    foreign_members(cx, path, raw);
    let method = raw.method.word();
    match raw.method {
        Method::None => Some(ClientAuth::None),
        Method::Bearer => {
            let token = needed(cx, path, "token", method, token)?;
            visible(cx, path, "token", raw.token_file.is_some(), &token)
                .then_some(ClientAuth::Bearer { token })
        }
        Method::ClientSecretBasic => {
            let (client_id, client_secret) = pair(cx, path, raw, secret)?;
            basic(cx, path, raw, &client_secret);
            Some(ClientAuth::ClientSecretBasic {
                client_id,
                client_secret,
                form_encode: raw.form_encode,
            })
        }
        Method::ClientSecretPost => {
            let (client_id, client_secret) = pair(cx, path, raw, secret)?;
            Some(ClientAuth::ClientSecretPost { client_id, client_secret })
        }
        Method::ClientSecretJwt => {
            let (client_id, secret) = pair(cx, path, raw, secret)?;
            check_audience(cx, path, common, raw);
            let algorithm = of_secret(cx, path, raw, &secret)?;
            Some(ClientAuth::Assertion(Arc::new(SignedAssertion::by_secret(
                client_id,
                &secret,
                algorithm,
                audience(common, raw),
            ))))
        }
        Method::PrivateKeyJwt => private_key_jwt(cx, path, common, raw),
        Method::ClientAssertion => {
            let file = assertion_file(cx, path, raw)?;
            let client_id = Some(raw.client_id.clone()).filter(|id| !id.is_empty());
            Some(ClientAuth::PlatformAssertion { client_id, file: Arc::new(file) })
        }
        Method::TlsClientAuth | Method::SelfSignedTlsClientAuth => {
            let (client_id, certificate) = (client_id(cx, path, raw), certificate(cx, path, raw));
            if endpoints.is_some_and(|endpoints| {
                endpoints.iter().any(|endpoint| endpoint.scheme() != "https")
            }) {
                let message =
                    format!("`{method}` needs https: no certificate can be shown over plain http");
                cx.report.error(&server.key("introspection_endpoint"), message);
            }
            Some(ClientAuth::Tls { client_id: client_id?, certificate: certificate? })
        }
        Method::ClientCredentials => {
            let auth = token_endpoint_auth(cx, path, common, raw, secret);
            let token_endpoint = token_endpoint(cx, server, common, raw);
            let scope = scope(cx, &path.key("scope"), &raw.scope);
            let auth = auth?;
            let plain = |url: &Url| url.scheme() != "https";
            if matches!(auth, ClientAuth::Tls { .. })
                && matches!(&token_endpoint, Ok(Some(url)) if plain(url))
            {
                let message =
                    "`tls_client_auth` needs https: no certificate can be shown over plain http";
                cx.report.error(&path.key("token_endpoint"), message);
            }
            Some(ClientAuth::ClientCredentials(ClientCredentials {
                auth: Box::new(auth),
                token_endpoint: token_endpoint.ok()?,
                scope,
            }))
        }
    }
}

/// RFC 7523 §2.2.
fn private_key_jwt(
    cx: Context,
    path: &KeyPath,
    common: &ServerCommon,
    raw: &raw::ClientAuth,
) -> Option<ClientAuth> {
    let (client_id, key) = (client_id(cx, path, raw), signing_key(cx, path, raw));
    let (client_id, key) = (client_id?, key?);
    check_audience(cx, path, common, raw);
    let algorithm = of_key(cx, path, raw, &key)?;
    let key_id = Some(raw.key_id.clone()).filter(|id| !id.is_empty()).or_else(|| key.kid.clone());
    let audience = audience(common, raw);
    let assertion = SignedAssertion::by_key(client_id, key, algorithm, key_id, audience);
    Some(ClientAuth::Assertion(Arc::new(assertion)))
}

/// How the gateway authenticates to the token endpoint: as it is written, or by the credentials
/// that are.
fn token_endpoint_auth(
    cx: Context,
    path: &KeyPath,
    common: &ServerCommon,
    raw: &raw::ClientAuth,
    secret: GivenSecret,
) -> Option<ClientAuth> {
    use TokenEndpointAuth::{ClientSecretBasic, ClientSecretPost, PrivateKeyJwt, TlsClientAuth};
    let method = match raw.token_endpoint_auth_method {
        Some(method) => method,
        None if !raw.certificate.is_empty() => TlsClientAuth,
        None if !raw.private_key.is_empty() => PrivateKeyJwt,
        None => ClientSecretBasic,
    };
    let members: &[&str] = match method {
        ClientSecretBasic => &["client_secret", "client_secret_file", "form_encode"],
        ClientSecretPost => &["client_secret", "client_secret_file"],
        PrivateKeyJwt => &["private_key", "key_id", "algorithm", "audience"],
        TlsClientAuth => &["certificate", "private_key"],
    };
    let all = [
        "client_secret",
        "client_secret_file",
        "form_encode",
        "private_key",
        "key_id",
        "algorithm",
        "audience",
        "certificate",
    ];
    for key in all.into_iter().filter(|key| !members.contains(key)) {
        let at = path.key(key);
        if cx.report.has(&at) {
            let word = method.word();
            let message = format!(
                "is not used: the gateway authenticates to the token endpoint by `{word}` here (`token_endpoint_auth_method`); remove it"
            );
            cx.report.error_at_key(&at, message);
        }
    }
    match method {
        ClientSecretBasic => {
            let (client_id, client_secret) = pair(cx, path, raw, secret)?;
            basic(cx, path, raw, &client_secret);
            let form_encode = raw.form_encode;
            Some(ClientAuth::ClientSecretBasic { client_id, client_secret, form_encode })
        }
        ClientSecretPost => {
            let (client_id, client_secret) = pair(cx, path, raw, secret)?;
            Some(ClientAuth::ClientSecretPost { client_id, client_secret })
        }
        PrivateKeyJwt => private_key_jwt(cx, path, common, raw),
        TlsClientAuth => {
            let (client_id, certificate) = (client_id(cx, path, raw), certificate(cx, path, raw));
            Some(ClientAuth::Tls { client_id: client_id?, certificate: certificate? })
        }
    }
}

fn foreign_members(cx: Context, path: &KeyPath, raw: &raw::ClientAuth) {
    let set = |text: &str| !text.is_empty();
    let file = |name: &Option<String>| name.as_deref().is_some_and(set);
    let written = [
        ("token", "token", set(raw.token.0.expose())),
        ("token_file", "token", file(&raw.token_file)),
        ("client_id", "client_id", set(&raw.client_id)),
        ("client_secret", "client_secret", set(raw.client_secret.0.expose())),
        ("client_secret_file", "client_secret", file(&raw.client_secret_file)),
        ("form_encode", "form_encode", !raw.form_encode),
        ("token_endpoint", "token_endpoint", set(&raw.token_endpoint)),
        ("scope", "scope", set(&raw.scope)),
        (
            "token_endpoint_auth_method",
            "token_endpoint_auth_method",
            raw.token_endpoint_auth_method.is_some(),
        ),
        ("assertion_file", "assertion_file", set(&raw.assertion_file)),
        ("private_key", "private_key", set(&raw.private_key)),
        ("certificate", "certificate", set(&raw.certificate)),
        ("key_id", "key_id", set(&raw.key_id)),
        ("algorithm", "algorithm", set(&raw.algorithm)),
        ("audience", "audience", set(&raw.audience)),
    ];
    for (key, member, written) in written {
        let methods: Vec<Method> = METHODS
            .iter()
            .filter(|(_, members)| members.contains(&member))
            .map(|(method, _)| *method)
            .collect();
        if written && !methods.contains(&raw.method) {
            let words: Vec<String> =
                methods.iter().map(|method| format!("`{}`", method.word())).collect();
            let words = listed(&words);
            let set = if cx.report.has(&path.key("method")) { "" } else { ", the default" };
            let method = raw.method.word();
            let message = format!(
                "belongs to {words}, and the method is `{method}`{set}; write exactly one method and its keys"
            );
            cx.report.error_at_key(&path.key(key), message);
        }
    }
}

fn client_id(cx: Context, path: &KeyPath, raw: &raw::ClientAuth) -> Option<String> {
    written(cx, path, raw, "client_id", &raw.client_id)
}

/// A text that the method needs.
fn written(
    cx: Context,
    path: &KeyPath,
    raw: &raw::ClientAuth,
    key: &str,
    text: &str,
) -> Option<String> {
    if text.is_empty() && !cx.report.is_broken(&path.key(key)) {
        missing(cx, path, key, &format!("`{}` needs it", raw.method.word()));
    }
    (!text.is_empty()).then(|| text.to_owned())
}

fn pair(
    cx: Context,
    path: &KeyPath,
    raw: &raw::ClientAuth,
    secret: GivenSecret,
) -> Option<(String, Secret)> {
    let client_id = client_id(cx, path, raw);
    let secret = needed(cx, path, "client_secret", raw.method.word(), secret)?;
    Some((client_id?, secret))
}

/// Characters that Basic cannot carry.
fn basic(cx: Context, path: &KeyPath, raw: &raw::ClientAuth, secret: &Secret) {
    let odd = |text: &str| text.contains(char::is_control);
    if !raw.form_encode && raw.client_id.contains(':') {
        let message = "has a colon, which Basic cannot carry without encoding; use `form_encode: true` or `client_secret_post`";
        cx.report.error(&path.key("client_id"), message);
    }
    if !raw.form_encode && (odd(&raw.client_id) || odd(secret.expose())) {
        cx.report
            .error(&path.key("form_encode"), "must be `true`: id or secret has control characters");
    }
}

/// An expired assertion is not an error: the platform may write the next one before the first
/// call.
fn assertion_file(cx: Context, path: &KeyPath, raw: &raw::ClientAuth) -> Option<AssertionFile> {
    let name = written(cx, path, raw, "assertion_file", &raw.assertion_file)?;
    let at = path.key("assertion_file");
    let (place, content, shared) = cx.look_at(&at, &name)?;
    let file = AssertionFile::new(&place, &content)
        .map_err(|wrong| cx.report.error(&at, wrong.to_string()))
        .ok()?;
    if shared {
        cx.report.warning(&at, "is readable by every user of this machine, each of whom can then act as the gateway; let only the gateway's user read it");
    }
    if file.ends() <= Clock::system().now().unix_seconds() {
        cx.report.warning(&at, "has an assertion that has expired, which is not sent; does the platform still renew it?");
    }
    Some(file)
}

/// Warns where `aud` of assertions would be the endpoint: by rfc7523bis it is the issuer alone, so
/// that no server can use an assertion at another one.
fn check_audience(cx: Context, path: &KeyPath, common: &ServerCommon, raw: &raw::ClientAuth) {
    if audience(common, raw).is_none() {
        let message = "is missing, and the server has no `issuer`: `aud` of assertions is the called endpoint then, which servers that follow rfc7523bis refuse; write the server's `issuer`, or this key";
        cx.report.warning_at_key(&path.key("audience"), message);
    }
}

/// RFC 7523 §3: the endpoint, or the issuer, which most servers accept as their own name.
fn audience(common: &ServerCommon, raw: &raw::ClientAuth) -> Option<String> {
    let written = Some(raw.audience.clone()).filter(|audience| !audience.is_empty());
    written.or_else(|| common.issuer.clone())
}

/// RFC 7518 §3.2: a secret is at least as long as the hash.
fn of_secret(
    cx: Context,
    path: &KeyPath,
    raw: &raw::ClientAuth,
    secret: &Secret,
) -> Option<Algorithm> {
    let at = path.key("algorithm");
    let (algorithm, needed) = match &*raw.algorithm {
        _ if cx.report.is_broken(&at) => return None,
        "" | "HS256" => (Algorithm::HS256, 32),
        "HS384" => (Algorithm::HS384, 48),
        "HS512" => (Algorithm::HS512, 64),
        other => {
            let shown = cx.report.shown(&at, other);
            cx.report.error(
                &at,
                format!(
                    "{shown} is not an algorithm of `client_secret_jwt`; write HS256, HS384 or HS512"
                ),
            );
            return None;
        }
    };
    if secret.expose().len() < needed {
        let key =
            if raw.client_secret_file.is_some() { "client_secret_file" } else { "client_secret" };
        let message = format!(
            "is shorter than the {needed} bytes that {algorithm:?} needs (RFC 7518 §3.2); have a longer one made"
        );
        cx.report.error(&path.key(key), message);
        return None;
    }
    Some(algorithm)
}

fn signing_key(cx: Context, path: &KeyPath, raw: &raw::ClientAuth) -> Option<SigningKey> {
    let name = written(cx, path, raw, "private_key", &raw.private_key)?;
    let at = path.key("private_key");
    let content = cx.content(&at, &name)?;
    SigningKey::of_file(&content, &raw.key_id).map_err(|wrong| cx.report.error(&at, wrong)).ok()
}

fn of_key(
    cx: Context,
    path: &KeyPath,
    raw: &raw::ClientAuth,
    key: &SigningKey,
) -> Option<Algorithm> {
    let at = path.key("algorithm");
    if cx.report.is_broken(&at) {
        return None;
    }
    if raw.algorithm.is_empty() {
        return key.algorithms.first().copied();
    }
    let fitting: Vec<String> =
        key.algorithms.iter().map(|algorithm| format!("{algorithm:?}")).collect();
    let shown = cx.report.shown(&at, &raw.algorithm);
    let wrong = match raw.algorithm.parse::<Algorithm>() {
        Ok(algorithm) if key.algorithms.contains(&algorithm) => return Some(algorithm),
        Ok(algorithm) if algorithm.is_by_secret() => {
            format!(
                "{shown} is a secret-key algorithm, which `client_secret_jwt` has; write {}",
                fitting.join(" or ")
            )
        }
        _ => {
            format!("{shown} does not fit the key in `private_key`; write {}", fitting.join(" or "))
        }
    };
    cx.report.error(&at, wrong);
    None
}

fn certificate(cx: Context, path: &KeyPath, raw: &raw::ClientAuth) -> Option<ClientCertificate> {
    let certificate = written(cx, path, raw, "certificate", &raw.certificate);
    let private_key = written(cx, path, raw, "private_key", &raw.private_key);
    let (at, key_at) = (path.key("certificate"), path.key("private_key"));
    let (certificate, private_key) =
        (cx.content(&at, &certificate?), cx.content(&key_at, &private_key?));
    match ClientCertificate::from_pem(&certificate?, &private_key?) {
        Ok(certificate) => {
            if certificate.ends() <= Clock::system().now().unix_seconds() {
                cx.report.warning(&at, "has expired: the server will hardly accept it; put the present one in its place");
            }
            Some(certificate)
        }
        Err((part, wrong)) => {
            cx.report.error(if part == Part::Certificate { &at } else { &key_at }, wrong);
            None
        }
    }
}

/// `None`: found by the issuer.
fn token_endpoint(
    cx: Context,
    server: &KeyPath,
    common: &ServerCommon,
    raw: &raw::ClientAuth,
) -> Result<Option<Url>, Reported> {
    let (section, written) = (server.key("client_auth"), &raw.token_endpoint);
    let at = section.key("token_endpoint");
    match (&**written, common.issuer.as_deref().filter(|issuer| !issuer.is_empty())) {
        _ if cx.report.is_broken(&at) => Err(Reported),
        ("", Some(issuer)) => cx
            .discoverable(&server.key("issuer"), issuer, "`client_auth.token_endpoint`")
            .map(|_| None)
            .ok_or(Reported),
        ("", None) => {
            missing(
                cx,
                &section,
                "token_endpoint",
                "`client_credentials` needs it, or the server's `issuer`",
            );
            Err(Reported)
        }
        (text, _) => cx.asked_url(&at, text).map(Some).ok_or(Reported),
    }
}

/// RFC 6749 §3.3.
fn scope(cx: Context, at: &KeyPath, text: &str) -> Option<String> {
    let fits = |scope: &str| {
        !scope.is_empty()
            && scope.bytes().all(|b| matches!(b, 0x21..=0x7e) && !matches!(b, b'"' | b'\\'))
    };
    if !text.is_empty() && !text.split(' ').all(fits) {
        cx.report.error(at, "is not a list of scopes with one space between two of them");
    }
    (!text.is_empty()).then(|| text.to_owned())
}

fn needed(
    cx: Context,
    path: &KeyPath,
    key: &str,
    method: &str,
    given: GivenSecret,
) -> Option<Secret> {
    match given {
        GivenSecret::Secret(secret) => Some(secret),
        GivenSecret::Broken => None,
        GivenSecret::Missing => {
            missing(cx, path, key, &format!("`{method}` needs it, or `{key}_file`"));
            None
        }
    }
}

fn missing(cx: Context, path: &KeyPath, key: &str, why: &str) {
    let path = path.key(key);
    if cx.report.has(&path) {
        cx.report.error(&path, format!("is empty; {why}"));
    } else {
        cx.report.error_at_key(&path, format!("is missing; {why}"));
    }
}

/// Whether the text can be sent in a header.
fn visible(cx: Context, path: &KeyPath, key: &str, from_file: bool, secret: &Secret) -> bool {
    let visible = secret.expose().bytes().all(|b| matches!(b, 0x21..=0x7e));
    if !visible {
        let path = if from_file { path.key(&format!("{key}_file")) } else { path.key(key) };
        cx.report.error(&path, "has white space or characters other than visible ASCII, and cannot be sent in a header");
    }
    visible
}
