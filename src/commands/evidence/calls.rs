//! What was asked, what was refused and why, how it ended.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Value, json};

use super::gather::Record;
use super::tally::{OTHERS, TOLD, Tally};

/// Most calls that wait for their outcome at one time; beyond, an outcome is nobody's.
const OPEN: usize = 100_000;

/// Most tools that are told apart.
const TOOLS: usize = 10_000;

/// What a message is counted under whose record names no server.
const NO_SERVER: &str = "(none)";

/// Figures of the messages of a period.
#[derive(Debug, Default)]
pub(super) struct Calls {
    allowed: u64,
    /// By method, refusals that were counted together not among them.
    methods: Tally,
    denied: Tally,
    /// Of all refusals, those that have no record of their own.
    denied_together: u64,
    blocked: u64,
    /// Of blocked messages, by what was found in them.
    categories: Tally,
    /// What layers did with what they found.
    findings: Tally,
    outcomes: Tally,
    servers: BTreeMap<String, AtServer>,
    tools: BTreeSet<(String, String)>,
    /// Servers of calls whose outcome is still to come.
    open: HashMap<String, String>,
}

#[derive(Debug, Default)]
struct AtServer {
    allowed: u64,
    denied: Tally,
    outcomes: Tally,
}

impl Calls {
    pub(super) fn take(&mut self, record: Record<'_>) {
        match record.kind() {
            "call.decision" => self.decision(record),
            "call.outcome" => self.outcome(record),
            "auth.failure" if record.counts => self.together(record),
            _ => {}
        }
    }

    /// The tools that were called, and let pass, by server.
    pub(super) fn tools(&self) -> &BTreeSet<(String, String)> {
        &self.tools
    }

    fn decision(&mut self, record: Record<'_>) {
        let server = record.text("/what/server").unwrap_or(NO_SERVER);
        if let Some(call) = record.text("/call").filter(|_| record.flag("/open") && self.open.len() < OPEN) {
            self.open.insert(call.to_owned(), server.to_owned());
        }
        if !record.counts {
            return;
        }
        let method = record.text("/what/method").unwrap_or("(unread)");
        self.methods.add(method, 1);
        self.found(record, "/dec/findings");
        if record.text("/dec/effect") == Some("allow") {
            self.allowed += 1;
            self.at(server).allowed += 1;
            if let Some(tool) = record.text("/what/name").filter(|_| method == "tools/call" && self.tools.len() < TOOLS) {
                self.tools.insert((server.to_owned(), tool.to_owned()));
            }
            return;
        }
        let reason = record.text("/dec/reason").unwrap_or("(unsaid)");
        self.denied.add(reason, 1);
        self.at(server).denied.add(reason, 1);
        self.block(record, reason, "/dec/findings");
    }

    fn outcome(&mut self, record: Record<'_>) {
        let server = record.text("/call").and_then(|call| self.open.remove(call));
        if !record.counts {
            return;
        }
        let status = record.text("/out/status").unwrap_or("(unsaid)");
        self.outcomes.add(status, 1);
        self.at(server.as_deref().unwrap_or(NO_SERVER)).outcomes.add(status, 1);
        self.found(record, "/out/findings");
        self.block(record, status, "/out/findings");
    }

    /// Refusals under flood: one record for many.
    fn together(&mut self, record: Record<'_>) {
        for kind in record.list("/refused") {
            let text = |key: &str| kind.get(key).and_then(Value::as_str);
            let n = kind.get("n").and_then(Value::as_u64).unwrap_or_default();
            let reason = text("reason").unwrap_or("(unsaid)");
            self.denied.add(reason, n);
            self.denied_together = self.denied_together.saturating_add(n);
            self.at(text("server").unwrap_or(NO_SERVER)).denied.add(reason, n);
        }
    }

    /// What layers saw, by layer and by what they did.
    fn found(&mut self, record: Record<'_>, findings: &str) {
        for finding in record.list(findings) {
            let text = |key: &str| finding.get(key).and_then(Value::as_str).unwrap_or("(unsaid)");
            self.findings.add(&format!("{} {}", text("layer"), text("action")), 1);
        }
    }

    /// A message that was blocked counts once for each kind of what it was blocked for.
    fn block(&mut self, record: Record<'_>, word: &str, findings: &str) {
        if !matches!(word, "blocked" | "result_blocked") {
            return;
        }
        self.blocked += 1;
        let acted = record.list(findings).iter().filter(|finding| finding.get("action").and_then(Value::as_str) == Some("block"));
        let kinds: BTreeSet<&str> = acted.filter_map(|finding| finding.get("kind")?.as_str()).collect();
        if kinds.is_empty() {
            self.categories.add("(unsaid)", 1);
        }
        for kind in kinds {
            self.categories.add(kind, 1);
        }
    }

    fn at(&mut self, server: &str) -> &mut AtServer {
        let is_told = self.servers.len() < TOLD || self.servers.contains_key(server);
        self.servers.entry(if is_told { server } else { OTHERS }.to_owned()).or_default()
    }

    pub(super) fn value(&self) -> Value {
        let denied = self.denied.total();
        let servers: BTreeMap<&str, Value> = self.servers.iter().map(|(name, server)| (name.as_str(), server.value())).collect();
        json!({
            "messages": self.allowed.saturating_add(denied),
            "allowed": self.allowed,
            "tool_calls": self.methods.of(|method| method == "tools/call"),
            "by_method": self.methods.value(),
            "denied": { "total": denied, "counted_together": self.denied_together, "by_reason": self.denied.value() },
            "blocked": { "total": self.blocked, "by_category": self.categories.value() },
            "findings": self.findings.value(),
            "outcomes": { "total": self.outcomes.total(), "by_status": self.outcomes.value() },
            "errors": self.outcomes.of(is_error),
            "servers": servers,
        })
    }
}

impl AtServer {
    fn value(&self) -> Value {
        json!({
            "allowed": self.allowed,
            "denied": { "total": self.denied.total(), "by_reason": self.denied.value() },
            "outcomes": self.outcomes.value(),
            "errors": self.outcomes.of(is_error),
        })
    }
}

/// What went wrong behind the gateway or in it; what a client gave up is no error.
fn is_error(status: &str) -> bool {
    matches!(status, "breaker_open" | "error" | "internal" | "tool_error" | "unknown") || status.starts_with("upstream_")
}
