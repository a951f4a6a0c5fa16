//! Routes that could both be the one for the same request.

use super::Context;
use crate::config::path::KeyPath;
use crate::route::{Reach, RouteTable};
use std::sync::Arc;

/// Only routes whose matches have no mistakes are compared.
pub fn ties(cx: Context, section: &KeyPath, reaches: &[Option<Reach>], names: &[Arc<str>]) {
    let (places, whole): (Vec<usize>, Vec<&Reach>) =
        reaches.iter().enumerate().filter_map(|(i, reach)| Some((i, reach.as_ref()?))).unzip();
    let Err(found) = RouteTable::check(&whole) else { return };
    for tie in found {
        let (Some(&first), Some(&second)) = (places.get(tie.first), places.get(tie.second)) else {
            continue;
        };
        let name = |route: usize| {
            let name = names.get(route).map(|name| &**name).unwrap_or_default();
            match cx.raw.routes.get(route).is_some_and(|raw| raw.name.is_some()) {
                true => cx.report.shown(&section.item(route).key("name"), name),
                false => section.item(route).to_string(),
            }
        };
        let hidden =
            [first, second].iter().any(|&route| cx.report.hides_within(&section.item(route)));
        let at = if hidden { String::new() } else { format!(": {}", tie.at) };
        let message = format!(
            "{} and {} ({}) match the same requests{at}; make one of them more specific, or remove it",
            name(second),
            name(first),
            cx.report.line(&section.item(first)),
        );
        cx.report.error(&section.item(second).key("path"), message);
    }
}
