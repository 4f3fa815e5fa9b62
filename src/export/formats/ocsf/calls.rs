//! API Activity 6003: what callers ask for, and how it ends.

use serde_json::{Value, json};

use super::{API_ACTIVITY, actor, api, control, event_of, insert, resources, server, some, source};
use crate::export::formats::rest;
use crate::export::record::Record;

/// Members of a record that have a field.
const TOLD: [(&str, &[&str]); 15] = [
    ("call", &[]),
    ("dec", &["effect", "policy", "reason", "rule", "score"]),
    ("i", &[]),
    ("kind", &[]),
    ("log", &[]),
    ("open", &[]),
    ("out", &["code", "score", "status", "us"]),
    ("peer", &[]),
    ("sess", &[]),
    ("t", &[]),
    ("trace", &[]),
    ("v", &[]),
    ("via", &[]),
    ("what", &["method", "name", "rev", "server", "target"]),
    ("who", &["authn", "client", "iss", "sub", "tenant"]),
];

pub(super) fn call(record: &Record, log: &str, uid: &str) -> Value {
    let mut event = event_of(record, &API_ACTIVITY, activity(record), (log, uid), &["security_control", "trace"]);
    event.insert("actor".to_owned(), actor(record));
    event.insert("api".to_owned(), api(record));
    event.insert("src_endpoint".to_owned(), source(record));
    let destination = record.told(&["what", "server"]).map(|server| json!({ "svc_name": server, "name": server }));
    insert(&mut event, "dst_endpoint", destination.filter(|_| server(record).is_some()));
    insert(&mut event, "resources", resources(record));
    insert(&mut event, "trace", record.told(&["trace"]).map(|trace| json!({ "uid": trace })));
    control(record, &mut event);
    let score = record.number(&["dec", "score"]).or_else(|| record.number(&["out", "score"]));
    insert(&mut event, "risk_score", score.map(Value::from));
    let (id, name) = status(record);
    event.insert("status".to_owned(), Value::from(name));
    event.insert("status_id".to_owned(), Value::from(id));
    insert(&mut event, "status_code", some(record.text(&["out", "status"]).or_else(|| record.text(&["dec", "reason"]))));
    let detail = record.text(&["out", "detail"]).or_else(|| record.text(&["dec", "detail"]));
    insert(&mut event, "status_detail", some(detail));
    insert(&mut event, "duration", record.number(&["out", "us"]).map(|micros| Value::from(micros / 1_000)));
    event.insert("unmapped".to_owned(), Value::Object(rest(record, &TOLD)));
    Value::Object(event)
}

/// What is asked of a server is a reading where the protocol says so; what a tool does, nobody knows but the tool.
fn activity(record: &Record) -> (u64, &str) {
    match record.told(&["what", "method"]) {
        Some(method) if method.ends_with("/list") || matches!(method, "resources/read" | "prompts/get") => (2, "Read"),
        Some(method) => (99, method),
        None => (0, "Unknown"),
    }
}

fn status(record: &Record) -> (u64, &'static str) {
    match (record.kind(), record.text(&["out", "status"])) {
        ("call.outcome", Some("ok")) => (1, "Success"),
        ("call.outcome", Some("unknown") | None) => (0, "Unknown"),
        ("call.outcome", Some(_)) => (2, "Failure"),
        _ if record.is_denied() => (2, "Failure"),
        // Its outcome says more.
        _ if record.says.get("open").is_some() => (99, "Pending"),
        _ => (1, "Success"),
    }
}
