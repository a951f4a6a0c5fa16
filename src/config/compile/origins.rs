//! `origins` of a route.

use super::Context;
use super::demands::not_empty;
use crate::config::path::KeyPath;
use crate::policy::AllowedOrigin;

pub fn origins(cx: Context, section: &KeyPath, origins: Option<&[String]>) -> Vec<AllowedOrigin> {
    let Some(origins) = not_empty(cx, section, origins) else { return Vec::new() };
    let mut allowed = Vec::new();
    for (i, text) in origins.iter().enumerate() {
        let path = section.item(i);
        match AllowedOrigin::parse(text) {
            Err(flaw) => cx.report.error(&path, flaw),
            Ok(origin) if allowed.contains(&origin) => {
                cx.report.warning(&path, "is a duplicate; remove one of the two");
            }
            Ok(origin) => {
                if origin == AllowedOrigin::Null {
                    cx.report.warning(
                        &path,
                        "allows every site: any of them can send `Origin: null` from a sandboxed frame; remove it unless the route may be called from everywhere",
                    );
                }
                allowed.push(origin);
            }
        }
    }
    allowed
}
