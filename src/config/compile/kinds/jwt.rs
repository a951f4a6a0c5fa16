//! `jwt`: tokens that are checked here.

use super::decryption::decryption_keys;
use super::{CompileKind, Context, Reported, WrittenServer, is_asked_about_jwts};
use crate::clock::Clock;
use crate::config::path::KeyPath;
use crate::config::raw::{self, Period, ServerCommon};
use crate::gate::RouteSettings;
use crate::introspect::jwt::{
    Algorithm, JwtSettings, KeySet, KeySource, RequiredIssuer, TENANT, VerificationKey,
    keys_of_file, media_type,
};
use crate::introspect::{ServerKind, ServerSettings, is_loopback, is_safe};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

impl CompileKind for raw::Jwt {
    const IS_ASKED_ABOUT_JWTS: bool = false;

    fn asks_too(&self) -> Option<&str> {
        self.then.as_deref()
    }

    fn compile(&self, cx: Context, server: WrittenServer<'_>) -> Option<Arc<dyn ServerKind>> {
        let (path, common) = (server.path, server.common);
        let issuer = issuer(cx, path, common, self);
        let published = KeyKeys {
            issuer: common.issuer.as_deref(),
            jwks_uri: self.jwks_uri.as_deref(),
            files: self.keys.as_deref(),
        };
        let keys = keys(cx, path, published);
        let algorithms = algorithms(cx, &path.key("algorithms"), self.algorithms.as_deref());
        let then = then(cx, &path.key("then"), server.name, self);
        let keys_at = path.key("decryption_keys");
        let decryption_keys = decryption_keys(cx, &keys_at, self.decryption_keys.as_deref());
        if matches!(decryption_keys, Ok(Some(_))) && !common.tokens.jwt_issuer.is_empty() {
            let message = "cannot be seen in encrypted tokens, and so only those that are not encrypted will match; use `prefix`, or routes of their own";
            cx.report.warning(&path.key("tokens").key("jwt_issuer"), message);
        }
        let leeway = leeway(cx, &path.key("leeway"), self.leeway);
        let typ = texts(cx, &path.key("typ"), self.typ.as_deref());
        Some(Arc::new(JwtSettings {
            issuer: issuer?,
            keys: keys?,
            audience: texts(cx, &path.key("audience"), self.audience.as_deref()),
            algorithms: algorithms?,
            typ: typ.iter().map(|typ| media_type(typ)).collect(),
            decryption_keys: decryption_keys.ok()?,
            leeway,
            then: then.ok()?,
        }))
    }
}

pub fn leeway(cx: Context, path: &KeyPath, written: Option<Period>) -> Duration {
    let leeway = written.map_or(Duration::from_secs(10), |leeway| leeway.0);
    if leeway > Duration::from_secs(300) {
        cx.report.warning(path, "is long: tokens are accepted this long after they expire; correct clocks that differ by minutes");
    }
    leeway
}

/// Without an audience, a token that was issued for any other service would be good here.
pub fn audiences(cx: Context, servers: &[ServerSettings], routes: &[RouteSettings]) {
    for server in servers {
        let Some(verification) = server.profile().verification else { continue };
        let lax = routes.iter().find(|route| {
            let demands = &route.demands;
            demands.authorization_servers.contains(&server.name)
                && demands.policy.audience.is_empty()
        });
        if let (true, Some(route)) = (verification.audience.is_empty(), lax) {
            let path =
                KeyPath::root().key("authorization_servers").key(&server.name).key("audience");
            let why = format!(
                "write the name of this service in `aud`, here or in every route (`{}` has no `audience`); otherwise tokens for any other service would be accepted",
                route.name.chars().flat_map(char::escape_debug).collect::<String>()
            );
            cx.needed(&path, &why);
        }
    }
}

fn issuer(
    cx: Context,
    server: &KeyPath,
    common: &ServerCommon,
    raw: &raw::Jwt,
) -> Option<RequiredIssuer> {
    let (path, tenants_at) = (server.key("issuer"), server.key("tenants"));
    let Some(issuer) = common.issuer.as_ref().filter(|issuer| !issuer.is_empty()) else {
        if !cx.report.has(&path) {
            cx.needed(&path, "write the exact value of `iss`");
        }
        return None;
    };
    let tenants = raw.tenants.as_deref().unwrap_or_default();
    if !issuer.contains(TENANT) {
        if issuer.contains(['{', '}']) {
            cx.report.error(
                &path,
                format!(
                    "has a placeholder that is not known; for several tenants write `{TENANT}`"
                ),
            );
        }
        if !tenants.is_empty() {
            cx.report
                .error_at_key(&tenants_at, format!("needs `{TENANT}` in `issuer`, in the place of the tenant's id; remove one of the two"));
        }
        return Some(RequiredIssuer::Exactly(issuer.clone()));
    }
    if tenants.is_empty() {
        cx.needed(
            &tenants_at,
            "name the tenants whose tokens are good here, by their ids: else everybody's would be",
        );
        return None;
    }
    for (i, tenant) in tenants.iter().enumerate() {
        if tenant.is_empty()
            || !tenant.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
        {
            cx.report.error(&tenants_at.item(i), "is not the id of a tenant as in `tid` and `iss`");
        }
    }
    Some(RequiredIssuer::OfTenants { template: issuer.clone(), tenants: tenants.to_vec() })
}

/// The keys of the file that say where public keys are.
#[derive(Clone, Copy)]
pub struct KeyKeys<'a> {
    /// By which they are found where no other key is written.
    pub issuer: Option<&'a str>,
    pub jwks_uri: Option<&'a str>,
    /// `keys`.
    pub files: Option<&'a [String]>,
}

