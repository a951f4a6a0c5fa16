//! The file that flags and environment variables amount to.

use super::{Flags, GivenSetting};
use crate::config::Generated;
use std::fmt::Write;

/// The settings that a gateway without a file has, but for its credentials.
pub struct GeneratedParts {
    upstream: Option<GivenSetting>,
    introspect: Option<GivenSetting>,
    issuer: Option<GivenSetting>,
    listen: Option<GivenSetting>,
    scopes: Option<GivenSetting>,
    audience: Option<GivenSetting>,
}

impl GeneratedParts {
    /// A variable that is set to nothing is not set.
    pub fn collect(flags: Flags, env: &dyn Fn(&str) -> Option<String>) -> Self {
        let given = |flag: Option<String>, name: &str, variable: &str| match flag {
            Some(value) => Some(GivenSetting { value, origin: format!("--{name}") }),
            None => {
                let value = env(variable).filter(|value| !value.is_empty())?;
                Some(GivenSetting { value, origin: variable.to_owned() })
            }
        };
        Self {
            upstream: given(flags.upstream, "upstream", "INTROGATE_UPSTREAM"),
            introspect: given(flags.introspect, "introspect", "INTROGATE_INTROSPECTION_ENDPOINT"),
            issuer: given(flags.issuer, "issuer", "INTROGATE_ISSUER"),
            listen: given(flags.listen, "listen", "INTROGATE_LISTEN"),
            scopes: given(flags.scopes, "scopes", "INTROGATE_SCOPES"),
            audience: given(flags.audience, "audience", "INTROGATE_AUDIENCE"),
        }
    }

    /// The name of a flag or variable that was given.
    pub fn first(&self) -> Option<&str> {
        let all = [
            &self.upstream,
            &self.introspect,
            &self.issuer,
            &self.listen,
            &self.scopes,
            &self.audience,
        ];
        all.into_iter().flatten().next().map(|given| given.origin.as_str())
    }

    pub fn generate(self, env: &dyn Fn(&str) -> Option<String>) -> Result<Generated, String> {
        let Self { upstream, introspect, issuer, listen, scopes, audience } = self;
        let upstream = upstream.ok_or(
            "the upstream is missing; name the protected service by --upstream or INTROGATE_UPSTREAM",
        )?;
        if introspect.is_none() && issuer.is_none() {
            return Err("the authorization server is missing; name its endpoint by --introspect or INTROGATE_INTROSPECTION_ENDPOINT, or its issuer by --issuer or INTROGATE_ISSUER".into());
        }
        let mut generated = Generated { text: String::new(), origins: Vec::new() };
        let text = &mut generated.text;
        // writing to memory does not fail
        if let Some(listen) = listen {
            let _ = write!(text, "listeners:\n  - address: {}\n\n", quoted(&listen.value));
            generated.origins.push(("listeners", listen.origin));
        }
        text.push_str("authorization_servers:\n  main:\n");
        if let Some(issuer) = issuer {
            let _ = writeln!(text, "    issuer: {}", quoted(&issuer.value));
            generated.origins.push(("authorization_servers.main.issuer", issuer.origin));
        }
        if let Some(endpoint) = introspect {
            let _ = writeln!(text, "    introspection_endpoint: {}", quoted(&endpoint.value));
            let place = "authorization_servers.main.introspection_endpoint";
            generated.origins.push((place, endpoint.origin));
        }
        if let Some(credentials) = GeneratedCredentials::from_env(env)? {
            let _ = writeln!(text, "    client_auth: {}", credentials.written());
            generated
                .origins
                .push(("authorization_servers.main.client_auth", credentials.origin()));
        }
        let _ =
            write!(text, "\nroutes:\n  - path: /*\n    upstream: {}\n", quoted(&upstream.value));
        generated.origins.push(("routes[0].upstream", upstream.origin));
        for (key, place, given) in
            [("scopes", "routes[0].scopes", scopes), ("audience", "routes[0].audience", audience)]
        {
            let Some(given) = given else { continue };
            let words = given.value.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty());
            let words: Vec<String> = words.map(quoted).collect();
            let _ = writeln!(text, "    {key}: [{}]", words.join(", "));
            generated.origins.push((place, given.origin));
        }
        Ok(generated)
    }
}

