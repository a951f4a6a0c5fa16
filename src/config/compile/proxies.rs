//! `trusted_proxies`.

use super::Context;
use crate::config::path::KeyPath;
use ipnet::IpNet;
use std::net::IpAddr;

pub fn trusted_proxies(cx: Context) -> Vec<IpNet> {
    let section = KeyPath::root().key("trusted_proxies");
    let mut networks = Vec::new();
    for (i, text) in cx.raw.trusted_proxies.iter().enumerate() {
        let path = section.item(i);
        let Some(network) =
            text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
        else {
            let shown = cx.report.shown(&path, text);
            cx.report.error(&path, format!("{shown} is not a network or address; write one such as `10.0.0.0/8` or `192.0.2.7`"));
            continue;
        };
        if network.prefix_len() == 0 {
            cx.report.warning(&path, "trusts everybody: any client can then say that it is another one; name the proxies' own networks");
        } else if network.trunc() != network && !cx.report.hides(&path) {
            cx.report.warning(
                &path,
                format!(
                    "covers the whole network; write `{}` if that is intended",
                    network.trunc()
                ),
            );
        }
        networks.push(network.trunc());
    }
    networks
}
