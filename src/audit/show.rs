//! Reads records for people. Verifies nothing: what it shows of a damaged log is what is there.

use std::collections::{HashSet, VecDeque};
use std::fmt::Write;
use std::ops::ControlFlow;
use std::path::Path;

use jiff::Timestamp;
use serde_json::Value;

use super::lines::{LineReader, RawLine};
use super::stamp::Stamp;
use super::verify::{VerifyIo, find_logs, segments};

/// Most records that [`Filter::tail`] holds back.
const TAIL_MAX: usize = 100_000;

/// Bytes after which a summary ends: a long key above many values would be written once for each of them.
const SUMMARY_MAX: usize = 64 * 1024;

/// Which records to show; what is not set selects all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Of one of these kinds; empty for all. `call` selects `call.decision` and `call.outcome`.
    pub kinds: Vec<String>,
    /// About callers with these pseudonyms, outcomes of their calls included; `None` for all.
    pub subjects: Option<Vec<String>>,
    /// Of this call.
    pub call: Option<String>,
    /// About this server.
    pub server: Option<String>,
    /// Decided so, e.g. `deny`.
    pub effect: Option<String>,
    /// At most so many, from the first on.
    pub limit: Option<usize>,
    /// At most so many, up to the last; at most 100 000.
    pub tail: Option<usize>,
}

/// One line of a log.
#[derive(Clone, Debug)]
pub struct Shown {
    line: String,
    value: Value,
}

impl Shown {
    /// The record as stored.
    pub fn raw(&self) -> &str {
        &self.line
    }

    /// The record's members; null for a line that is not JSON.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The index it claims.
    pub fn index(&self) -> Option<u64> {
        self.value.get("i").and_then(Value::as_u64)
    }

    /// One line for a terminal, without anything that a terminal would act on.
    pub fn summary(&self) -> String {
        let text = |path: &str| self.value.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let Some(members) = self.value.as_object() else {
            return format!("unreadable line: {}", self.line.escape_debug());
        };
        let index = members.get("i").and_then(Value::as_u64).unwrap_or_default();
        let mut summary = format!("{} {index} {}", text("/t").escape_debug(), text("/kind").escape_debug());
        for path in ["/dec/effect", "/out/status", "/what/method"] {
            if !text(path).is_empty() {
                let _ = write!(summary, " {}", text(path).escape_debug());
            }
        }
        match (text("/what/server"), text("/what/name")) {
            ("", "") => {}
            ("", name) | (name, "") => drop(write!(summary, " {}", name.escape_debug())),
            (server, name) => drop(write!(summary, " {}/{}", server.escape_debug(), name.escape_debug())),
        }
        for (key, value) in members {
            if !matches!(key.as_str(), "i" | "kind" | "log" | "prev" | "t" | "v") {
                flatten(key, value, &mut summary);
            }
        }
        if summary.len() >= SUMMARY_MAX {
            summary.push_str(" …");
        }
        summary
    }

    /// The pseudonyms that stand in it.
    pub fn pseudonyms(&self) -> impl Iterator<Item = &str> {
        let listed = self.value.pointer("/what/subs").and_then(Value::as_array).into_iter().flatten();
        ["/who/sub", "/what/sub"].into_iter().filter_map(|path| self.value.pointer(path)).chain(listed).filter_map(Value::as_str)
    }

    /// Whether it is about one of `subjects`. An outcome names nobody: it is its decision's, whose id is kept in `calls` until then.
    fn is_about(&self, subjects: &[String], calls: &mut HashSet<String>) -> bool {
        let call = self.value.get("call").and_then(Value::as_str);
        if self.pseudonyms().any(|name| subjects.iter().any(|subject| subject == name)) {
            calls.extend(call.map(str::to_owned));
            return true;
        }
        match self.value.get("kind").and_then(Value::as_str) {
            Some("call.outcome") => call.is_some_and(|call| calls.remove(call)),
            Some("stream.segment") => call.is_some_and(|call| calls.contains(call)),
            _ => false,
        }
    }

