//! Findings: Detection Finding 2004 for what looks like an order to a model, Data Security Finding 2006 for what DLP saw.

use serde_json::{Map, Value, json};

use super::{Class, DATA_SECURITY_FINDING, DETECTION_FINDING, actor, api, control, event_of, insert, product, resources, source};
use crate::export::record::{Finding, Record, Severity};

type Made = fn(&Record, &str, &str, &str) -> Option<Value>;

/// Layers of the chain, what is put behind the record's id, and what becomes of their findings.
pub(super) const ALL: [(&str, &str, Made); 3] =
    [("inj", "/injection", detection), ("upstream", "/upstream", detection), ("dlp", "/dlp", data_security)];

fn detection(record: &Record, log: &str, uid: &str, layer: &str) -> Option<Value> {
    let findings = record.findings(layer);
    let mut event = finding(record, (log, uid), &DETECTION_FINDING, &findings, "A text carries orders to a model")?;
    let score = record.number(&["dec", "score"]).or_else(|| record.number(&["out", "score"]));
    insert(&mut event, "confidence_score", score.map(Value::from));
    event.insert("evidences".to_owned(), json!([{ "actor": actor(record), "api": api(record), "src_endpoint": source(record) }]));
    Some(Value::Object(event))
}

/// What a rule of `alerts:` has found in the log.
pub(super) fn alert(record: &Record, log: &str, uid: &str) -> Value {
    let mut event = event_of(record, &DETECTION_FINDING, (1, "Create"), (log, uid), &[]);
    let rule = record.text(&["what", "rule"]).unwrap_or("alert");
    let time = record.time().as_millisecond();
    let info = json!({
        "analytic": { "name": rule, "type": "Rule", "type_id": 1, "uid": rule },
        "created_time": time,
        "data_sources": [log],
        "desc": super::message(record),
        "product": product(),
        "title": format!("Alert {rule}"),
        "types": record.text(&["what", "act"]).into_iter().collect::<Vec<_>>(),
        "uid": uid,
    });
    event.insert("finding_info".to_owned(), info);
    event.insert("is_alert".to_owned(), Value::from(true));
    event.insert("status".to_owned(), Value::from("New"));
    event.insert("status_id".to_owned(), Value::from(1));
    event.insert("evidences".to_owned(), json!([{ "actor": actor(record) }]));
    insert(&mut event, "resources", resources(record));
    event.insert("unmapped".to_owned(), json!({ "what": record.says.get("what") }));
    Value::Object(event)
}

fn data_security(record: &Record, log: &str, uid: &str, layer: &str) -> Option<Value> {
    let findings = record.findings(layer);
    let mut event = finding(record, (log, uid), &DATA_SECURITY_FINDING, &findings, "Sensitive data in a message")?;
    let worst = worst(&findings)?;
    event.insert("actor".to_owned(), actor(record));
    event.insert("src_endpoint".to_owned(), source(record));
    let total = findings.iter().fold(0, |sum: u64, finding| sum.saturating_add(finding.count()));
    let data = json!({
        "data_lifecycle_state": "Data in-Transit",
        "data_lifecycle_state_id": 2,
        "detection_pattern": worst.kind(),
        "detection_system": "DLP Gateway",
        "detection_system_id": 2,
        "policy": { "name": worst.rule() },
        "total": total,
    });
    event.insert("data_security".to_owned(), data);
    Some(Value::Object(event))
}

/// What both have.
fn finding(
    record: &Record,
    place: (&str, &str),
    class: &Class,
    findings: &[Finding<'_>],
    title: &str,
) -> Option<Map<String, Value>> {
    let worst = worst(findings)?;
    let mut event = event_of(record, class, (1, "Create"), place, &["security_control"]);
    let mut rules: Vec<&str> = findings.iter().map(|finding| finding.rule()).collect();
    let mut kinds: Vec<&str> = findings.iter().map(|finding| finding.kind()).collect();
    for words in [&mut rules, &mut kinds] {
        words.sort_unstable();
        words.dedup();
    }
    let time = record.time().as_millisecond();
    let info = json!({
        "analytic": { "name": worst.rule(), "type": "Rule", "type_id": 1, "uid": worst.rule() },
        "created_time": time,
        "data_sources": [place.0],
        "product": product(),
        "related_analytics": rules.iter().map(|rule| json!({ "name": rule, "type": "Rule", "type_id": 1 })).collect::<Vec<_>>(),
        "title": title,
        "types": kinds,
        "uid": place.1,
    });
    event.insert("finding_info".to_owned(), info);
    event.insert("severity".to_owned(), Value::from(super::severity_name(worst.severity())));
    event.insert("severity_id".to_owned(), Value::from(worst.severity() as u64 + 1));
    event.insert("is_alert".to_owned(), Value::from(worst.severity() >= Severity::Medium));
    event.insert("status".to_owned(), Value::from("New"));
    event.insert("status_id".to_owned(), Value::from(1));
    event.insert("unmapped".to_owned(), json!({ "findings": findings_of(record) }));
    insert(&mut event, "resources", resources(record));
    control(record, &mut event);
    Some(event)
}

fn worst<'r>(findings: &[Finding<'r>]) -> Option<Finding<'r>> {
    findings.iter().copied().reduce(|worst, finding| if finding.severity() > worst.severity() { finding } else { worst })
}

fn findings_of(record: &Record) -> &Value {
    ["dec", "out"].iter().find_map(|part| record.says.get(part)?.get("findings")).unwrap_or(&Value::Null)
}
