//! Which of a client's headers could be taken for ours.

use super::Identity;
use http::HeaderName;

impl Identity {
    /// Whether an upstream could read this header as one of ours. CGI, WSGI and many frameworks
    /// fold `_`, `.` and `-` together, and nobody minds case.
    pub fn owns(&self, name: &HeaderName) -> bool {
        let (name, prefix) = (name.as_str().as_bytes(), &self.folded_prefix);
        name.len() >= prefix.len()
            && name.iter().zip(prefix).all(|(&ours, &prefix)| fold(ours) == prefix)
    }
}

pub(super) fn fold(byte: u8) -> u8 {
    match byte {
        b'_' | b'.' => b'-',
        byte => byte.to_ascii_lowercase(),
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
        });
        let owns = |name: &str| HeaderName::try_from(name).is_ok_and(|name| identity.owns(&name));
        for name in [
            "X-Introspected-Sub",
            "x-introspected-sub",
            "X_Introspected_Sub",
            "X.Introspected.Sub",
            "x_Introspected-new",
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
