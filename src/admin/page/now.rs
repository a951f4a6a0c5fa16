//! Current events, and events of the last hour.

use super::html::Html;
use super::spark;
use crate::deny::Reason;
use crate::runtime::Process;
use crate::telemetry::{HISTORY_KEPT, Interval, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;

/// Intervals in which "now" is measured: half a minute.
const NOW: usize = 6;
/// Intervals of five minutes.
const RECENT: usize = 60;

/// Name, version, whether it is ready, and which configuration is in force.
pub fn heading(html: &mut Html, status: &Value) {
    html.raw("<header><h1>introgate <small>").text(text(&status["version"]));
    html.raw("</small></h1><p id=\"summary\" data-live role=\"status\">");
    if status["ready"] == true {
        html.raw("<span class=\"good\">Ready</span>");
    } else {
        html.raw("<span class=\"bad\">Not ready</span>");
    }
    let uptime = status["uptime_seconds"].as_u64().unwrap_or_default();
    html.raw(". Up ").text(duration(uptime)).raw(", ").text(&status["requests_in_flight"]);
    html.raw(" requests in flight. Configuration of ");
    html.text(time(&status["configuration"]["loaded_at"])).raw(" UTC.</p>");
    let reload = &status["configuration"]["last_reload"];
    html.raw("<div id=\"reload\" data-live>");
    if reload["succeeded"] == false {
        html.raw("<div class=\"notice bad\"><p>The newest configuration has errors and is not in force (");
        html.text(time(&reload["at"])).raw(" UTC):</p><ul>");
        for problem in reload["problems"].as_array().into_iter().flatten() {
            html.raw("<li><code>").text(text(problem)).raw("</code></li>");
        }
        html.raw("</ul></div>");
    }
    html.raw("</div></header>");
}

/// The figures of the last half minute.
pub fn tiles(html: &mut Html, process: &Process, status: &Value) {
    let history = process.history.lock();
    let last: Vec<&Interval> = history.intervals().rev().take(NOW).collect();
    let seconds: f64 = last.iter().map(|interval| interval.length).sum();
    let rate = |count: &dyn Fn(&Interval) -> u64| {
        let sum: u64 = last.iter().map(|interval| count(interval)).sum();
        if seconds > 0.0 { figure(float(sum) / seconds) } else { "–".to_owned() }
    };
    html.raw("<section id=\"now\" data-live aria-label=\"Now\"><div class=\"tiles\">");
    let mut tile = |name: &'static str, class: &'static str, value: String, unit: &'static str| {
        html.raw("<div class=\"tile ").raw(class).raw("\"><span>").raw(name);
        html.raw("</span><strong>")
            .text(value)
            .raw("<small>")
            .raw(unit)
            .raw("</small></strong></div>");
    };
    tile("allowed", "allow", rate(&|one| one.decisions.allow), "/s");
    tile("anonymous", "", rate(&|one| one.decisions.anonymous), "/s");
    tile("denied", "deny", rate(&|one| one.decisions.deny), "/s");
    tile("no decision", "error", rate(&|one| one.decisions.error), "/s");
    let (hits, misses) = last
        .iter()
        .fold((0, 0), |(hits, misses), one| (hits + one.cache_hits, misses + one.cache_misses));
    let share = match hits + misses {
        0 => "–".to_owned(),
        all => format!("{:.1}", 100.0 * float(hits) / float(all)),
    };
    tile("cache hits", "", share, "%");
    let in_flight = text(&status["requests_in_flight"]);
    tile("in flight", "", in_flight, "");
    tile("streams", "", text(&status["streams"]), "");
    html.raw("</div><p class=\"hint\">Mean of the last 30 seconds. <em>No decision</em>: a request was refused since its token could not be judged.</p></section>");
}