/// How the gateway authenticates itself, from the environment alone.
enum GeneratedCredentials {
    Bearer(SecretSource),
    Basic { id: String, secret: SecretSource },
}

/// Where a secret is.
enum SecretSource {
    Variable(&'static str),
    /// The variable that names a file, and the file.
    File(&'static str, String),
}

impl GeneratedCredentials {
    fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Self>, String> {
        let token = SecretSource::from_env("INTROGATE_TOKEN", "INTROGATE_TOKEN_FILE", env)?;
        let id = SecretSource::from_env("INTROGATE_CLIENT_ID", "INTROGATE_CLIENT_ID_FILE", env)?;
        let secret =
            SecretSource::from_env("INTROGATE_CLIENT_SECRET", "INTROGATE_CLIENT_SECRET_FILE", env)?;
        match (token, id, secret) {
            (None, None, None) => Ok(None),
            (Some(token), None, None) => Ok(Some(Self::Bearer(token))),
            (None, Some(id), Some(secret)) => {
                Ok(Some(Self::Basic { id: id.text()?, secret }))
            }
            (None, Some(_), None) => Err("INTROGATE_CLIENT_ID is set without INTROGATE_CLIENT_SECRET; set it, or its _FILE".into()),
            (None, None, Some(_)) => Err("INTROGATE_CLIENT_SECRET is set without INTROGATE_CLIENT_ID; set it, or its _FILE".into()),
            (Some(_), _, _) => Err("INTROGATE_TOKEN and INTROGATE_CLIENT_ID or INTROGATE_CLIENT_SECRET are both set; the gateway authenticates itself in one way, so unset one of them".into()),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::Bearer(token) => format!("{{ method: bearer, {} }}", token.written("token")),
            Self::Basic { id, secret } => format!(
                "{{ method: client_secret_basic, client_id: {id}, {} }}",
                secret.written("client_secret")
            ),
        }
    }

    fn origin(&self) -> String {
        let (Self::Bearer(secret) | Self::Basic { secret, .. }) = self;
        match secret {
            SecretSource::Variable(name) | SecretSource::File(name, _) => (*name).to_owned(),
        }
    }
}

impl SecretSource {
    fn from_env(
        variable: &'static str,
        file: &'static str,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Self>, String> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        match (set(variable), set(file)) {
            (None, None) => Ok(None),
            (Some(_), None) => Ok(Some(Self::Variable(variable))),
            (None, Some(path)) => Ok(Some(Self::File(file, path))),
            (Some(_), Some(_)) => {
                Err(format!("{variable} and {file} are both set; unset one of them"))
            }
        }
    }

    /// The key of a secret that a file of the configuration has.
    fn written(&self, key: &str) -> String {
        match self {
            Self::Variable(name) => format!("{key}: \"${{{name}}}\""),
            Self::File(_, path) => format!("{key}_file: {}", quoted(path)),
        }
    }

    /// The value of `client_id`, which has no `…_file` form in a configuration.
    fn text(&self) -> Result<String, String> {
        match self {
            Self::Variable(name) => Ok(format!("\"${{{name}}}\"")),
            Self::File(name, path) => match std::fs::read_to_string(path) {
                Ok(text) => Ok(quoted(text.trim())),
                Err(error) => Err(format!("{name} names {path}, which cannot be read: {error}")),
            },
        }
    }
}

/// A text in the quotes of YAML, which reads those of JSON; `${` stays as it is.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text.replace("${", "$${")).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ConfigSource;