/// `section`: where they are.
pub fn keys(cx: Context, section: &KeyPath, written: KeyKeys) -> Option<KeySource> {
    let (files, at) = (section.key("keys"), section.key("jwks_uri"));
    if cx.report.is_broken(&files) || cx.report.is_broken(&at) {
        return None;
    }
    let names = written.files.unwrap_or_default();
    match written.jwks_uri.filter(|url| !url.is_empty()) {
        Some(_) if !names.is_empty() => {
            cx.report.error_at_key(&at, "`keys` is written as well; keep one of the two");
            None
        }
        Some(text) => {
            let url = cx.url(&at, text)?;
            if url.scheme() == "http" && !is_loopback(&url) {
                cx.report.warning(
                    &at,
                    "is plain http: an attacker who changes the response can make tokens; use https",
                );
            }
            Some(KeySource::At(url))
        }
        None if !names.is_empty() => of_files(cx, &files, names),
        None => discovered(cx, &section.key("issuer"), written.issuer?),
    }
}

fn of_files(cx: Context, section: &KeyPath, names: &[String]) -> Option<KeySource> {
    let now = Clock::system().now().unix_seconds();
    let mut keys: Vec<VerificationKey> = Vec::new();
    let mut digest = blake3::Hasher::new();
    let mut fine = true;
    for (i, name) in names.iter().enumerate() {
        let path = section.item(i);
        let read = cx.content(&path, name).map(|content| {
            digest.update(&(content.len() as u64).to_le_bytes()).update(&content);
            keys_of_file(&content)
        });
        match read {
            Some(Ok(of_file)) => {
                if of_file.iter().all(|key| key.until.is_some_and(|until| until <= now)) {
                    cx.report.warning(
                        &path,
                        "has expired: no token verifies with it; name the present one, or a bare public key, which has no end",
                    );
                }
                keys.extend(of_file);
            }
            Some(Err(message)) => {
                cx.report.error(&path, message);
                fine = false;
            }
            None => fine = false,
        }
    }
    if !fine {
        return None;
    }
    match KeySet::new(keys) {
        Ok(keys) => {
            Some(KeySource::Files { keys: Arc::new(keys), digest: digest.finalize().to_string() })
        }
        Err(error) => {
            cx.report.error(section, error.to_string());
            None
        }
    }
}

/// Microsoft publishes the keys of all tenants under the name `common`.
fn discovered(cx: Context, path: &KeyPath, issuer: &str) -> Option<KeySource> {
    let at = cx.discoverable(path, &issuer.replace(TENANT, "common"), "`jwks_uri` or `keys`")?;
    Some(KeySource::Issuer(issuer.to_owned(), at))
}

impl Context<'_> {
    /// The issuer as a place where a server's metadata can be read.
    pub fn discoverable(self, path: &KeyPath, issuer: &str, instead: &str) -> Option<Url> {
        if self.report.is_broken(path) {
            return None;
        }
        let url = Url::parse(issuer)
            .ok()
            .filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let wrong = match &url {
            Some(url) if is_safe(url) => return Some(url.clone()),
            Some(_) => "is plain http, and its content decides whom to trust",
            None => "is not an https URL, and so nothing can be found by it",
        };
        self.report.error(path, format!("{wrong}; write {instead} as well"));
        None
    }
}

pub fn algorithms(
    cx: Context,
    section: &KeyPath,
    written: Option<&[String]>,
) -> Option<Vec<Algorithm>> {
    let Some(written) = written else {
        return Some(vec![Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]);
    };
    if written.is_empty() {
        cx.report.error(section, "is an empty list; name at least one, or remove the key");
    }
    let mut algorithms = Vec::new();
    for (i, text) in written.iter().enumerate() {
        let path = section.item(i);
        match text.parse::<Algorithm>() {
            Ok(algorithm) if algorithm.is_by_secret() => {
                cx.report.error(&path, "is a secret-key algorithm: everyone who can check a token with it can make one; use public keys");
            }
            Ok(algorithm) => algorithms.push(algorithm),
            Err(_) if text.eq_ignore_ascii_case("none") => {
                cx.report.error(&path, "means no signature; any sender can make such tokens")
            }
            Err(_) => {
                let shown = cx.report.shown(&path, text);
                let known =
                    "RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 and EdDSA";
                cx.report.error(
                    &path,
                    format!("{shown} is not an algorithm that is known here; these are: {known}"),
                );
            }
        }
    }
    (!algorithms.is_empty() && algorithms.len() == written.len()).then_some(algorithms)
}

/// The server that is asked as well; `None`: none is.
fn then(
    cx: Context,
    path: &KeyPath,
    own: &str,
    raw: &raw::Jwt,
) -> Result<Option<Arc<str>>, Reported> {
    let Some(name) = raw.then.as_ref().filter(|name| !name.is_empty()) else { return Ok(None) };
    let known = cx.server_names().ok_or(Reported)?;
    let asked = cx.raw.authorization_servers.get(name);
    let knows_them = asked.is_none_or(|server| is_asked_about_jwts(&server.kind));
    if !known.contains(name) {
        cx.unknown_name(path, "authorization server", name, &known, "");
    } else if name == own {
        cx.report.error(path, "is this server itself; name one that is asked about tokens");
    } else if !knows_them {
        cx.report
            .error(path, "is of a type that is not asked about JWTs; name one of type `rfc7662`");
    } else {
        return Ok(Some(name.as_str().into()));
    }
    Err(Reported)
}

pub fn texts(cx: Context, section: &KeyPath, written: Option<&[String]>) -> Vec<String> {
    let written = written.unwrap_or_default();
    for (i, text) in written.iter().enumerate() {
        if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
            cx.report.error(
                &section.item(i),
                "is empty, or has white space around it or control characters, and can never match",
            );
        }
    }
    written.to_vec()
}
