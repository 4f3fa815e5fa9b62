//! Open Cybersecurity Schema Framework 1.8.0 (<https://schema.ocsf.io/1.8.0>).
//!
//! | record | class |
//! | --- | --- |
//! | `call.decision`, `call.outcome`, `stream.segment` | API Activity 6003, with the profiles `security_control` and `trace` |
//! | a `call.decision` whose caller was not let in, `auth.failure` | Authentication 3002 |
//! | `alert` | Detection Finding 2004 |
//! | what the injection scan saw in one of those | Detection Finding 2004, besides |
//! | what DLP saw in one of those | Data Security Finding 2006, besides |
//! | what operators and the gateway did to policies, keys, holds, the log | Entity Management 3004 |
//! | `start`, `stop`, `recovery`, `tick`, heads and all others | Application Lifecycle 6002 |

mod calls;
mod findings;
mod operations;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{message, object, some, some_object, text};
use crate::export::record::{Record, Severity};

const VERSION: &str = "1.8.0";

/// A class, and what of its category stands in its events.
struct Class {
    uid: u64,
    name: &'static str,
    category: (u64, &'static str),
}

const API_ACTIVITY: Class = Class { uid: 6003, name: "API Activity", category: (6, "Application Activity") };
const APPLICATION_LIFECYCLE: Class = Class { uid: 6002, name: "Application Lifecycle", category: (6, "Application Activity") };
const AUTHENTICATION: Class = Class { uid: 3002, name: "Authentication", category: (3, "Identity & Access Management") };
const DATA_SECURITY_FINDING: Class = Class { uid: 2006, name: "Data Security Finding", category: (2, "Findings") };
const DETECTION_FINDING: Class = Class { uid: 2004, name: "Detection Finding", category: (2, "Findings") };
const ENTITY_MANAGEMENT: Class = Class { uid: 3004, name: "Entity Management", category: (3, "Identity & Access Management") };

/// What refuses a caller because of who they are, or are not.
const NOT_LET_IN: [&str; 3] = ["credential_expired", "credential_revoked", "unauthenticated"];

/// The events of one record: what is put behind their id, and what they say.
pub(super) fn record(record: &Record, log: &str, uid: &str) -> Vec<(&'static str, Vec<u8>)> {
    let main = match record.kind() {
        "call.decision" if was_not_let_in(record) => operations::authentication(record, log, uid),
        "auth.failure" => operations::authentication(record, log, uid),
        "alert" => findings::alert(record, log, uid),
        "call.decision" | "call.outcome" | "stream.segment" => calls::call(record, log, uid),
        "admin" | "config.change" | "erasure" | "export" | "hold" | "key.rotate" | "killswitch" | "policy.change" | "prune"
        | "tool.pin" | "vault.read" => operations::management(record, log, uid),
        _ => operations::lifecycle(record, log, uid),
    };
    let mut events = vec![("", text(&main))];
    for (layers, suffix, finding) in findings::ALL {
        if let Some(found) = finding(record, log, &format!("{uid}{suffix}"), layers) {
            events.push((suffix, text(&found)));
        }
    }
    events
}

pub(super) use operations::head;

fn was_not_let_in(record: &Record) -> bool {
    record.is_denied() && record.text(&["dec", "reason"]).is_some_and(|reason| NOT_LET_IN.contains(&reason))
}

/// The members that events of every class have.
fn event(class: &Class, activity: (u64, &str), severity: Severity, time: Timestamp) -> Map<String, Value> {
    let (activity_id, activity_name) = activity;
    let made = json!({
        "activity_id": activity_id,
        "activity_name": activity_name,
        "category_name": class.category.1,
        "category_uid": class.category.0,
        "class_name": class.name,
        "class_uid": class.uid,
        "severity": severity_name(severity),
        "severity_id": severity as u64 + 1,
        "time": time.as_millisecond(),
        "type_name": format!("{}: {activity_name}", class.name),
        "type_uid": class.uid * 100 + activity_id,
    });
    if let Value::Object(members) = made { members } else { Map::new() }
}

/// The same of a record.
fn event_of(
    record: &Record,
    class: &Class,
    activity: (u64, &str),
    (log, uid): (&str, &str),
    profiles: &[&str],
) -> Map<String, Value> {
    let mut event = event(class, activity, record.severity(), record.time());
    let metadata = object([
        ("correlation_uid", some(record.text(&["call"]))),
        ("event_code", some(Some(record.kind()))),
        ("log_name", some(Some(log))),
        ("log_provider", some(Some("Yett"))),
        ("log_version", record.number(&["v"]).map(|version| Value::from(version.to_string()))),
        ("logged_time", Some(Value::from(record.time().as_millisecond()))),
        ("original_time", some(record.text(&["t"]))),
        ("product", Some(product())),
        ("profiles", Some(json!(profiles)).filter(|_| !profiles.is_empty())),
        ("sequence", Some(Value::from(record.index))),
        ("tenant_uid", some(record.told(&["who", "tenant"]))),
        ("uid", some(Some(uid))),
        ("version", some(Some(VERSION))),
    ]);
    event.insert("metadata".to_owned(), metadata);
    event.insert("message".to_owned(), Value::from(message(record)));
    // Of SHA-256, but not over the line alone: the hash that its inclusion in the log is proven by.
    let leaf = json!({ "algorithm": "SHA-256 of RFC 6962 leaf", "algorithm_id": 99, "value": record.leaf.to_string() });
    event.insert("raw_data_hash".to_owned(), leaf);
    event
}

fn product() -> Value {
    json!({ "name": "Yett", "vendor_name": "Yett", "version": env!("CARGO_PKG_VERSION") })
}

fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "Informational",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
    }
}

