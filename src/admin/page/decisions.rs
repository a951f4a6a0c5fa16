//! The last decisions, the finder of one request, and the form that explains a request.

use super::html::Html;
use super::now::sentence;
use super::parts::encoded;
use crate::admin::decisions::Filter;
use crate::runtime::Process;
use crate::telemetry::{AccessLine, RecordedDecision};

/// Rows of the table.
const ROWS: usize = 50;

const COLUMNS: [&str; 9] = [
    "Time (UTC)",
    "Decision",
    "Reason",
    "#Status",
    "Request",
    "Route",
    "Client",
    "Token",
    "Request id",
];

/// The decision about the request whose id is asked for.
pub fn found(html: &mut Html, process: &Process, filter: &Filter) {
    if filter.value("request_id").is_empty() {
        return;
    }
    html.raw("<section id=\"decision\" data-live aria-labelledby=\"decision-title\"><h2 id=\"decision-title\">Request <code>");
    html.text(filter.value("request_id")).raw("</code></h2>");
    match last(process, filter, 1).first() {
        Some(one) => details(html, &one.line()),
        None => {
            html.raw("<p>The last 1,000 decisions have none with this request id. Look for it in the access log.</p>");
        }
    }
    html.raw("</section>");
}

/// The last decisions that fit, newest first.
fn last(process: &Process, filter: &Filter, most: usize) -> Vec<RecordedDecision> {
    let decisions = &process.decisions;
    let all = decisions.range(0, decisions.next()).rev();
    all.filter(|one| filter.takes(&one.line())).take(most).collect()
}

pub fn section(html: &mut Html, process: &Process, filter: &Filter) {
    html.raw("<section id=\"decisions\" aria-labelledby=\"decisions-title\"><h2 id=\"decisions-title\">Decisions</h2>");
    forms(html, filter);
    html.raw("<p id=\"follow-note\" role=\"status\"></p>");
    let found = last(process, filter, ROWS);
    html.table("The last decisions, newest first", &COLUMNS);
    // the table's body is renewed by itself, since the script writes into it too
    html.raw("</tbody><tbody id=\"decision-rows\" data-live>");
    for one in &found {
        row(html, &one.line());
    }
    html.end_table();
    if found.is_empty() {
        html.raw("<p id=\"no-decisions\">No decision fits.</p>");
    }
    html.raw("</section>");
}

fn forms(html: &mut Html, filter: &Filter) {
    html.raw("<form method=\"get\" action=\"./\" class=\"line\" role=\"search\"><label>Request id <input id=\"find\" name=\"request_id\" value=\"");
    html.text(filter.value("request_id"));
    html.raw("\" autocomplete=\"off\" spellcheck=\"false\"></label><button>Find</button></form>");
    html.raw("<form method=\"get\" action=\"./#decisions\" class=\"line\" id=\"filter\"><label>Decision <select name=\"decision\"><option value=\"\">any</option>");
    for outcome in ["allow", "anonymous", "deny", "error"] {
        html.raw("<option").raw(if filter.value("decision") == outcome { " selected" } else { "" });
        html.raw(">").text(outcome).raw("</option>");
    }
    html.raw("</select></label>");
    for (key, name) in
        [("route", "Route"), ("reason", "Reason"), ("client_id", "Client"), ("token_fp", "Token")]
    {
        html.raw("<label>").text(name).raw(" <input name=\"").text(key).raw("\" value=\"");
        html.text(filter.value(key)).raw("\" autocomplete=\"off\" spellcheck=\"false\"></label>");
    }
    html.raw("<button>Filter</button> <a href=\"./#decisions\">Show all</a> <button type=\"button\" id=\"follow\" aria-pressed=\"false\" hidden>Follow</button></form>");
}

fn row(html: &mut Html, line: &AccessLine<'_>) {
    html.raw("<tr>").cell_of("time", clock(line));
    html.cell_of(class(line.decision), decision(line));
    html.cell(line.reason.unwrap_or_default()).count(line.status);
    html.raw("<td class=\"path\">").text(line.method).raw(" ").text(line.host).text(line.path);
    html.raw("</td>").cell(line.route.unwrap_or("-"));
    html.cell(line.client_id.or(line.sub).unwrap_or_default()).raw("<td><code>");
    html.text(fingerprint(line)).raw("</code></td><td><a href=\"?request_id=");
    html.text(encoded(line.request_id)).raw("\">").text(line.request_id);
    html.raw("</a></td></tr>");
}

