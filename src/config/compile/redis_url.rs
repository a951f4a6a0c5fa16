//! Redis's address, in the forms that its users know: `redis://` and `rediss://` as registered with
//! IANA, `redis+unix://` as redis-py has it, and Lettuce's `redis-sentinel://…#MASTER`, with
//! `redis-cluster://` after its pattern. `valkey` may replace `redis`. Several hosts are separated
//! by commas, which no URL library reads.

use crate::cache::RedisNode;
use crate::secret::Secret;
use percent_encoding::percent_decode_str;

#[derive(Debug, PartialEq, Eq)]
pub struct RedisUrl {
    pub kind: RedisKind,
    pub tls: bool,
    pub database: i64,
    pub username: Option<String>,
    pub password: Option<Secret>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum RedisKind {
    Single(RedisNode),
    Sentinel { sentinels: Vec<RedisNode>, master: String },
    Cluster(Vec<RedisNode>),
}

#[derive(Clone, Copy, PartialEq)]
enum RedisScheme {
    Single,
    Unix,
    Sentinel,
    Cluster,
}

const SCHEMES: &str = "write `redis://host:6379`, `redis-sentinel://sentinel:26379,…#master`, `redis-cluster://node:6379,…` \
                       (each with `rediss` for TLS), or `redis+unix:///run/redis.sock`";

impl RedisUrl {
    /// Messages quote nothing of the text.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err("must have no white space; a URL has none".into());
        }
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| format!("is not Redis's URL; {SCHEMES}"))?;
        let (scheme, tls) = self::scheme(scheme)
            .ok_or_else(|| format!("has a scheme that is not Redis's; {SCHEMES}"))?;
        let (rest, master) =
            rest.split_once('#').map_or((rest, None), |(rest, master)| (rest, Some(master)));
        let (rest, query) =
            rest.split_once('?').map_or((rest, None), |(rest, query)| (rest, Some(query)));
        if query.is_some() {
            return Err("must have no parameters (`?…`); use the keys of `cache.redis`".into());
        }
        if master.is_some() && scheme != RedisScheme::Sentinel {
            return Err(
                "must have no `#…`; only `redis-sentinel` has, for the master's name".into()
            );
        }
        if scheme == RedisScheme::Unix {
            let path = rest
                .strip_prefix('/')
                .ok_or("must have an absolute path, such as `redis+unix:///run/redis.sock`")?;
            let node = RedisNode::Unix(format!("/{}", decoded(path)?).into());
            return Ok(Self {
                kind: RedisKind::Single(node),
                tls,
                database: 0,
                username: None,
                password: None,
            });
        }

        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, hosts) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(user, hosts)| (Some(user), hosts));
        let (username, password) = user.map_or(Ok((None, None)), login)?;
        let port = if scheme == RedisScheme::Sentinel { 26379 } else { 6379 };
        let mut nodes =
            hosts.split(',').map(|host| node(host, port)).collect::<Result<Vec<_>, _>>()?;
        let kind = match scheme {
            RedisScheme::Cluster => RedisKind::Cluster(nodes),
            RedisScheme::Sentinel => {
                let master = decoded(master.unwrap_or_default())?;
                if master.is_empty() {
                    return Err("must end in `#` and the name that the Sentinels have for the master, such as `#mymaster`".into());
                }
                RedisKind::Sentinel { sentinels: nodes, master }
            }
            RedisScheme::Single | RedisScheme::Unix => match (nodes.pop(), nodes.is_empty()) {
                (Some(node), true) => RedisKind::Single(node),
                _ => return Err(
                    "has several hosts; write `redis-cluster://` or `redis-sentinel://` for them"
                        .into(),
                ),
            },
        };
        let database =
            if path.is_empty() { Some(0) } else { path.parse::<u16>().ok().map(i64::from) };
        let database =
            database.ok_or("has a path that is not the number of a database, such as `/0`")?;
        if database != 0 && scheme == RedisScheme::Cluster {
            return Err("has a database other than 0, which a cluster has not".into());
        }
        Ok(Self { kind, tls, database, username, password })
    }
}