    fn generated(flags: Flags, env: &[(&str, &str)]) -> Result<Generated, String> {
        let env = |name: &str| {
            env.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        GeneratedParts::collect(flags, &env).generate(&env)
    }

    fn smallest() -> Flags {
        Flags {
            upstream: Some("http://127.0.0.1:9000".into()),
            introspect: Some("https://as.example.com/introspect".into()),
            ..Flags::default()
        }
    }

    #[test]
    fn flags_and_variables_amount_to_a_file() {
        let env = [
            ("INTROGATE_UPSTREAM", "http://ignored"),
            ("INTROGATE_LISTEN", "127.0.0.1:8081"),
            ("INTROGATE_SCOPES", "read, write  admin"),
            ("INTROGATE_AUDIENCE", "https://api.example.com"),
            ("INTROGATE_CLIENT_ID", "gateway"),
            ("INTROGATE_CLIENT_SECRET", "hunter2"),
        ];
        let text = generated(smallest(), &env).map(|generated| generated.text);
        assert_eq!(
            text.as_deref(),
            Ok("listeners:\n  - address: \"127.0.0.1:8081\"\n\n\
                authorization_servers:\n  main:\n\
                \x20   introspection_endpoint: \"https://as.example.com/introspect\"\n\
                \x20   client_auth: { method: client_secret_basic, client_id: \"${INTROGATE_CLIENT_ID}\", client_secret: \"${INTROGATE_CLIENT_SECRET}\" }\n\n\
                routes:\n  - path: /*\n    upstream: \"http://127.0.0.1:9000\"\n\
                \x20   scopes: [\"read\", \"write\", \"admin\"]\n    audience: [\"https://api.example.com\"]\n")
        );
    }

    #[test]
    fn texts_cannot_leave_their_place() {
        let flags = Flags {
            upstream: Some("http://a\"\n  - path: /b # ${HOME}".into()),
            scopes: Some("${INTROGATE_CLIENT_SECRET}".into()),
            ..smallest()
        };
        let Ok(generated) = generated(flags, &[]) else { panic!("generated") };
        assert!(!generated.text.contains("\n  - path: /b"), "{}", generated.text);
        let env = |_: &str| Some("from-outside".to_owned());
        let loaded = ConfigSource::Generated(generated.clone()).load(&env);
        assert!(loaded.problems.iter().all(|problem| !problem.message.contains("from-outside")));
        assert!(loaded.problems.iter().any(|problem| {
            ConfigSource::Generated(generated.clone())
                .show(problem)
                .starts_with("--upstream: error: ")
        }));
    }

    #[test]
    fn missing_and_repeated_settings_are_reported() {
        let without = |flags: Flags, env: &[(&str, &str)]| generated(flags, env).err();
        let missing = without(Flags { upstream: None, ..smallest() }, &[]);
        assert!(missing.is_some_and(|error| error.contains("INTROGATE_UPSTREAM")));
        let missing = without(Flags { introspect: None, ..smallest() }, &[]);
        assert!(missing.is_some_and(|error| error.contains("INTROGATE_ISSUER")));
        for (env, part) in [
            (&[("INTROGATE_CLIENT_ID", "a")][..], "without INTROGATE_CLIENT_SECRET"),
            (&[("INTROGATE_CLIENT_SECRET", "a")], "without INTROGATE_CLIENT_ID"),
            (&[("INTROGATE_TOKEN", "a"), ("INTROGATE_TOKEN_FILE", "b")], "both set"),
            (&[("INTROGATE_TOKEN", "a"), ("INTROGATE_CLIENT_SECRET", "b")], "one way"),
            (
                &[("INTROGATE_CLIENT_ID_FILE", "/nowhere"), ("INTROGATE_CLIENT_SECRET", "b")],
                "/nowhere",
            ),
        ] {
            let error = without(smallest(), env);
            assert!(error.as_ref().is_some_and(|error| error.contains(part)), "{env:?}: {error:?}");
        }
    }
}