/// Everything that is known of one decision, and its reason in words.
fn details(html: &mut Html, line: &AccessLine<'_>) {
    html.raw("<p><strong class=\"").raw(class(line.decision)).raw("\">");
    html.text(decision(line)).raw("</strong>");
    if let Some(reason) = line.reason {
        html.raw(" <code>").text(reason).raw("</code>: ").text(sentence(reason));
    }
    html.raw("</p><dl>");
    let millis = |took: Option<std::time::Duration>| {
        took.map(|took| format!("{:.3} ms", took.as_secs_f64() * 1000.0))
    };
    let members = [
        ("Time", Some(line.ts.to_string())),
        ("Request", Some(format!("{} {}{}", line.method, line.host, line.path))),
        (
            "Answer",
            Some(format!(
                "status {} after {}",
                line.status,
                millis(Some(line.duration)).unwrap_or_default()
            )),
        ),
        ("From", line.client_ip.map(|address| address.to_string())),
        ("Route", line.route.map(str::to_owned)),
        ("Authorization server", line.server.map(str::to_owned)),
        ("Cache", Some(line.cache.as_str().to_owned())),
        ("Introspection", millis(line.introspection)),
        ("Subject", line.sub.map(str::to_owned)),
        ("Client", line.client_id.map(str::to_owned)),
        ("Token", line.token_fp.map(|fingerprint| fingerprint.to_string())),
        ("Upstream", line.upstream.map(str::to_owned)),
        ("Trace", Some(line.trace_id.to_owned())),
    ];
    for (name, value) in members {
        if let Some(value) = value {
            html.raw("<dt>").text(name).raw("</dt><dd>").text(value).raw("</dd>");
        }
    }
    html.raw("</dl>");
    if line.token_fp.is_some() {
        html.raw("<p><a href=\"?token_fp=").text(fingerprint(line));
        html.raw("#decisions\">All decisions about this token</a></p>");
    }
}

/// `POST /api/explain` as a form.
pub fn explain(html: &mut Html) {
    html.raw(EXPLAIN);
}

const EXPLAIN: &str = r#"<section id="explain" aria-labelledby="explain-title"><h2 id="explain-title">Explain a request</h2>
<noscript><p>This form needs JavaScript; <code>introgate explain</code> does the same on the command line.</p></noscript>
<form id="explain-form" hidden>
<div class="line">
<label>Method <input name="method" value="GET" size="7" autocomplete="off"></label>
<label class="wide">URL <input name="url" placeholder="https://api.example.com/items/1" required autocomplete="off"></label>
</div>
<label>Headers, one a line <textarea name="headers" rows="2" spellcheck="false" placeholder="Accept: application/json"></textarea></label>
<label>Introspection response to assume (JSON); empty: a token in the headers is introspected <textarea name="response" rows="3" spellcheck="false" placeholder='{"active": true, "scope": "read"}'></textarea></label>
<div class="line"><label>Admin token, where one is configured <input name="token" type="password" autocomplete="off"></label> <button>Explain</button></div>
</form>
<pre id="explanation" role="status" hidden></pre>
</section>
"#;

fn clock(line: &AccessLine<'_>) -> String {
    line.ts.to_string().get(11..23).unwrap_or_default().to_owned()
}

fn fingerprint(line: &AccessLine<'_>) -> String {
    line.token_fp.map(|fingerprint| fingerprint.to_string()).unwrap_or_default()
}

/// Shadow mode forwards what it would refuse.
fn decision(line: &AccessLine<'_>) -> String {
    let decision = line.decision;
    if line.enforced { decision.to_owned() } else { format!("{decision}, forwarded") }
}

fn class(decision: &str) -> &'static str {
    match decision {
        "allow" => "good",
        "deny" => "deny",
        "error" => "bad",
        _ => "plain",
    }
}
