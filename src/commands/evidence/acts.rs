//! Who changed what: policies and configuration, what operators did, what alerts were told.

use serde_json::{Map, Value, json};

use super::gather::Record;
use super::tally::{Listed, Tally};

/// What is in force, by hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct InForce {
    pub(super) config: Option<String>,
    pub(super) policy: Option<String>,
}

/// Changes and acts of a period.
#[derive(Debug, Default)]
pub(super) struct Acts {
    now: InForce,
    /// What was in force as the period began; `None` before its first record.
    at_begin: Option<InForce>,
    changes: Listed,
    changed: Tally,
    listed: Listed,
    by_act: Tally,
    alerts: Listed,
    by_rule: Tally,
    by_severity: Tally,
}

impl Acts {
    pub(super) fn take(&mut self, record: Record<'_>) {
        if record.counts && self.at_begin.is_none() {
            self.at_begin = Some(self.now.clone());
        }
        match record.kind() {
            "start" => self.start(record),
            "policy.change" | "config.change" => {
                self.change(record);
                self.act(record);
            }
            "admin" | "erasure" | "export" | "hold" | "killswitch" | "prune" | "tool.pin" | "vault.read" => self.act(record),
            "alert" => self.alert(record),
            _ => {}
        }
    }

    /// What is in force as the period ends, as far as records tell.
    pub(super) fn in_force(&self) -> &InForce {
        &self.now
    }

    /// What is read at a start may differ from what was in force before.
    fn start(&mut self, record: Record<'_>) {
        let read = |at: &str| record.text(at).map(str::to_owned);
        let found = InForce { config: read("/what/config"), policy: read("/what/policy") };
        if record.counts {
            for (what, before, after) in
                [("config", &self.now.config, &found.config), ("policy", &self.now.policy, &found.policy)]
            {
                if before != after {
                    self.changed.add(what, 1);
                    self.changes.add(|| {
                        let act = json!({ "act": "start", "what": what, "before": before, "after": after });
                        told(record, act, record.text("/what/version"))
                    });
                }
            }
        }
        self.now = found;
    }

    fn change(&mut self, record: Record<'_>) {
        let after = record.text("/what/after").map(str::to_owned);
        let act = record.text("/what/act").unwrap_or("(unsaid)");
        let what = if record.kind() == "policy.change" { "policy" } else { "config" };
        // A certificate that was renewed is no other configuration.
        match (what, act) {
            ("policy", _) => self.now.policy.clone_from(&after),
            (_, "reload") => self.now.config.clone_from(&after),
            _ => {}
        }
        if !record.counts {
            return;
        }
        self.changed.add(if act == "reload" { what } else { act }, 1);
        self.changes.add(|| {
            let text = |at: &str| record.text(at);
            let act = json!({
                "act": act, "what": what, "before": text("/what/before"), "after": after, "by": text("/what/by"),
                "target": text("/what/target"), "mode": text("/mode"),
            });
            told(record, act, None)
        });
    }

    fn act(&mut self, record: Record<'_>) {
        if !record.counts {
            return;
        }
        self.by_act.add(&format!("{} {}", record.kind(), record.text("/what/act").unwrap_or("(unsaid)")), 1);
        self.listed.add(|| told(record, json!({ "kind": record.kind(), "what": record.member("/what") }), None));
    }

    fn alert(&mut self, record: Record<'_>) {
        if !record.counts {
            return;
        }
        self.by_rule.add(record.text("/what/rule").unwrap_or("(unsaid)"), 1);
        self.by_severity.add(record.text("/what/severity").unwrap_or("(unsaid)"), 1);
        self.alerts.add(|| told(record, json!({ "what": record.member("/what") }), None));
    }

    /// `policy-history.json`.
    pub(super) fn history(&self) -> Value {
        let hashes = |at: &InForce| json!({ "config": at.config, "policy": at.policy });
        let at_begin = self.at_begin.as_ref().unwrap_or(&self.now);
        json!({
            "at_begin": hashes(at_begin),
            "at_end": hashes(&self.now),
            "by_what": self.changed.value(),
            "changes": self.changes.value(),
        })
    }

    /// `admin-actions.json`.
    pub(super) fn actions(&self) -> Value {
        let is = |prefix: &'static str| self.by_act.of(move |act| act.starts_with(prefix));
        json!({
            "by_act": self.by_act.value(),
            "keys": is("admin key."),
            "switches": is("killswitch "),
            "approvals": is("admin definition."),
            "erasures": is("erasure "),
            "reloads": is("config.change reload"),
            "actions": self.listed.value(),
        })
    }

    /// `alerts.json`.
    pub(super) fn alerts(&self) -> Value {
        json!({
            "total": self.by_rule.total(),
            "by_rule": self.by_rule.value(),
            "by_severity": self.by_severity.value(),
            "alerts": self.alerts.value(),
        })
    }
}

/// An entry of a list: which record, when, and what it says.
fn told(record: Record<'_>, said: Value, release: Option<&str>) -> Value {
    let mut entry = Map::new();
    entry.insert("record".to_owned(), json!(record.index));
    entry.insert("time".to_owned(), json!(record.written()));
    if let Some(release) = release {
        entry.insert("release".to_owned(), json!(release));
    }
    if let Value::Object(said) = said {
        entry.extend(said.into_iter().filter(|(_, value)| !value.is_null()));
    }
    Value::Object(entry)
}