fn scheme(text: &str) -> Option<(RedisScheme, bool)> {
    let text =
        text.to_ascii_lowercase().replacen("valkeys", "rediss", 1).replacen("valkey", "redis", 1);
    Some(match text.as_str() {
        "redis" => (RedisScheme::Single, false),
        "rediss" => (RedisScheme::Single, true),
        "redis+unix" => (RedisScheme::Unix, false),
        "redis-sentinel" => (RedisScheme::Sentinel, false),
        "rediss-sentinel" => (RedisScheme::Sentinel, true),
        "redis-cluster" => (RedisScheme::Cluster, false),
        "rediss-cluster" => (RedisScheme::Cluster, true),
        _ => return None,
    })
}

/// `USER:PASSWORD`, `:PASSWORD` or `USER`.
fn login(text: &str) -> Result<(Option<String>, Option<Secret>), String> {
    let (user, password) =
        text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
    let user = Some(decoded(user)?).filter(|user| !user.is_empty());
    let password = password.map(decoded).transpose()?.filter(|password| !password.is_empty());
    Ok((user, password.map(Secret::new)))
}

fn node(text: &str, default_port: u16) -> Result<RedisNode, String> {
    const HOST: &str = "has no host where one should be, or one with characters that no host has";
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(HOST)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| HOST)?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(HOST)?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let fits = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_' | '.')
            || (text.starts_with('[') && c == ':')
    };
    if host.is_empty() || !host.chars().all(fits) {
        return Err(HOST.into());
    }
    let port = port.map_or(Some(default_port), |port| port.parse().ok()).filter(|port| *port != 0);
    Ok(RedisNode::Tcp(
        host.to_owned(),
        port.ok_or("has a port that is not a number from 1 to 65535")?,
    ))
}

fn decoded(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| "has percent escapes that are not UTF-8 text".to_owned())?;
    Ok(text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> RedisNode {
        RedisNode::Tcp(host.into(), port)
    }

    #[test]
    fn every_form_is_read() {
        let parse = |text| RedisUrl::parse(text).map(|url| (url.kind, url.tls, url.database));
        let single = |host, port| RedisKind::Single(tcp(host, port));
        assert_eq!(parse("redis://cache"), Ok((single("cache", 6379), false, 0)));
        assert_eq!(parse("rediss://cache:6380/2"), Ok((single("cache", 6380), true, 2)));
        assert_eq!(parse("valkeys://[::1]:1/"), Ok((single("::1", 1), true, 0)));
        assert_eq!(
            parse("redis+unix:///run/r.sock"),
            Ok((RedisKind::Single(RedisNode::Unix("/run/r.sock".into())), false, 0))
        );
        let sentinels = vec![tcp("a", 26379), tcp("b", 1)];
        assert_eq!(
            parse("rediss-sentinel://a,b:1/3#my%20m"),
            Ok((RedisKind::Sentinel { sentinels, master: "my m".into() }, true, 3))
        );
        assert_eq!(
            parse("redis-cluster://a:1,[::1]"),
            Ok((RedisKind::Cluster(vec![tcp("a", 1), tcp("::1", 6379)]), false, 0))
        );
    }

    #[test]
    fn users_and_passwords_are_decoded() {
        let login = |text| {
            RedisUrl::parse(text).ok().map(|url| {
                (url.username, url.password.map(|password| password.expose().to_owned()))
            })
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(login("redis://:p%40ss@a"), Some((None, some("p@ss"))));
        assert_eq!(login("redis://u:p:@:w@a"), Some((some("u"), some("p:@:w"))));
        assert_eq!(login("redis://u@a"), Some((some("u"), None)));
        assert_eq!(login("redis-cluster://u:p@a,b"), Some((some("u"), some("p"))));
    }

    #[test]
    fn everything_else_is_refused_and_not_repeated() {
        for text in [
            "",
            "cache:6379",
            "http://a",
            "redis://",
            "redis://a,b",
            "redis://a:0",
            "redis://a:x",
            "redis://a:99999",
            "redis://a/x",
            "redis://a/-1",
            "redis://a#m",
            "redis://a?db=1",
            "redis://a b",
            "redis-sentinel://a",
            "redis-sentinel://a#",
            "redis-cluster://a/1",
            "redis-cluster://a,",
            "redis+unix://run/x",
            "redis://u:secret%ff@a",
            "redis://[::1",
            "redis://[x]",
            "redis://u:secret@",
            "redis://a::1",
        ] {
            let message = RedisUrl::parse(text).map(|_| ()).unwrap_err();
            assert!(!message.contains("secret"), "{text}: {message}");
        }
    }
}