/// Who is behind a message: the pseudonym of the log, the name while it is known, and what shows it.
fn user(record: &Record) -> Option<Value> {
    let pseudonym = record.pseudonym()?;
    let person = record.person.as_deref();
    Some(object([
        ("credential_uid", some(record.told(&["who", "client"]))),
        ("domain", some(person.map(|person| person.issuer.as_str()))),
        ("name", some(person.map(|person| person.subject.as_str()))),
        ("type", some(record.told(&["who", "authn"]))),
        ("type_id", some(record.told(&["who", "authn"])).map(|_| Value::from(99))),
        ("uid", some(Some(pseudonym))),
    ]))
}

fn actor(record: &Record) -> Value {
    let user = user(record);
    let nobody = user.is_none().then(|| Value::from("unknown"));
    object([
        ("app_name", nobody),
        ("app_uid", some(record.told(&["who", "client"]))),
        ("idp", record.told(&["who", "iss"]).map(|issuer| json!({ "name": issuer }))),
        ("session", some_object([("issuer", some(record.told(&["who", "iss"]))), ("uid", some(record.told(&["sess"])))])),
        ("user", user),
    ])
}

/// Where a message came from.
fn source(record: &Record) -> Value {
    let address = record.told(&["peer"]);
    object([
        ("intermediate_ips", record.told(&["via"]).map(|via| json!([via]))),
        ("ip", some(address)),
        ("name", address.is_none().then(|| Value::from("unknown"))),
    ])
}

fn server(record: &Record) -> Option<Value> {
    record.told(&["what", "server"]).map(|server| json!({ "name": server }))
}

fn api(record: &Record) -> Value {
    let response = some_object([
        ("code", record.number(&["out", "code"]).map(Value::from)),
        ("error", some(record.text(&["out", "status"]).filter(|status| *status != "ok"))),
    ]);
    object([
        ("operation", some(Some(record.told(&["what", "method"]).unwrap_or("unread")))),
        ("request", record.text(&["call"]).map(|call| json!({ "uid": call }))),
        ("response", response),
        ("service", server(record)),
        ("version", some(record.told(&["what", "rev"]))),
    ])
}

/// The tool, prompt or resource.
fn resources(record: &Record) -> Option<Value> {
    let (name, target) = (record.told(&["what", "name"]), record.told(&["what", "target"]));
    name.or(target)?;
    let kind = match record.told(&["what", "method"]).and_then(|method| method.split('/').next()) {
        Some("tools") => "mcp.tool",
        Some("prompts") => "mcp.prompt",
        Some("resources") => "mcp.resource",
        Some(_) | None => "mcp.target",
    };
    Some(json!([object([
        ("name", some(name)),
        ("namespace", some(record.told(&["what", "server"]))),
        ("type", some(Some(kind))),
        ("uid", some(target)),
    ])]))
}

/// What was decided, in the words of the profile `security_control`.
fn control(record: &Record, event: &mut Map<String, Value>) {
    let ended = record.text(&["out", "status"]);
    let (action, disposition) = match record.text(&["dec", "reason"]) {
        // What a call brought was kept back.
        _ if matches!(ended, Some("blocked" | "no_longer_allowed" | "result_blocked")) => ((2, "Denied"), (2, "Blocked")),
        _ if !record.is_denied() && record.is_edited() => ((4, "Modified"), (11, "Corrected")),
        _ if !record.is_denied() => ((1, "Allowed"), (1, "Allowed")),
        Some("blocked") => ((2, "Denied"), (2, "Blocked")),
        Some(
            "credential_expired" | "credential_revoked" | "denied" | "insufficient_scope" | "unauthenticated" | "unknown_target",
        ) => ((2, "Denied"), (26, "Unauthorized")),
        Some(_) | None => ((2, "Denied"), (25, "Rejected")),
    };
    let rule = record.told(&["dec", "rule"]);
    let policy = record.told(&["dec", "policy"]);
    let members = [
        ("action", Some(Value::from(action.1))),
        ("action_id", Some(Value::from(action.0))),
        ("disposition", Some(Value::from(disposition.1))),
        ("disposition_id", Some(Value::from(disposition.0))),
        ("firewall_rule", rule.map(|rule| json!({ "name": rule }))),
        ("policy", policy.map(|hash| json!({ "name": "Yett policy", "uid": hash }))),
    ];
    event.extend(members.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))));
}

fn insert(event: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        event.insert(key.to_owned(), value);
    }
}
