//! Resource identifiers and the URLs of their metadata (RFC 9728 §1.2, §3.1).

use crate::introspect::is_loopback;
use crate::route::{comparable, normalise};
use url::Url;

/// The path at which the metadata of a host's resources is (RFC 9728 §3).
pub const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The identifier of a protected resource: an https URL without query and fragment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceId {
    /// As it was written: clients compare it to the letter (RFC 9728 §3.3).
    text: String,
    /// The length of scheme, host and port in `text`.
    origin: usize,
    host: String,
}

impl ResourceId {
    /// Reads an identifier. An error says in words what is wrong, without the URL itself.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        const EXAMPLE: &str = "is not a URL; write one such as `https://api.example.com`";
        let url = Url::parse(text).map_err(|_| EXAMPLE)?;
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(EXAMPLE)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            _ => {
                return Err(
                    "must start with `https://` (RFC 9728 §1.2); `http://` is for loopback alone",
                );
            }
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must have no user name and password; remove them");
        }
        if url.fragment().is_some() {
            return Err(
                "must have no fragment (RFC 9728 §1.2); remove `#` and everything after it",
            );
        }
        if url.query().is_some() {
            return Err("must have no query; remove `?` and everything after it");
        }
        let is_normal_path = url.path() == "/"
            || normalise(url.path().as_bytes()).is_ok_and(|target| target.path == url.path());
        let is_bare = url.as_str().strip_suffix('/') == Some(text) && url.path() == "/";
        let quotable = text.bytes().all(|byte| matches!(byte, b'!'..=b'~') && byte != b'"');
        if !is_normal_path || !quotable || (url.as_str() != text && !is_bare) {
            return Err(
                "is not in normal form: write scheme and host in lower case, no default port, and a path without `..`, `//` and unescaped characters",
            );
        }
        let written_path = if is_bare { 0 } else { url.path().len() };
        Ok(Self { origin: text.len() - written_path, host: host.to_owned(), text: text.to_owned() })
    }

    /// The identifier of a path at the same host; `None` where it would not be one.
    pub fn at(&self, path: &str) -> Option<Self> {
        Self::parse(&format!("{}{path}", self.origin())).ok()
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port, without a final slash.
    pub fn origin(&self) -> &str {
        &self.text[..self.origin]
    }

    /// In lower case, without port; an IPv6 address has brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Empty where there is none, or only the slash behind the host.
    pub fn path(&self) -> &str {
        match &self.text[self.origin..] {
            "/" => "",
            path => path,
        }
    }

    /// The path of its metadata, in the form that routes are matched by.
    pub fn metadata_path(&self) -> String {
        format!("{WELL_KNOWN}{}", comparable(self.path()))
    }

    /// The URL of its metadata. `public_url`: scheme and host that clients call, where these are
    /// configured.
    pub fn metadata_url(&self, public_url: Option<&str>) -> String {
        let origin = public_url.unwrap_or(self.origin());
        format!("{origin}{WELL_KNOWN}{}", self.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9728_section_3_1_the_url_of_the_metadata() {
        for (text, url) in [
            (
                "https://resource.example.com",
                "https://resource.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://resource.example.com/",
                "https://resource.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://resource.example.com/resource1",
                "https://resource.example.com/.well-known/oauth-protected-resource/resource1",
            ),
            ("https://a:8443/b/c/", "https://a:8443/.well-known/oauth-protected-resource/b/c/"),
            (
                "http://127.0.0.1:8080/mcp",
                "http://127.0.0.1:8080/.well-known/oauth-protected-resource/mcp",
            ),
        ] {
            let identifier = ResourceId::parse(text);
            assert_eq!(identifier.map(|id| id.metadata_url(None)).as_deref(), Ok(url), "{text}");
        }
        let elsewhere =
            ResourceId::parse("https://a/b").map(|id| id.metadata_url(Some("https://c")));
        assert_eq!(elsewhere.as_deref(), Ok("https://c/.well-known/oauth-protected-resource/b"));
    }

    #[test]
    fn what_is_no_identifier() {
        for text in [
            "",
            "api.example.com",
            "http://api.example.com",
            "ftp://api.example.com",
            "https://",
            "https://api.example.com#x",
            "https://api.example.com/#",
            "https://api.example.com?x",
            "https://u:p@api.example.com",
            "https://API.example.com",
            "https://api.example.com:443",
            "https://api.example.com/a/../b",
            "https://api.example.com/a//b",
            "https://api.example.com/a\"b",
            "https://api.example.com/a b",
            "https://api.example.com\\a",
            "https://api.example.com/\u{e9}",
            " https://api.example.com",
        ] {
            assert!(ResourceId::parse(text).is_err(), "{text}");
        }
        for text in ["https://api.example.com:8443/a/b", "https://[::1]/a", "http://localhost:1"] {
            assert!(ResourceId::parse(text).is_ok(), "{text}");
        }
    }
}
