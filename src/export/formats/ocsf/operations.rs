//! What is no call: who was not let in, what operators did, what became of the gateway and its log.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    APPLICATION_LIFECYCLE, AUTHENTICATION, ENTITY_MANAGEMENT, VERSION, control, event, event_of, insert, object, product, server,
    some, source, text,
};
use crate::export::formats::rest;
use crate::export::record::{Record, Severity};

/// Members of every record that have a field.
const TOLD: [(&str, &[&str]); 5] = [("i", &[]), ("kind", &[]), ("log", &[]), ("t", &[]), ("v", &[])];

pub(super) fn authentication(record: &Record, log: &str, uid: &str) -> Value {
    let mut event = event_of(record, &AUTHENTICATION, (1, "Logon"), (log, uid), &["security_control"]);
    event.insert("service".to_owned(), server(record).unwrap_or_else(|| json!({ "name": "Yett" })));
    event.insert("user".to_owned(), json!({ "name": "unknown", "type_id": 0 }));
    event.insert("src_endpoint".to_owned(), source(record));
    event.insert("is_remote".to_owned(), Value::from(true));
    event.insert("status".to_owned(), Value::from("Failure"));
    event.insert("status_id".to_owned(), Value::from(2));
    insert(&mut event, "status_code", some(record.text(&["dec", "reason"])));
    insert(&mut event, "status_detail", some(record.text(&["dec", "detail"])));
    insert(&mut event, "count", record.number(&["n"]).map(Value::from));
    control(record, &mut event);
    event.insert("unmapped".to_owned(), Value::Object(rest(record, &TOLD)));
    Value::Object(event)
}

pub(super) fn management(record: &Record, log: &str, uid: &str) -> Value {
    let act = record.text(&["what", "act"]).unwrap_or(record.kind());
    let mut event = event_of(record, &ENTITY_MANAGEMENT, activity(record, act), (log, uid), &[]);
    let name = record.text(&["what", "target"]).unwrap_or(record.kind());
    let entity = object([
        ("name", some(Some(name))),
        ("type", some(Some(record.kind()))),
        ("uid", some(record.text(&["what", "after"]))),
        (
            "user",
            record.text(&["what", "sub"]).map(|sub| {
                let name = record.person.as_ref().map(|person| Value::from(person.subject.as_str()));
                object([("name", name), ("uid", some(Some(sub)))])
            }),
        ),
    ]);
    event.insert("entity".to_owned(), entity);
    let requester = record.text(&["what", "requester"]).or_else(|| record.text(&["what", "by"]));
    let actor = match requester {
        Some(requester) => json!({ "user": { "name": requester, "type": "Admin", "type_id": 2 } }),
        None => json!({ "app_name": "Yett" }),
    };
    event.insert("actor".to_owned(), actor);
    insert(&mut event, "comment", some(record.text(&["what", "reason"])));
    let refused = act.ends_with("refuse") || act.ends_with("refused");
    event.insert("status".to_owned(), Value::from(if refused { "Failure" } else { "Success" }));
    event.insert("status_id".to_owned(), Value::from(if refused { 2 } else { 1 }));
    event.insert("unmapped".to_owned(), Value::Object(rest(record, &TOLD)));
    Value::Object(event)
}

/// `key.create` is a creation: the last word of an act says what it is.
fn activity<'a>(record: &Record, act: &'a str) -> (u64, &'a str) {
    match (record.kind(), act.rsplit('.').next().unwrap_or(act)) {
        ("export", "sink") => (1, "Create"),
        ("vault.read" | "export", _) => (2, "Read"),
        ("prune" | "erasure", _) | (_, "delete" | "revoke" | "forget" | "erase" | "release") => (4, "Delete"),
        (_, "create" | "approve" | "connect" | "hold") => (1, "Create"),
        (_, "kill") => (12, "Suspend"),
        (_, "unkill") => (10, "Activate"),
        _ => (3, "Update"),
    }
}

pub(super) fn lifecycle(record: &Record, log: &str, uid: &str) -> Value {
    let activity = match record.kind() {
        "start" => (3, "Start"),
        "stop" => (4, "Stop"),
        kind => (99, kind),
    };
    let mut event = event_of(record, &APPLICATION_LIFECYCLE, activity, (log, uid), &[]);
    event.insert("app".to_owned(), product());
    event.insert("unmapped".to_owned(), Value::Object(rest(record, &TOLD)));
    Value::Object(event)
}

/// A signed head.
pub(in crate::export::formats) fn head(note: &str, size: u64, (log, uid): (&str, &str), time: Timestamp) -> Vec<u8> {
    let mut event = event(&APPLICATION_LIFECYCLE, (99, "head"), Severity::Informational, time);
    event.insert("app".to_owned(), product());
    let metadata = json!({ "event_code": "head", "log_name": log, "log_provider": "Yett", "product": product(), "uid": uid, "version": VERSION });
    event.insert("metadata".to_owned(), metadata);
    event.insert("message".to_owned(), Value::from(format!("signed head over {size} records")));
    event.insert("unmapped".to_owned(), json!({ "n": size, "note": note }));
    text(&Value::Object(event))
}
