//! The document as a page: one file, no scripts, nothing from elsewhere.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use utoipa::openapi::OpenApi;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}\
code,pre{font:13px/1.45 ui-monospace,monospace}pre{background:#f6f8fa;padding:.7rem;overflow:auto}h2{margin-top:2.2rem;font-size:1.05rem}\
table{border-collapse:collapse;width:100%}td{border-top:1px solid #d0d7de;padding:.25rem .6rem .25rem 0;vertical-align:top}\
@media(prefers-color-scheme:dark){body{background:#14171a;color:#e6e8ea}pre{background:#1f2428}td{border-color:#30363d}a{color:#9ecbff}}";

/// What a browser may do with it: show it.
pub(super) fn policy() -> String {
    let style = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
    format!("default-src 'none'; style-src 'sha256-{style}'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'")
}

pub(super) fn render(document: &OpenApi) -> String {
    let document = serde_json::to_value(document).unwrap_or_default();
    let text = |pointer: &str| escaped(document.pointer(pointer).and_then(Value::as_str).unwrap_or_default());
    let below = |pointer: &str| document.pointer(pointer).into_iter().flat_map(members);
    let title = text("/info/title");
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title} {}</h1><p>{}</p>\n",
        text("/info/version"),
        text("/info/description")
    );
    for (path, methods) in below("/paths") {
        for (method, operation) in members(methods) {
            operation_of(&mut page, path, method, operation);
        }
    }
    page.push_str("<h1>Schemas</h1>\n");
    for (name, schema) in below("/components/schemas") {
        let (name, schema) = (escaped(name), escaped(&serde_json::to_string_pretty(schema).unwrap_or_default()));
        let _infallible = writeln!(page, "<h2 id=\"{name}\">{name}</h2><pre>{schema}</pre>");
    }
    page + "</body></html>\n"
}

fn operation_of(page: &mut String, path: &str, method: &str, operation: &Value) {
    let said = |of: &Value, key: &str| escaped(of.get(key).and_then(Value::as_str).unwrap_or_default());
    let (method, path) = (escaped(&method.to_uppercase()), escaped(path));
    let _infallible = writeln!(page, "<h2><code>{method} {path}</code></h2><p>{}</p><table>", said(operation, "summary"));
    for parameter in operation.get("parameters").and_then(Value::as_array).into_iter().flatten() {
        let (name, place, about) = (said(parameter, "name"), said(parameter, "in"), said(parameter, "description"));
        let _infallible = writeln!(page, "<tr><td><code>{name}</code></td><td>{place}</td><td>{about}</td></tr>");
    }
    if let Some(schema) = operation.get("requestBody").and_then(schema_of) {
        let _infallible = writeln!(page, "<tr><td>body</td><td></td><td>{schema}</td></tr>");
    }
    for (status, answer) in operation.get("responses").into_iter().flat_map(members) {
        let (status, about) = (escaped(status), said(answer, "description"));
        let schema = schema_of(answer).unwrap_or_default();
        let _infallible = writeln!(page, "<tr><td>{status}</td><td>{schema}</td><td>{about}</td></tr>");
    }
    page.push_str("</table>\n");
}

/// A link to the schema of a body.
fn schema_of(body: &Value) -> Option<String> {
    let reference = body.pointer("/content/application~1json/schema/$ref")?.as_str()?;
    let name = escaped(reference.rsplit('/').next()?);
    Some(format!("<a href=\"#{name}\">{name}</a>"))
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}
