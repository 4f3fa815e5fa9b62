//! A record as formats see it: the line, and what it does not say itself but the log and the vault do.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use crate::tlog::Hash;
use crate::vault::Identity;

/// Decisions without an outcome that are remembered. More calls are not under way at once.
const OPEN: usize = 8_192;

/// One record of the log.
#[derive(Debug)]
pub(super) struct Record {
    /// The line without its newline.
    pub line: Vec<u8>,
    /// What it says; nothing where it is no JSON, as in a log that was tampered with.
    pub says: Arc<Value>,
    /// Its index.
    pub index: u64,
    /// Its leaf hash, which its inclusion in the log is proven by.
    pub leaf: Hash,
    /// Of an outcome, or a part of a stream: the decision it belongs to, while that is remembered.
    pub decision: Option<Arc<Value>>,
    /// Who stands behind the pseudonym it is about, where that is known and may be told.
    pub person: Option<Arc<Identity>>,
}

/// How much a record matters to whoever watches, in the order of OCSF's `severity_id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Severity {
    /// What happens all day.
    Informational,
    /// A refusal, an action of an operator.
    Low,
    /// Something was taken out or marked; a switch was thrown.
    Medium,
    /// An attack or a leak was stopped; the log itself was repaired.
    High,
}

/// What a layer saw.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding<'r>(&'r Value);

impl Record {
    pub(super) fn new(line: &[u8], index: u64) -> Self {
        let says = Arc::new(serde_json::from_slice(line).unwrap_or(Value::Null));
        Self { line: line.to_owned(), says, index, leaf: Hash::leaf(line), decision: None, person: None }
    }

    /// Text of the record itself: `["out", "status"]`.
    pub(super) fn text(&self, path: &[&str]) -> Option<&str> {
        at(&self.says, path)?.as_str()
    }

    pub(super) fn number(&self, path: &[&str]) -> Option<i64> {
        at(&self.says, path)?.as_i64()
    }

    /// Text of the record, or of the decision it belongs to.
    pub(super) fn told(&self, path: &[&str]) -> Option<&str> {
        self.text(path).or_else(|| at(self.decision.as_deref()?, path)?.as_str())
    }

    pub(super) fn kind(&self) -> &str {
        self.text(&["kind"]).unwrap_or("unreadable")
    }

    pub(super) fn time(&self) -> Timestamp {
        self.text(&["t"]).and_then(|text| text.parse().ok()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// What layers saw: of an outcome what came from the server, of a decision the rest.
    pub(super) fn findings(&self, layer: &str) -> Vec<Finding<'_>> {
        self.all_findings().filter(|finding| finding.layer() == layer).collect()
    }

    /// Of every layer.
    pub(super) fn all_findings(&self) -> impl Iterator<Item = Finding<'_>> {
        let part = if self.kind() == "call.outcome" { "out" } else { "dec" };
        at(&self.says, &[part, "findings"]).and_then(Value::as_array).into_iter().flatten().map(Finding)
    }

    pub(super) fn has_findings(&self) -> bool {
        ["dec", "out"].iter().any(|part| at(&self.says, &[part, "findings"]).is_some())
    }

    /// The pseudonym of whom it is about.
    pub(super) fn pseudonym(&self) -> Option<&str> {
        self.told(&["who", "sub"]).or_else(|| self.text(&["what", "sub"]))
    }

    /// The first part of the record that says what was done: a decision, an outcome.
    pub(super) fn is_denied(&self) -> bool {
        self.text(&["dec", "effect"]) == Some("deny")
    }

    /// Whether something in a message was changed.
    pub(super) fn is_edited(&self) -> bool {
        ["dec", "out"].iter().any(|part| self.number(&[part, "edits"]).is_some())
    }

    pub(super) fn severity(&self) -> Severity {
        let worst = self.all_findings().map(Finding::severity);
        let base = match self.kind() {
            "call.decision" if self.is_denied() => Severity::Low,
            "auth.failure" | "admin" | "config.change" | "policy.change" | "vault.read" | "tool.pin" => Severity::Low,
            "killswitch" | "erasure" | "hold" | "prune" | "clock.step" => Severity::Medium,
            "alert" => match self.text(&["what", "severity"]) {
                Some("low") => Severity::Low,
                Some("medium") => Severity::Medium,
                Some(_) | None => Severity::High,
            },
            "recovery" | "unreadable" => Severity::High,
            _ => Severity::Informational,
        };
        worst.fold(base, Severity::max)
    }
}

impl<'r> Finding<'r> {
    fn word(self, key: &str) -> &'r str {
        self.0.get(key).and_then(Value::as_str).unwrap_or("")
    }

    pub(super) fn layer(self) -> &'r str {
        self.word("layer")
    }

    pub(super) fn action(self) -> &'r str {
        self.word("action")
    }

    pub(super) fn kind(self) -> &'r str {
        self.word("kind")
    }

    pub(super) fn rule(self) -> &'r str {
        self.word("rule")
    }

    pub(super) fn count(self) -> u64 {
        self.0.get("count").and_then(Value::as_u64).unwrap_or(1)
    }

    pub(super) fn severity(self) -> Severity {
        match self.action() {
            "block" | "quarantine" => Severity::High,
            "log" | "shadow" | "except" | "restore" => Severity::Low,
            _ => Severity::Medium,
        }
    }
}

/// Decisions that wait for an outcome: an outcome names its call alone, and whoever searches for a name has to find it.
#[derive(Debug, Default)]
pub(super) struct Open {
    decisions: HashMap<String, Arc<Value>>,
    order: VecDeque<String>,
    /// Those whose outcome was read: they are needed again where the log is read again.
    closed: VecDeque<(String, Arc<Value>)>,
}

impl Open {
    /// Gives a record the decision it belongs to, or keeps it as one.
    pub(super) fn follow(&mut self, record: &mut Record) {
        let Some(call) = record.text(&["call"]) else { return };
        match record.kind() {
            "call.decision" if record.says.get("open") == Some(&Value::Bool(true)) => {
                let (call, says) = (call.to_owned(), Arc::clone(&record.says));
                self.remember(call, says);
            }
            "call.outcome" => {
                let call = call.to_owned();
                record.decision = self.decisions.remove(&call);
                self.closed.extend(record.decision.clone().map(|decision| (call, decision)));
                if self.closed.len() > OPEN {
                    self.closed.pop_front();
                }
            }
            "stream.segment" => record.decision = self.decisions.get(call).map(Arc::clone),
            _ => {}
        }
    }

    /// The sink has everything that was read so far.
    pub(super) fn settle(&mut self) {
        self.closed.clear();
    }

    /// Some of it is read again.
    pub(super) fn rewind(&mut self) {
        for (call, decision) in std::mem::take(&mut self.closed) {
            self.remember(call, decision);
        }
    }

    fn remember(&mut self, call: String, decision: Arc<Value>) {
        if self.decisions.insert(call.clone(), decision).is_none() {
            self.order.push_back(call);
        }
        self.forget();
    }

    /// The oldest go first.
    fn forget(&mut self) {
        while self.decisions.len() > OPEN {
            let Some(oldest) = self.order.pop_front() else { return };
            self.decisions.remove(&oldest);
        }
        // Most have their outcome long before.
        if self.order.len() > 2 * OPEN {
            let decisions = &self.decisions;
            self.order.retain(|call| decisions.contains_key(call));
        }
    }
}

fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}
