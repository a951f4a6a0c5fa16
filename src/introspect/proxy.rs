//! The HTTP proxy through which an authorization server is called: CONNECT for https, absolute
//! request targets for plain http (RFC 9110 §7.1, §9.3.6).

use crate::secret::Secret;
use reqwest::{ClientBuilder, Error, Proxy};

/// `authorization_servers.NAME.proxy`.
#[derive(Clone, Debug, Default)]
pub enum ProxySettings {
    #[default]
    None,
    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say, in either case.
    Environment,
    /// An http or https URL, perhaps with user name and password.
    Through(Secret),
}

impl ProxySettings {
    /// The client's builder with this proxy. Without one, nothing in the environment counts.
    pub fn apply(&self, builder: ClientBuilder) -> Result<ClientBuilder, Error> {
        match self {
            Self::None => Ok(builder.no_proxy()),
            Self::Environment if environment_exempts_all() => Ok(builder.no_proxy()),
            Self::Environment => Ok(builder),
            Self::Through(url) => Ok(builder.no_proxy().proxy(Proxy::all(url.expose())?)),
        }
    }

    /// Whether the way to the proxy itself is encrypted, or may be.
    pub fn may_use_tls(&self) -> bool {
        match self {
            Self::None => false,
            Self::Environment => true,
            Self::Through(url) => url.expose().starts_with("https:"),
        }
    }

    /// Whether calls over plain http may go through a proxy.
    pub fn takes_plain_http(&self) -> bool {
        match self {
            Self::None => false,
            Self::Environment => environment_has_http_proxy() && !environment_exempts_all(),
            Self::Through(_) => true,
        }
    }

    /// For keys of fetched documents; reveals nothing of the secret.
    pub fn digest(&self) -> String {
        match self {
            Self::None => "none".into(),
            Self::Environment => "environment".into(),
            Self::Through(url) => blake3::hash(url.expose().as_bytes()).to_string(),
        }
    }
}

/// Whether a variable may name a proxy for plain http.
fn environment_has_http_proxy() -> bool {
    let names = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];
    names.iter().any(|name| std::env::var_os(name).is_some_and(|value| !value.is_empty()))
}

/// Whether `NO_PROXY` has `*`, which exempts every host, as for curl. The HTTP client applies it to
/// names alone, and not to addresses.
fn environment_exempts_all() -> bool {
    let list = ["NO_PROXY", "no_proxy"].iter().find_map(|name| std::env::var(name).ok());
    list.is_some_and(|list| list.split(',').any(|item| item.trim() == "*"))
}