    fn matches(&self, filter: &Filter) -> bool {
        let is = |path: &str, wanted: &Option<String>| {
            let found = self.value.pointer(path).and_then(Value::as_str);
            wanted.as_deref().is_none_or(|wanted| found == Some(wanted))
        };
        let kind = self.value.get("kind").and_then(Value::as_str).unwrap_or_default();
        let selects = |wanted: &String| kind == wanted || (wanted == "call" && matches!(kind, "call.decision" | "call.outcome"));
        let time = self.value.get("t").and_then(Value::as_str).and_then(Stamp::parse);
        let after = filter.from.is_none_or(|from| time.is_some_and(|time| time >= Stamp::from_timestamp(from)));
        let before = filter.to.is_none_or(|to| time.is_some_and(|time| time < Stamp::from_timestamp(to)));
        (filter.kinds.is_empty() || filter.kinds.iter().any(selects))
            && after
            && before
            && is("/call", &filter.call)
            && is("/what/server", &filter.server)
            && is("/dec/effect", &filter.effect)
    }
}

/// Calls `each` with every record that `filter` selects, log by log and in order, until it breaks.
pub fn show(path: &Path, filter: &Filter, each: &mut dyn FnMut(&Shown) -> ControlFlow<()>) -> Result<(), VerifyIo> {
    let logs = find_logs(path)?;
    if logs.is_empty() {
        return Err(VerifyIo::NoLog(path.to_owned()));
    }
    let mut left = filter.limit.unwrap_or(usize::MAX);
    for log in logs {
        let mut held = VecDeque::new();
        let flow = show_log(&log, filter, &mut left, &mut |shown| match filter.tail {
            Some(tail) => {
                held.push_back(shown);
                if held.len() > tail.min(TAIL_MAX) {
                    held.pop_front();
                }
                ControlFlow::Continue(())
            }
            None => each(&shown),
        })?;
        if held.iter().try_for_each(&mut *each).is_break() || flow.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn show_log(
    log: &Path,
    filter: &Filter,
    left: &mut usize,
    each: &mut dyn FnMut(Shown) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, VerifyIo> {
    let mut calls = HashSet::new();
    for mut segment in segments(log)? {
        let Some(lines) = segment.open(0)? else { continue };
        let unreadable = |source| VerifyIo::Read { path: segment.path.clone(), source };
        let mut lines = LineReader::new(lines);
        while let Some(raw) = lines.next_line().map_err(unreadable)? {
            let (RawLine::Whole(bytes) | RawLine::Torn(bytes)) = raw else {
                break;
            };
            let line = String::from_utf8_lossy(bytes).into_owned();
            let shown = Shown { value: serde_json::from_str(&line).unwrap_or(Value::Null), line };
            let is_about = filter.subjects.as_deref().is_none_or(|subjects| shown.is_about(subjects, &mut calls));
            if !is_about || !shown.matches(filter) {
                continue;
            }
            if *left == 0 {
                return Ok(ControlFlow::Break(()));
            }
            *left -= 1;
            if each(shown).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// ` key.inner=value` for every scalar that the columns before do not show already.
fn flatten(key: &str, value: &Value, out: &mut String) {
    if out.len() >= SUMMARY_MAX {
        return;
    }
    match value {
        Value::Object(members) => members.iter().for_each(|(inner, value)| flatten(&format!("{key}.{inner}"), value, out)),
        Value::Array(elements) => {
            elements.iter().enumerate().for_each(|(at, value)| flatten(&format!("{key}.{at}"), value, out));
        }
        Value::String(_) if matches!(key, "dec.effect" | "out.status" | "what.method" | "what.server" | "what.name") => {}
        // A log that somebody made up may have any keys.
        Value::String(text) => drop(write!(out, " {}={}", key.escape_debug(), text.escape_debug())),
        Value::Bool(_) | Value::Null | Value::Number(_) => drop(write!(out, " {}={value}", key.escape_debug())),
    }
}
