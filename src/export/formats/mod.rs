//! From a record to what a sink is given, in the words of a SIEM. Pure: a record in, texts out.
//!
//! What a schema has no field for stands where it has room for such: `unmapped` of OCSF, `yett` of ECS; CEF has room for 4,000 bytes of the
//! record. `docs/siem/fields.md` says for each field where it comes from.

mod cef;
mod ecs;
mod ocsf;

use std::sync::Arc;

use serde_json::{Map, Value};

use super::event::Event;
use super::record::{Record, Severity};
use crate::audit::SignedHead;
use crate::config::SinkFormat;

/// The texts of one record.
pub(super) fn events(record: &Record, log: &str, format: SinkFormat) -> Vec<Event> {
    let (uid, name) = (format!("{log}/{}", record.index), Arc::<str>::from(log));
    let event = |suffix: &str, body: Vec<u8>| Event {
        uid: format!("{uid}{suffix}"),
        log: Arc::clone(&name),
        kind: record.kind().to_owned(),
        time: record.time(),
        severity: record.severity(),
        index: record.index,
        body,
    };
    match format {
        SinkFormat::Native => vec![event("", record.line.clone())],
        SinkFormat::Cef => vec![event("", cef::record(record, log, &uid))],
        SinkFormat::Ecs => vec![event("", ecs::record(record, log, &uid))],
        SinkFormat::Ocsf => ocsf::record(record, log, &uid).into_iter().map(|(suffix, body)| event(suffix, body)).collect(),
    }
}

/// A signed head of the log: whoever keeps it holds the log to it.
pub(super) fn head(signed: &SignedHead, log: &str, format: SinkFormat) -> Event {
    let (size, time) = (signed.head.size, jiff::Timestamp::now());
    let uid = format!("{log}/head/{size}");
    let body = match format {
        SinkFormat::Native => text(&serde_json::json!({ "kind": "head", "log": log, "n": size, "note": &*signed.note })),
        SinkFormat::Cef => cef::head(&signed.note, size, (log, &uid), time),
        SinkFormat::Ecs => ecs::head(&signed.note, size, (log, &uid), time),
        SinkFormat::Ocsf => ocsf::head(&signed.note, size, (log, &uid), time),
    };
    Event { uid, log: log.into(), kind: "head".to_owned(), time, severity: Severity::Informational, index: size, body }
}

fn text(value: &Value) -> Vec<u8> {
    // A value of ours has keys that are strings.
    serde_json::to_vec(value).unwrap_or_default()
}

/// Members that are there.
fn object<const N: usize>(members: [(&str, Option<Value>); N]) -> Value {
    let there = members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(there.collect::<Map<_, _>>())
}

/// The same; nothing where there are none.
fn some_object<const N: usize>(members: [(&str, Option<Value>); N]) -> Option<Value> {
    Some(object(members)).filter(|made| made.as_object().is_some_and(|members| !members.is_empty()))
}

fn some(text: Option<&str>) -> Option<Value> {
    text.map(Value::from)
}

/// What of `names` in a record is not told elsewhere.
fn rest(record: &Record, told: &[(&str, &[&str])]) -> Map<String, Value> {
    let Value::Object(members) = &*record.says else {
        let line = String::from_utf8_lossy(&record.line).into_owned();
        return Map::from_iter([("line".to_owned(), Value::from(line))]);
    };
    let mut rest = Map::new();
    for (key, value) in members {
        let left = match (told.iter().find(|(of, _)| of == key), value) {
            (None, value) => value.clone(),
            (Some((_, gone)), Value::Object(part)) if !gone.is_empty() => {
                let left = part.iter().filter(|(member, _)| !gone.contains(&member.as_str()));
                let left: Map<_, _> = left.map(|(member, value)| (member.clone(), value.clone())).collect();
                if left.is_empty() {
                    continue;
                }
                Value::Object(left)
            }
            (Some((_, gone)), value) if !gone.is_empty() => value.clone(),
            (Some(_), _) => continue,
        };
        rest.insert(key.clone(), left);
    }
    rest
}

/// One line for people: who, what, and how it went.
fn message(record: &Record) -> String {
    let who = record.person.as_ref().map(|person| person.subject.as_str()).or_else(|| record.pseudonym());
    let who = who.unwrap_or("somebody unknown");
    let server = record.told(&["what", "server"]).unwrap_or("-");
    let method = record.told(&["what", "method"]).unwrap_or("a message");
    let target = record.told(&["what", "name"]).map(|name| format!(" {name}")).unwrap_or_default();
    match record.kind() {
        "call.decision" => {
            let effect = if record.is_denied() { "denied" } else { "allowed" };
            let reason = record.text(&["dec", "reason"]).map(|reason| format!(" ({reason})")).unwrap_or_default();
            format!("{who}: {method}{target} at {server} {effect}{reason}")
        }
        "call.outcome" => {
            let status = record.text(&["out", "status"]).unwrap_or("unknown");
            format!("{who}: {method}{target} at {server} ended: {status}")
        }
        "stream.segment" => format!("{who}: part of the answer to {method}{target} at {server} was released"),
        "auth.failure" => {
            let count = record.number(&["n"]).unwrap_or(1);
            format!("{count} refusals of callers nobody knows")
        }
        "alert" => {
            let rule = record.text(&["what", "rule"]).unwrap_or("-");
            let about = record.text(&["what", "about"]).unwrap_or("-");
            let how_much = record.number(&["what", "n"]).map(|much| format!(" ({much})")).unwrap_or_default();
            format!("alert {rule}: {about}{how_much}")
        }
        kind => {
            let act = record.text(&["what", "act"]).map(|act| format!(": {act}")).unwrap_or_default();
            let target = record.text(&["what", "target"]).map(|target| format!(" {target}")).unwrap_or_default();
            format!("{kind}{act}{target}")
        }
    }
}