/// The last hour.
pub fn charts(html: &mut Html, process: &Process) {
    let history = process.history.lock();
    let intervals: Vec<&Interval> = history.intervals().collect();
    html.raw(
        "<section id=\"hour\" data-live aria-labelledby=\"hour-title\"><h2 id=\"hour-title\">",
    );
    // a process that started a moment ago has no hour yet
    let capacity = intervals.len().clamp(RECENT, HISTORY_KEPT);
    match capacity {
        HISTORY_KEPT => html.raw("Last hour"),
        _ => html.raw("Last ").text(capacity / 12).raw(" minutes"),
    };
    html.raw("</h2><div class=\"charts\">");
    let mut chart =
        |name: &'static str, class: &'static str, unit: &'static str, values: Vec<Option<f64>>| {
            let highest =
                values.iter().flatten().copied().fold(None, |highest: Option<f64>, value| {
                    Some(highest.map_or(value, |highest| highest.max(value)))
                });
            let last = values.iter().rev().flatten().next().copied();
            let shown = |value: Option<f64>| {
                value.map_or("–".to_owned(), |value| format!("{}{unit}", figure(value)))
            };
            let summary = format!("last {}, highest {}", shown(last), shown(highest));
            html.raw("<figure class=\"").raw(class).raw("\"><figcaption>").raw(name);
            html.raw(" <small>").text(&summary).raw("</small></figcaption>");
            spark::line(html, &format!("{name}: {summary}"), &values, capacity);
            html.raw("</figure>");
        };
    let each = |value: &dyn Fn(&Interval) -> Option<f64>| -> Vec<Option<f64>> {
        intervals.iter().map(|interval| value(interval)).collect()
    };
    let per_second = |count: u64, one: &Interval| Some(float(count) / one.length);
    let millis = |seconds: Option<f64>| seconds.map(|seconds| seconds * 1000.0);
    chart("Requests", "", "/s", each(&|one| per_second(one.decisions.all(), one)));
    chart("Denied", "deny", "/s", each(&|one| per_second(one.decisions.deny, one)));
    chart("No decision", "error", "/s", each(&|one| per_second(one.decisions.error, one)));
    chart("Requests, 99th percentile", "", " ms", each(&|one| millis(one.requests.p99)));
    chart("Introspections", "", "/s", each(&|one| per_second(one.introspections.count, one)));
    chart(
        "Introspections, 99th percentile",
        "",
        " ms",
        each(&|one| millis(one.introspections.p99)),
    );
    chart(
        "Cache hits",
        "allow",
        " %",
        each(&|one| match one.cache_hits + one.cache_misses {
            0 => None,
            all => Some(100.0 * float(one.cache_hits) / float(all)),
        }),
    );
    html.raw("</div></section>");
}

/// Refusals of the last five minutes and of the last hour, the most frequent first.
pub fn refusals(html: &mut Html, process: &Process) {
    let history = process.history.lock();
    let (mut hour, mut recent) = (BTreeMap::new(), BTreeMap::new());
    for (age, interval) in history.intervals().rev().enumerate() {
        for (reason, count) in &interval.refusals {
            *hour.entry(reason.as_str()).or_insert(0) += count;
            if age < RECENT {
                *recent.entry(reason.as_str()).or_insert(0) += count;
            }
        }
    }
    let mut rows: Vec<(&str, u64)> = hour.into_iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    html.raw("<section id=\"refusals\" data-live aria-labelledby=\"refusals-title\"><h2 id=\"refusals-title\">Refusals</h2>");
    if rows.is_empty() {
        html.raw("<p>None in the last hour.</p></section>");
        return;
    }
    html.table("Refusals by reason", &["Reason", "Meaning", "#Last 5 min", "#Last hour"]);
    for (reason, count) in rows {
        html.raw("<tr><td><a href=\"?reason=").text(reason).raw("#decisions\">").text(reason);
        html.raw("</a></td>").cell_of("words", sentence(reason));
        html.count(recent.get(reason).copied().unwrap_or(0)).count(count).raw("</tr>");
    }
    html.end_table().raw("</section>");
}

/// The meaning of a reason.
pub fn sentence(reason: &str) -> &'static str {
    let known = Reason::ALL.into_iter().find(|known| known.as_str() == reason);
    known.map_or("", Reason::sentence)
}

/// A value of the status as text.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Seconds since the epoch as a date and time in UTC.
pub fn time(value: &Value) -> String {
    let Some(seconds) = value.as_i64() else { return "–".into() };
    let timestamp = Timestamp { unix_millis: seconds.saturating_mul(1000) }.to_string();
    timestamp.get(..19).unwrap_or_default().replace('T', " ")
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// Three significant digits or so.
fn figure(value: f64) -> String {
    match value {
        value if value >= 100.0 || value == 0.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[allow(clippy::cast_precision_loss)] // for people to look at
fn float(count: u64) -> f64 {
    count as f64
}
