//! `soap`.

use super::answer::answer;
use super::{CompileKind, Context, WrittenServer};
use crate::config::path::KeyPath;
use crate::config::raw;
use crate::introspect::{
    Expression, ServerKind, SoapSettings, SoapVersion, Template, XPathName, is_xml,
};
use std::collections::BTreeMap;
use std::sync::Arc;

impl CompileKind for raw::Soap {
    const IS_ASKED_ABOUT_JWTS: bool = true;

    fn asks_too(&self) -> Option<&str> {
        None
    }

    fn compile(&self, cx: Context, server: WrittenServer<'_>) -> Option<Arc<dyn ServerKind>> {
        let path = server.path;
        let endpoint = match &self.endpoint {
            Some(endpoint) if !cx.report.is_broken(&path.key("endpoint")) => {
                cx.asked_url(&path.key("endpoint"), endpoint)
            }
            _ => {
                cx.needed(&path.key("endpoint"), "write the URL of the service");
                None
            }
        };
        let action = self.action.clone().unwrap_or_default();
        if !action.bytes().all(|b| matches!(b, 0x20..=0x7e) && b != b'"' && b != b'\\') {
            cx.report.error(
                &path.key("action"),
                "must be visible ASCII without quotes and backslashes: it is quoted in a header",
            );
        }
        let body = body(cx, &path.key("body"), self);
        let none = BTreeMap::new();
        let namespaces = self.namespaces.as_ref().unwrap_or(&none);
        for (prefix, _) in namespaces.iter().filter(|(_, namespace)| namespace.is_empty()) {
            cx.report.error(
                &path.key("namespaces").key(prefix),
                "is empty; write the namespace of the prefix",
            );
        }
        let section = path.key("answer");
        let mut paths: Vec<(&str, Expression)> = Vec::new();
        for (name, text, path) in answer(cx, &section, self.answer.as_ref()) {
            match Expression::parse(text, namespaces) {
                Ok(expression) if name != "active" && expression.equals.is_some() => {
                    cx.report.error(&path, "compares, and only `active` may; write a path alone");
                }
                Ok(expression) => paths.push((name, expression)),
                Err(wrong) => cx.report.error(&path, wrong.to_string()),
            }
        }
        let active =
            paths.iter().position(|(name, _)| *name == "active").map(|at| paths.remove(at).1);
        if active.is_none()
            && !cx.report.has(&section.key("active"))
            && !cx.report.is_broken(&section)
        {
            cx.needed(
                &section.key("active"),
                "write the path to the token's state in the answer, such as `//v:Valid = 'true'`",
            );
        }
        let fault_inactive = fault_codes(cx, &path.key("fault_inactive"), self, namespaces);
        let version = match self.version {
            None | Some(raw::SoapVersion::V1) => SoapVersion::V1,
            Some(raw::SoapVersion::V2) => SoapVersion::V2,
        };
        Some(Arc::new(SoapSettings {
            endpoint: endpoint?,
            action,
            version,
            body: body?,
            active: active?,
            answer: paths.into_iter().map(|(name, path)| (name.to_owned(), path)).collect(),
            fault_inactive,
        }))
    }
}

fn body(cx: Context, path: &KeyPath, raw: &raw::Soap) -> Option<Template> {
    let text = raw.body.as_ref().map_or("", |body| body.0.expose()).trim();
    if text.is_empty() {
        cx.needed(
            path,
            "write the content of the envelope's body, with `{token}` in place of the token",
        );
        return None;
    }
    let (_, stand_in) = Template::stand_in(text);
    let body = Template::new(text);
    if !is_xml(&Template::new(&format!("<body>{text}</body>")), &stand_in) {
        let message = "is not XML without declaration and DTD, or `{token}` is elsewhere than in text or in the value of an attribute";
        cx.report.error(path, message);
        return None;
    }
    if body.places() == 0 {
        cx.report.error(path, "has no place for the token; write `{token}`");
        return None;
    }
    Some(body)
}

fn fault_codes(
    cx: Context,
    section: &KeyPath,
    raw: &raw::Soap,
    namespaces: &BTreeMap<String, String>,
) -> Vec<XPathName> {
    let mut codes = Vec::new();
    for (i, text) in raw.fault_inactive.iter().flatten().enumerate() {
        match XPathName::parse(text, namespaces) {
            Ok(code) => codes.push(code),
            Err(crate::introspect::Wrong::Path) => {
                cx.report.error(
                    &section.item(i),
                    "is not a fault code; write one such as `v:InvalidToken`",
                );
            }
            Err(wrong) => cx.report.error(&section.item(i), wrong.to_string()),
        }
    }
    codes
}
