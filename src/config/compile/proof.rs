//! `public_url`, `dpop`, and `binding` of a route.

use super::Context;
use crate::config::path::KeyPath;
use crate::config::raw;
use crate::policy::{BindingMode, BindingSettings};
use crate::proof::dpop::{DpopSettings, HttpUrl};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use std::time::Duration;

/// A longer window would let a stolen proof be of use for longer, and cost memory.
const LONGEST: Duration = Duration::from_secs(3600);

const SUPPORTED: &str = "ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512";

/// Scheme and host, without a final slash; `None` when it is not written.
pub fn public_url(cx: Context) -> Option<String> {
    let (path, text) = (KeyPath::root().key("public_url"), cx.raw.public_url.trim_end_matches('/'));
    if text.is_empty() && cx.raw.public_url.is_empty() {
        return None;
    }
    let bare = text.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?', '#']));
    if !bare || HttpUrl::parse(text).is_none() {
        cx.report.error(
            &path,
            "is not the address that clients call; write scheme and host alone, such as `https://api.example.com`",
        );
    }
    Some(text.to_owned())
}

pub fn dpop(cx: Context) -> Option<DpopSettings> {
    let (section, raw) = (KeyPath::root().key("dpop"), &cx.raw.dpop);
    let algorithms = algorithms(cx, &section.key("algorithms"), &raw.algorithms);
    let (path, window) = (section.key("window"), raw.window.0);
    let in_range = (Duration::from_secs(1)..=LONGEST).contains(&window);
    if !in_range || window.subsec_nanos() != 0 {
        cx.report.error(&path, "must be whole seconds, from 1s to 1h");
        return None;
    }
    let names = raw.algorithms.join(" ").into();
    Some(DpopSettings { algorithms: algorithms?, names, window, nonce: raw.nonce })
}

fn algorithms(cx: Context, section: &KeyPath, names: &[String]) -> Option<Vec<Algorithm>> {
    let mut algorithms = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let path = section.item(i);
        match name.parse::<Algorithm>() {
            Ok(algorithm) if algorithm.family() == AlgorithmFamily::Hmac => {
                cx.report.error(
                    &path,
                    format!(
                        "uses a secret key, and a proof needs a key pair; write one of {SUPPORTED}"
                    ),
                );
            }
            Ok(algorithm) if algorithms.contains(&algorithm) => {
                cx.report.error(&path, "is written twice; remove one of the two");
            }
            Ok(algorithm) => algorithms.push(algorithm),
            Err(_) => {
                let shown = cx.report.shown(&path, name);
                cx.report
                    .error(&path, format!("{shown} is not supported; write one of {SUPPORTED}"));
            }
        }
    }
    (algorithms.len() == names.len()).then_some(algorithms)
}

/// `path`: of the section, written here or inherited.
pub fn binding(cx: Context, path: &KeyPath, raw: Option<&raw::Binding>) -> BindingSettings {
    let Some(raw) = raw else { return BindingSettings::default() };
    let mode = |proof: Option<raw::Proof>| match proof {
        None | Some(raw::Proof::WhenBound) => BindingMode::WhenBound,
        Some(raw::Proof::Off) => BindingMode::Off,
        Some(raw::Proof::Required) => BindingMode::Required,
    };
    let settings = BindingSettings {
        dpop: mode(raw.dpop),
        mtls: mode(raw.mtls),
        allow_unbound_use: raw.allow_unbound_use,
    };
    if settings.allow_unbound_use && [settings.dpop, settings.mtls].contains(&BindingMode::Required)
    {
        cx.report.error(
            &path.key("allow_unbound_use"),
            "contradicts `required`: it lets bound tokens pass without their proof; remove one of the two",
        );
    }
    settings
}
