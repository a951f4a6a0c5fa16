//! Listeners, and the certificates that end some day.

use super::html::Html;
use super::now::{text, time};
use super::parts::list;
use serde_json::Value;

const DAY: i64 = 24 * 3600;
/// Certificates that are renewed automatically are younger than this.
const SOON: i64 = 21 * DAY;
/// So little is left that a person has to act.
const URGENT: i64 = 7 * DAY;

pub fn listeners(html: &mut Html, status: &Value) {
    html.raw("<section id=\"listeners\" data-live aria-labelledby=\"listeners-title\"><h2 id=\"listeners-title\">Listeners</h2>");
    html.table("Listeners", &["Address", "Serves", "TLS", "#Connections"]);
    for listener in list(&status["listeners"]) {
        html.raw("<tr>").cell(text(&listener["address"])).cell(text(&listener["serves"]));
        html.cell(if listener["tls"] == true { "yes" } else { "no" });
        html.count(text(&listener["connections"])).raw("</tr>");
    }
    html.end_table().raw("</section>");
}

/// `now` is in seconds since the Unix epoch.
pub fn certificates(html: &mut Html, status: &Value, now: i64) {
    let mut certificates: Vec<&Value> = list(&status["certificates"]).iter().collect();
    // the one that ends first is the one to look at
    certificates.sort_by_key(|certificate| certificate["chain_ends"].as_i64());
    html.raw("<div id=\"certificates\" data-live>");
    if !certificates.is_empty() {
        html.raw("<section aria-labelledby=\"certificates-title\"><h2 id=\"certificates-title\">Certificates</h2>");
        let columns = ["Used by", "Certificate", "Names", "Ends (UTC)", "Left"];
        html.table("Certificates, the first to end at the top", &columns);
        for certificate in certificates {
            html.raw("<tr>");
            let user = text(&certificate["used_by"]).replace('_', " ");
            html.cell(format!("{user} {}", text(&certificate["name"])));
            html.cell(text(&certificate["certificate"]));
            let names = list(&certificate["names"]).iter().map(text);
            html.cell(names.collect::<Vec<_>>().join(", "));
            html.cell_of("time", time(&certificate["chain_ends"]));
            let ends = certificate["chain_ends"].as_i64().unwrap_or_default();
            let begins = certificate["begins"].as_i64().unwrap_or_default();
            let own = certificate["ends"].as_i64().unwrap_or_default();
            let (class, mut left) = left(begins, ends, now);
            if ends < own {
                left.push_str("; a certificate of its chain ends before it");
            }
            html.cell_of(class, left).raw("</tr>");
        }
        html.end_table().raw("</section>");
    }
    html.raw("</div>");
}

/// The class and the text of the time that is left.
fn left(begins: i64, ends: i64, now: i64) -> (&'static str, String) {
    if begins > now {
        return ("bad", "not valid yet".into());
    }
    let left = ends - now;
    if left <= 0 {
        return ("bad", "expired".into());
    }
    let text =
        if left < DAY { format!("{} h", left / 3600) } else { format!("{} days", left / DAY) };
    let class = if left < URGENT {
        "bad"
    } else if left < SOON {
        "deny"
    } else {
        "good"
    };
    (class, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_time_that_is_left() {
        let now = 1_800_000_000;
        for (begins, ends, class, shown) in [
            (0, now + 90 * DAY, "good", "90 days"),
            (0, now + 20 * DAY, "deny", "20 days"),
            (0, now + 6 * DAY, "bad", "6 days"),
            (0, now + 7200, "bad", "2 h"),
            (0, now, "bad", "expired"),
            (now + 1, now + 90 * DAY, "bad", "not valid yet"),
        ] {
            assert_eq!(left(begins, ends, now), (class, shown.to_owned()));
        }
    }

    #[test]
    fn the_first_to_end_is_at_the_top_and_everything_is_escaped() {
        let one = |name: &str, chain_ends: i64| {
            json!({ "used_by": "authorization_server", "name": name, "certificate": "<b>",
                "names": ["a.test", "<i>"], "begins": 0, "ends": 200 * DAY, "chain_ends": chain_ends })
        };
        let status = json!({ "certificates": [one("late", 200 * DAY), one("early", 100 * DAY)] });
        let mut html = Html::default();
        certificates(&mut html, &status, 50 * DAY);
        let html = html.into_string();
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text} in {html}"));
        assert!(at("authorization server early") < at("authorization server late"));
        assert!(at("50 days; a certificate of its chain ends before it") < at("150 days"));
        assert!(html.contains("&lt;b&gt;") && html.contains("a.test, &lt;i&gt;"));
    }
}
