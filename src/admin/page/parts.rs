//! The gateway's parts: authorization servers, upstreams, cache, routes.

use super::html::Html;
use super::now::{text, time};
use serde_json::Value;

pub fn servers(html: &mut Html, status: &Value) {
    html.raw("<section id=\"servers\" data-live aria-labelledby=\"servers-title\"><h2 id=\"servers-title\">Authorization servers</h2>");
    html.table(
        "Authorization servers",
        &["Name", "Circuit", "#Calls", "Last error", "When (UTC)", "Remedy"],
    );
    for server in list(&status["authorization_servers"]) {
        let circuit = text(&server["circuit"]).replace('_', "-");
        let class = if circuit == "closed" { "good" } else { "bad" };
        html.raw("<tr>").cell(text(&server["name"])).cell_of(class, circuit);
        html.count(text(&server["in_flight"]));
        let error = &server["last_error"];
        if error.is_null() {
            html.raw("<td>none</td><td></td><td></td>");
        } else {
            html.raw("<td><code>").text(text(&error["reason"])).raw("</code> ");
            html.text(text(&error["detail"])).raw("</td>");
            html.cell_of("time", time(&error["at"])).raw("<td>");
            html.prose(&text(&error["remedy"])).raw("</td>");
        }
        html.raw("</tr>");
    }
    html.end_table().raw("</section>");
}

pub fn upstreams(html: &mut Html, status: &Value) {
    html.raw("<section id=\"upstreams\" data-live aria-labelledby=\"upstreams-title\"><h2 id=\"upstreams-title\">Upstreams</h2>");
    html.table("Upstreams", &["Name", "Server", "Last connection", "Health"]);
    for upstream in list(&status["upstreams"]) {
        for server in list(&upstream["servers"]) {
            html.raw("<tr>").cell(text(&upstream["name"])).cell(text(&server["url"]));
            match server["up"].as_bool() {
                None => html.cell("none yet"),
                Some(true) => html.cell_of("good", "succeeded"),
                Some(false) => html.cell_of("bad", "failed"),
            };
            match server["healthy"].as_bool() {
                None => html.cell("not checked"),
                Some(true) => html.cell_of("good", "healthy"),
                Some(false) => html.cell_of("bad", "unhealthy"),
            };
            html.raw("</tr>");
        }
    }
    html.end_table().raw("</section>");
}

pub fn cache(html: &mut Html, status: &Value) {
    let cache = &status["cache"];
    html.raw("<section id=\"cache\" data-live aria-labelledby=\"cache-title\"><h2 id=\"cache-title\">Cache</h2>");
    html.table("Cache", &["Answers", "#Held", "#Room for", "#Full"]);
    for name in ["active", "inactive"] {
        html.raw("<tr>").cell(name);
        html.count(text(&cache[name]["entries"])).count(text(&cache[name]["max_entries"]));
        let (held, room) = (&cache[name]["entries"], &cache[name]["max_entries"]);
        let percent = held
            .as_u64()
            .zip(room.as_u64())
            .and_then(|(held, room)| held.saturating_mul(100).checked_div(room));
        html.count(percent.map_or("–".into(), |percent| format!("{percent} %")));
        html.raw("</tr>");
    }
    html.end_table();
    if let Some(stale) = cache["stale_served"].as_u64().filter(|stale| *stale > 0) {
        html.raw("<p class=\"bad\">").text(stale);
        html.raw(" requests were decided by an answer past its ttl, since the authorization server failed.</p>");
    }
    let redis = &status["redis"];
    if !redis.is_null() {
        html.raw("<p>Redis: ");
        let up = redis["state"] == "up";
        html.raw(if up { "<span class=\"good\">" } else { "<span class=\"bad\">" });
        html.text(text(&redis["state"])).raw("</span>.");
        let error = &redis["last_error"];
        if !error.is_null() {
            html.raw(" Last error: ").text(text(&error["detail"])).raw(" (");
            html.text(time(&error["at"])).raw(" UTC)");
        }
        html.raw("</p>");
    }
    html.raw("</section>");
}

