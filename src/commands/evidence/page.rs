//! `report.html`: the figures of a pack on one page that prints. Nothing in it runs, and nothing is fetched.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::Value;

use super::pack::Manifest;
use super::{ACTIONS, ALERTS, CALLS, HISTORY, KEYS, MAPPING, MATRIX, VERIFICATION};

/// Most rows of one table; the files have all.
const ROWS: usize = 500;

const STYLE: &str = "body { font: 13px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #1c1c1c; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.15rem; margin-top: 2rem; break-after: avoid; } h3 { font-size: 1rem; break-after: avoid; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem; } tr { break-inside: avoid; }
th, td { border: 1px solid #bbb; padding: .25rem .5rem; text-align: left; vertical-align: top; overflow-wrap: anywhere; }
thead { display: table-header-group; } th { background: #f3f3f3; } .note { color: #555; }
@media print { body { margin: 0; max-width: none; font-size: 10pt; } h2 { break-before: auto; } }";

/// The page of these files.
pub(super) fn page(manifest: &Manifest, files: &BTreeMap<&'static str, Value>) -> String {
    let file = |name: &str| files.get(name).unwrap_or(&Value::Null);
    let (log, period) = (&manifest.log, &manifest.period);
    let mut page = Page::default();
    let head = format!("{} records, root {}", log.size, log.root);
    page.pairs(&[
        ("Period", format!("{} to before {}", period.from, period.to).as_str()),
        ("Log", log.name.as_str()),
        ("Head at the end of the period", head.as_str()),
        ("Records of the period", log.records.to_string().as_str()),
        ("Made by", format!("yett {}", manifest.yett).as_str()),
        ("Signed with", manifest.key.as_str()),
    ]);
    page.note(
        "This page says what the files beside it say; manifest.json names each file by its SHA-256, manifest.note is the signature over it, and \
         `yett evidence check` checks both. Callers are pseudonyms. Figures support what is asked of an organisation; they make nobody compliant.",
    );
    verification(&mut page, file(VERIFICATION));
    calls(&mut page, file(CALLS));
    history(&mut page, file(HISTORY));
    page.head("What operators did", ACTIONS);
    page.tally("act", at(file(ACTIONS), "/by_act"));
    page.list(file(ACTIONS), "/actions", &["record", "time", "kind", "what/act", "what/target", "what/requester", "what/reason"]);
    page.head("Alerts", ALERTS);
    page.tally("rule", at(file(ALERTS), "/by_rule"));
    page.list(file(ALERTS), "/alerts", &["record", "time", "what/rule", "what/severity", "what/server", "what/about"]);
    keys(&mut page, file(KEYS));
    matrix(&mut page, file(MATRIX));
    mapping(&mut page, file(MAPPING));
    page.whole()
}

fn verification(page: &mut Page, file: &Value) {
    page.head("Is the log whole?", VERIFICATION);
    page.figures(
        file,
        &[
            "verdict",
            "log/meaning",
            "log/records",
            "log/first",
            "log/pruned",
            "log/heads",
            "log/anchored/size",
            "log/anchored/time",
            "log/gaps/total",
            "log/key",
        ],
    );
    page.list(file, "/log/gaps", &["index", "meaning"]);
}

fn calls(page: &mut Page, file: &Value) {
    page.head("Calls", CALLS);
    page.figures(
        file,
        &[
            "messages",
            "allowed",
            "tool_calls",
            "denied/total",
            "denied/counted_together",
            "blocked/total",
            "outcomes/total",
            "errors",
        ],
    );
    page.tally("refused because", at(file, "/denied/by_reason"));
    page.tally("blocked for", at(file, "/blocked/by_category"));
    page.tally("layer and what it did", at(file, "/findings"));
    page.tally("ended", at(file, "/outcomes/by_status"));
    let servers = at(file, "/servers").as_object();
    let rows = servers.into_iter().flatten().map(|(name, server)| {
        let figures = ["/allowed", "/denied/total", "/errors"].map(|figure| shown(at(server, figure)));
        std::iter::once(name.clone()).chain(figures).collect::<Vec<_>>()
    });
    page.table(&["server", "allowed", "denied", "errors"], rows.collect());
    page.head("Uptime", CALLS);
    page.figures(at(file, "/uptime"), &["observed_ms", "up_ms", "down_ms", "starts", "stops", "crashes", "ticks"]);
    page.list(file, "/uptime/outages", &["from", "to", "ms", "in_order"]);
}

fn history(page: &mut Page, file: &Value) {
    page.head("Policies and configuration", HISTORY);
    page.figures(file, &["at_begin/policy", "at_end/policy", "at_begin/config", "at_end/config"]);
    page.list(file, "/changes", &["record", "time", "what", "act", "by", "before", "after"]);
}

fn keys(page: &mut Page, file: &Value) {
    page.head("Keys", KEYS);
    page.figures(
        file,
        &[
            "at",
            "since_record",
            "api_keys_in_use",
            "oldest_secret_in_use_days",
            "signing/epoch",
            "signing/since",
            "signing/changes",
            "master_rotated",
        ],
    );
    let columns = ["name", "made", "age_days", "secret_age_days", "rotation_due", "over"];
    for (title, list) in [("API keys", "/api_keys"), ("Secrets", "/secrets")] {
        page.title(title);
        page.entries(at(file, list), &columns);
    }
}

fn matrix(page: &mut Page, file: &Value) {
    page.head("Who may call what", MATRIX);
    page.figures(file, &["policy", "in_force/at_end", "in_force/same", "at"]);
    page.note("What is not in a table is denied: no role grants it.");
    for (title, whose) in [("By role", "/roles"), ("By caller whom a binding means", "/callers")] {
        page.title(title);
        let tools = at(file, "/tools").as_array();
        let rows = tools.into_iter().flatten().flat_map(|tool| {
            let cells = at(tool, whose).as_object();
            cells.into_iter().flatten().map(move |(who, cell)| {
                let name = format!("{}/{}", shown(at(tool, "/server")), shown(at(tool, "/tool")));
                vec![name, shown(at(tool, "/operation")), who.clone(), shown(at(cell, "/effect")), shown(at(cell, "/rule"))]
            })
        });
        page.table(&["tool", "operation", "who", "effect", "by"], rows.collect());
    }
}

fn mapping(page: &mut Page, file: &Value) {
    page.head("What supports which requirement", MAPPING);
    page.note(&shown(at(file, "/wording")));
    let rows = at(file, "/rows").as_array().into_iter().flatten().map(|row| {
        let figures = at(row, "/supports").as_array().into_iter().flatten();
        let figures = figures.map(|figure| format!("{} {}", shown(at(figure, "/file")), shown(at(figure, "/figure"))));
        vec![shown(at(row, "/requirement")), shown(at(row, "/feature")), figures.collect::<Vec<_>>().join(", ")]
    });
    page.table(&["requirement", "feature", "supported by"], rows.collect());
}

/// A page as far as it is written.
#[derive(Debug, Default)]
struct Page {
    body: String,
}

impl Page {
    /// A chapter, and the file that has all of it.
    fn head(&mut self, title: &str, file: &str) {
        let _infallible = writeln!(self.body, "<h2>{} <span class=\"note\">({})</span></h2>", escaped(title), escaped(file));
    }

    fn title(&mut self, title: &str) {
        let _infallible = writeln!(self.body, "<h3>{}</h3>", escaped(title));
    }

    fn note(&mut self, text: &str) {
        let _infallible = writeln!(self.body, "<p class=\"note\">{}</p>", escaped(text));
    }

    fn pairs(&mut self, pairs: &[(&str, &str)]) {
        self.body.push_str("<table><tbody>\n");
        for (name, value) in pairs {
            let _infallible = writeln!(self.body, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escaped(name), escaped(value));
        }
        self.body.push_str("</tbody></table>\n");
    }

    /// Figures of a file by their places in it, without the first slash; those that are not there are left out.
    fn figures(&mut self, file: &Value, places: &[&str]) {
        let found = places.iter().map(|place| (*place, shown(at(file, &format!("/{place}")))));
        let found: Vec<_> = found.filter(|(_, value)| !value.is_empty()).collect();
        let pairs: Vec<_> = found.iter().map(|(place, value)| (*place, value.as_str())).collect();
        self.pairs(&pairs);
    }

    /// How often each word came.
    fn tally(&mut self, word: &str, tally: &Value) {
        let rows = tally.as_object().into_iter().flatten().map(|(word, n)| vec![word.clone(), shown(n)]);
        self.table(&[word, "times"], rows.collect());
    }

    /// A list that may have been cut, and how long it is.
    fn list(&mut self, file: &Value, place: &str, columns: &[&str]) {
        self.entries(at(file, &format!("{place}/listed")), columns);
    }

    fn entries(&mut self, entries: &Value, columns: &[&str]) {
        let rows = entries.as_array().into_iter().flatten();
        let cells = |entry: &Value| columns.iter().map(|column| shown(at(entry, &format!("/{column}")))).collect::<Vec<_>>();
        self.table(columns, rows.map(cells).collect());
    }

    fn table(&mut self, columns: &[&str], rows: Vec<Vec<String>>) {
        if rows.is_empty() {
            return;
        }
        self.body.push_str("<table><thead><tr>");
        for column in columns {
            let name = column.rsplit('/').next().unwrap_or(column);
            let _infallible = write!(self.body, "<th scope=\"col\">{}</th>", escaped(name));
        }
        self.body.push_str("</tr></thead>\n<tbody>\n");
        let more = rows.len().saturating_sub(ROWS);
        for row in rows.into_iter().take(ROWS) {
            self.body.push_str("<tr>");
            for cell in row {
                let _infallible = write!(self.body, "<td>{}</td>", escaped(&cell));
            }
            self.body.push_str("</tr>\n");
        }
        self.body.push_str("</tbody></table>\n");
        if more > 0 {
            self.note(&format!("and {more} more in the file"));
        }
    }

    fn whole(self) -> String {
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>Evidence of a period</title>\n<style>\n{STYLE}\n</style>\n</head>\n<body>\n<h1>Evidence of a period</h1>\n{}</body>\n</html>\n",
            self.body
        )
    }
}

/// What stands at a JSON pointer; null where nothing does.
fn at<'v>(value: &'v Value, pointer: &str) -> &'v Value {
    value.pointer(pointer).unwrap_or(&Value::Null)
}

/// A figure in words.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

/// Nothing that a browser would act on; what it would not show, or show in another order, becomes U+FFFD.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => escaped.push('\u{fffd}'),
            c if c.is_control() => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_says_is_text_on_the_page_and_nothing_else() {
        let mut page = Page::default();
        page.table(&["<b>"], vec![vec!["<script>alert('x')</script>\u{202e}\u{1b}[2J".to_owned()]; ROWS + 2]);
        let html = page.whole();
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains(['\u{202e}', '\u{1b}']), "{html}");
        assert!(html.contains("&lt;script&gt;alert(&#39;x&#39;)") && html.contains("and 2 more in the file"));
    }
}
