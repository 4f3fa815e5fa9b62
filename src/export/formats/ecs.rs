//! Elastic Common Schema 9.4 (<https://www.elastic.co/docs/reference/ecs>). What it has no field for stands under `yett`, as the log says it.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{message, object, rest, some, some_object, text};
use crate::export::record::{Record, Severity};

const VERSION: &str = "9.4.0";

/// Members of a record that have a field.
const TOLD: [(&str, &[&str]); 13] = [
    ("call", &[]),
    ("dec", &["effect", "reason", "rule"]),
    ("i", &[]),
    ("kind", &[]),
    ("log", &[]),
    ("out", &["code", "status", "us"]),
    ("peer", &[]),
    ("t", &[]),
    ("trace", &[]),
    ("v", &[]),
    ("via", &[]),
    ("what", &["server", "sub"]),
    ("who", &["client", "iss", "sub", "tenant"]),
];

pub(super) fn record(record: &Record, log: &str, uid: &str) -> Vec<u8> {
    let server = record.told(&["what", "server"]);
    let address = record.told(&["peer"]);
    let mut ours = rest(record, &TOLD);
    ours.insert("leaf".to_owned(), Value::from(record.leaf.to_string()));
    ours.insert("log".to_owned(), Value::from(log));
    ours.insert("correlation".to_owned(), record.text(&["call"]).map_or(Value::Null, Value::from));
    ours.retain(|_, value| !value.is_null());
    // Of an outcome: what was asked stands in the decision.
    for part in ["what", "who"] {
        if let (false, Some(of)) = (ours.contains_key(part), record.decision.as_deref().and_then(|decision| decision.get(part))) {
            ours.insert(part.to_owned(), of.clone());
        }
    }
    let tool = record.told(&["what", "name"]).filter(|_| record.told(&["what", "method"]) == Some("tools/call"));
    let event = object([
        ("@timestamp", some(record.text(&["t"]))),
        ("ecs", Some(json!({ "version": VERSION }))),
        ("error", some_object([("code", record.number(&["out", "code"]).map(|code| Value::from(code.to_string())))])),
        ("event", Some(event(record, uid))),
        ("gen_ai", tool.map(|tool| json!({ "tool": { "name": tool } }))),
        ("message", Some(Value::from(message(record)))),
        (
            "observer",
            Some(json!({ "product": "Yett", "type": "gateway", "vendor": "Yett", "version": env!("CARGO_PKG_VERSION") })),
        ),
        ("organization", record.told(&["who", "tenant"]).map(|tenant| json!({ "id": tenant }))),
        ("related", related(record, address)),
        (
            "rule",
            record
                .told(&["dec", "rule"])
                .or_else(|| record.text(&["what", "rule"]))
                .map(|rule| json!({ "name": rule, "ruleset": "Yett policy" })),
        ),
        ("server", record.told(&["via"]).map(|via| json!({ "ip": via }))),
        ("service", server.map(|server| json!({ "name": server, "type": "mcp" }))),
        ("source", address.map(|address| json!({ "address": address, "ip": address }))),
        ("trace", record.told(&["trace"]).map(|trace| json!({ "id": trace }))),
        ("user", user(record)),
        ("yett", Some(Value::Object(ours))),
    ]);
    text(&event)
}

fn event(record: &Record, uid: &str) -> Value {
    let is_alert = record.kind() == "alert" || record.has_findings() && record.severity() >= Severity::Medium;
    let action = record.text(&["what", "act"]).or_else(|| record.told(&["what", "method"])).unwrap_or(record.kind());
    let reason = record.text(&["dec", "reason"]).or_else(|| record.text(&["out", "status"]).filter(|status| *status != "ok"));
    object([
        ("action", some(Some(action))),
        ("category", Some(json!(categories(record, is_alert)))),
        ("code", some(Some(record.kind()))),
        ("dataset", some(Some("yett.audit"))),
        ("duration", record.number(&["out", "us"]).map(|micros| Value::from(micros.saturating_mul(1_000)))),
        ("id", some(Some(uid))),
        ("kind", some(Some(if is_alert { "alert" } else { "event" }))),
        ("module", some(Some("yett"))),
        ("outcome", some(Some(outcome(record)))),
        ("provider", some(Some("yett"))),
        ("reason", some(reason)),
        ("sequence", Some(Value::from(record.index))),
        ("severity", Some(Value::from(record.severity() as u64 + 1))),
        ("type", Some(json!(types(record)))),
    ])
}

/// Words that ECS allows for `event.category`.
fn categories(record: &Record, is_alert: bool) -> Vec<&'static str> {
    let mut categories = match record.kind() {
        "call.decision" | "call.outcome" | "stream.segment" => vec!["api"],
        "auth.failure" => vec!["authentication"],
        "admin" | "config.change" | "killswitch" | "policy.change" | "tool.pin" => vec!["configuration"],
        "erasure" | "export" | "hold" | "prune" | "vault.read" => vec!["database"],
        "alert" => Vec::new(),
        _ => vec!["process"],
    };
    if is_alert {
        categories.push("intrusion_detection");
    }
    categories
}

/// Words that ECS allows for `event.type`, and for those categories.
fn types(record: &Record) -> Vec<&'static str> {
    match record.kind() {
        "call.decision" if record.is_denied() => vec!["access", "denied"],
        "call.decision" => vec!["access", "allowed"],
        "call.outcome" => vec!["access", "end"],
        "auth.failure" | "start" => vec!["start"],
        "stop" => vec!["end"],
        "admin" | "config.change" | "erasure" | "killswitch" | "policy.change" | "prune" | "tool.pin" => vec!["change"],
        _ => vec!["info"],
    }
}

fn outcome(record: &Record) -> &'static str {
    match (record.kind(), record.text(&["out", "status"])) {
        ("call.outcome", Some("ok")) => "success",
        ("call.outcome", Some("unknown") | None) => "unknown",
        ("call.outcome", Some(_)) | ("auth.failure", _) => "failure",
        ("call.decision", _) if record.is_denied() => "failure",
        _ => "success",
    }
}

fn user(record: &Record) -> Option<Value> {
    let person = record.person.as_deref();
    let pseudonym = record.pseudonym();
    let issuer = person.map(|person| person.issuer.as_str()).or_else(|| record.told(&["who", "iss"]));
    some_object([
        ("domain", some(issuer).filter(|_| pseudonym.is_some())),
        ("id", some(pseudonym)),
        ("name", some(person.map(|person| person.subject.as_str()))),
    ])
}

fn related(record: &Record, address: Option<&str>) -> Option<Value> {
    let people: Vec<&str> = record.person.iter().map(|person| person.subject.as_str()).chain(record.pseudonym()).collect();
    some_object([("ip", address.map(|address| json!([address]))), ("user", (!people.is_empty()).then(|| json!(people)))])
}

/// A signed head.
pub(super) fn head(note: &str, size: u64, (log, uid): (&str, &str), time: Timestamp) -> Vec<u8> {
    text(&json!({
        "@timestamp": time.to_string(),
        "ecs": { "version": VERSION },
        "event": {
            "action": "head", "category": ["process"], "code": "head", "dataset": "yett.audit", "id": uid, "kind": "event",
            "module": "yett", "outcome": "success", "provider": "yett", "type": ["info"],
        },
        "message": format!("signed head over {size} records"),
        "yett": { "log": log, "n": size, "note": note },
    }))
}