/// The delivery of security events, of servers that have them.
pub fn events(html: &mut Html, status: &Value) {
    let servers = list(&status["authorization_servers"]);
    let with_events: Vec<&Value> =
        servers.iter().filter(|server| !server["events"].is_null()).collect();
    html.raw("<div id=\"events\" data-live>");
    if !with_events.is_empty() {
        html.raw("<section aria-labelledby=\"events-title\"><h2 id=\"events-title\">Security events</h2>");
        let columns =
            ["Server", "Delivery", "Last poll (UTC)", "Last event (UTC)", "Stream", "Last error"];
        html.table("Security events", &columns);
        for server in with_events {
            let events = &server["events"];
            html.raw("<tr>").cell(text(&server["name"]));
            let role = text(&events["role"]);
            let delivery = text(&events["delivery"]);
            html.cell(if role.is_empty() { delivery } else { format!("{delivery}; {role}") });
            html.cell_of("time", time(&events["last_poll"]));
            html.cell_of("time", time(&events["last_event"]));
            let (class, stream) = stream(&events["stream"]);
            html.cell_of(class, stream);
            let error = &events["last_error"];
            if error.is_null() {
                html.cell("none");
            } else {
                html.cell_of(
                    "bad",
                    format!("{} ({} UTC)", text(&error["detail"]), time(&error["at"])),
                );
            }
            html.raw("</tr>");
        }
        html.end_table().raw("</section>");
    }
    html.raw("</div>");
}

/// The class and the text of a stream's state.
fn stream(stream: &Value) -> (&'static str, String) {
    if stream.is_null() {
        return ("", "not managed here".into());
    }
    if stream["status"].is_null() {
        return ("", "unknown".into());
    }
    let mut told = format!("{}: {}", text(&stream["status"]), text(&stream["meaning"]));
    if !stream["reason"].is_null() {
        told.push_str(&format!(" (reason: {})", text(&stream["reason"])));
    }
    let overdue = stream["verification_overdue"] == true;
    if overdue {
        told.push_str("; its verification event did not come in time");
    }
    let good = stream["status"] == "enabled" && !overdue;
    (if good { "good" } else { "bad" }, told)
}

/// Routes in shadow mode, with the refusals that they would have made.
pub fn shadow(html: &mut Html, status: &Value) {
    let routes = list(&status["shadow_routes"]);
    html.raw("<div id=\"shadow\" data-live>");
    if !routes.is_empty() {
        html.raw(
            "<section aria-labelledby=\"shadow-title\"><h2 id=\"shadow-title\">Shadow mode</h2>",
        );
        html.raw("<p>These routes forward what they would refuse, without identity headers.</p>");
        html.table("Routes in shadow mode", &["Route", "Would have been refused"]);
        for route in routes {
            html.raw("<tr>").cell(text(&route["name"])).raw("<td>");
            let denials = route["denials"].as_object();
            if denials.is_none_or(|denials| denials.is_empty()) {
                html.raw("none since the start");
            }
            for (n, (reason, count)) in denials.into_iter().flatten().enumerate() {
                html.raw(if n > 0 { ", " } else { "" });
                html.raw("<code>").text(reason).raw("</code> ").text(text(count));
            }
            html.raw("</td></tr>");
        }
        html.end_table().raw("</section>");
    }
    html.raw("</div>");
}

/// Routes that are shown at most: a page with thousands of them is useless.
const SHOWN: usize = 200;

pub fn routes(html: &mut Html, status: &Value) {
    html.raw("<section id=\"routes\" aria-labelledby=\"routes-title\"><details><summary><h2 id=\"routes-title\">Routes</h2> (");
    let routes = list(&status["routes"]);
    html.text(routes.len()).raw(")</summary>");
    html.table("Routes", &["Name", "Host", "Path", "Methods", "Upstream", "Authorization server"]);
    for route in routes.iter().take(SHOWN) {
        html.raw("<tr><td><a href=\"?route=").text(encoded(&text(&route["name"])));
        html.raw("#decisions\">").text(text(&route["name"])).raw("</a></td>");
        html.cell(any(&route["hosts"])).cell(any(&route["paths"])).cell(any(&route["methods"]));
        html.cell(text(&route["upstream"]));
        let servers = &route["authorization_server"];
        html.cell(if servers.is_null() { "none".into() } else { any(servers) }).raw("</tr>");
    }
    html.end_table();
    if routes.len() > SHOWN {
        html.raw("<p>The others are in the <a href=\"api/status\">status as JSON</a>.</p>");
    }
    html.raw("</details></section>");
}

/// The members of a list; none where it is something else.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// A list as text; an empty one means any.
fn any(value: &Value) -> String {
    match value {
        Value::Array(items) if items.is_empty() => "any".into(),
        Value::Array(items) => items.iter().map(text).collect::<Vec<_>>().join(", "),
        other => text(other),
    }
}

/// A value in a query.
pub fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
