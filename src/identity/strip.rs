//! Client headers that could be taken for identity headers.

use super::Identity;
use crate::request::names;
use http::HeaderName;

impl Identity {
    /// Whether an upstream could read this header as one of the gateway's identity headers.
    pub fn owns(&self, name: &HeaderName) -> bool {
        names::starts_with(name, &self.folded_prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentitySettings;

    #[test]
    fn every_spelling_is_ours() {
        let identity = Identity::new(IdentitySettings {
            prefix: "X-Introspected-".into(),
            claims: Vec::new(),
            all_claims: false,
            assertion: None,
        });
        let owns = |name: &str| HeaderName::try_from(name).is_ok_and(|name| identity.owns(&name));
        for name in [
            "X-Introspected-Sub",
            "x-introspected-sub",
            "X_Introspected_Sub",
            "X.Introspected.Sub",
            "x_Introspected-new",
            "X~Introspected~Sub",
            "X-Introspected-",
        ] {
            assert!(owns(name), "{name}");
        }
        for name in [
            "X-Introspected",
            "X-Introspecte-Sub",
            "Authorization",
            "XX-Introspected-Sub",
            "X-Intro",
        ] {
            assert!(!owns(name), "{name}");
        }
    }
}
