//! Found records for a terminal. Everything in a record is somebody's text: nothing reaches a terminal unescaped.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::Value;

/// One line for a record.
pub fn summary(record: &Value) -> String {
    let mut line = escaped(record, "time");
    let _ = write!(line, " {} {}", number(record, "index"), escaped(record, "kind"));
    describe(record, &mut line);
    for key in ["principal", "issuer", "client", "tenant", "session", "peer", "trace", "call"] {
        member(record, key, key, &mut line);
    }
    line
}

/// The story of calls: a line each, with the time since the first. `records` stand in the order of the log.
pub fn timeline(records: &[Value]) -> Vec<String> {
    let mut lines = Vec::with_capacity(records.len() + 1);
    let begin = records.first().and_then(time);
    let calls = records.iter().filter_map(|record| record.get("call")?.as_str());
    let mut distinct: Vec<&str> = calls.collect();
    distinct.sort_unstable();
    distinct.dedup();
    let Some(first) = records.first() else { return lines };
    lines.push(format!("from {}, {} records of {} calls", escaped(first, "time"), records.len(), distinct.len()));
    let mut told = None;
    for record in records {
        let call = record.get("call").and_then(Value::as_str);
        if call != told {
            told = call;
            let mut line = "call".to_owned();
            let _ = write!(line, " {}", escaped(record, "call"));
            for key in ["principal", "issuer", "client", "tenant", "session", "peer", "trace"] {
                member(record, key, key, &mut line);
            }
            lines.push(line);
        }
        let offset = time(record).zip(begin).map_or(0, |(time, begin)| time.as_microsecond() - begin.as_microsecond());
        let what = match record.get("kind").and_then(Value::as_str) {
            Some("call.decision") => "decision".to_owned(),
            Some("stream.segment") => "released".to_owned(),
            Some("call.outcome") => "outcome".to_owned(),
            _ => escaped(record, "kind"),
        };
        let mut line = format!("  {:>14}  #{:<8} {what:<9}", millis(offset), number(record, "index"));
        describe(record, &mut line);
        lines.push(line);
    }
    lines
}

/// What happened, in the words of the record.
fn describe(record: &Value, line: &mut String) {
    for key in ["effect", "status", "method"] {
        if record.get(key).is_some() {
            let _ = write!(line, " {}", escaped(record, key));
        }
    }
    match (record.get("server").is_some(), record.get("name").is_some()) {
        (true, true) => drop(write!(line, " {}/{}", escaped(record, "server"), escaped(record, "name"))),
        (true, false) => drop(write!(line, " {}", escaped(record, "server"))),
        (false, true) => drop(write!(line, " {}", escaped(record, "name"))),
        (false, false) => {}
    }
    for key in ["reason", "detail", "rule", "events", "bytes", "n"] {
        member(record, key, key, line);
    }
    if let Some(micros) = record.get("us").and_then(Value::as_i64) {
        let _ = write!(line, " after={}", millis(micros).trim_start_matches('+'));
    }
    for finding in record.get("findings").and_then(Value::as_array).into_iter().flatten() {
        let _ = write!(line, " finding={}:{}", escaped(finding, "layer"), escaped(finding, "rule"));
        let _ = write!(line, " {} x{} ({})", escaped(finding, "action"), number(finding, "count"), escaped(finding, "side"));
    }
}

fn member(record: &Value, key: &str, name: &str, line: &mut String) {
    match record.get(key) {
        Some(Value::String(text)) => drop(write!(line, " {name}={}", text.escape_debug())),
        Some(Value::Number(number)) => drop(write!(line, " {name}={number}")),
        _ => {}
    }
}

fn escaped(record: &Value, key: &str) -> String {
    record.get(key).and_then(Value::as_str).unwrap_or("-").escape_debug().to_string()
}

fn number(record: &Value, key: &str) -> i64 {
    record.get(key).and_then(Value::as_i64).unwrap_or_default()
}

fn time(record: &Value) -> Option<Timestamp> {
    record.get("time")?.as_str()?.parse().ok()
}

/// `+12.345 ms`
fn millis(micros: i64) -> String {
    let sign = if micros < 0 { '-' } else { '+' };
    let micros = micros.unsigned_abs();
    format!("{sign}{}.{:03} ms", micros / 1_000, micros % 1_000)
}
