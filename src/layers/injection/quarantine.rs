//! Tools whose definitions were withheld. A call by name must not get round the list.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use parking_lot::RwLock;

use super::neighbours::Neighbours;
use crate::state::{Approvals, Definition};

/// Names remembered for one server. Beyond that every tool of the server counts as withheld: a server that shows so many
/// poisoned definitions is hostile.
const MAX_NAMES: usize = 10_000;

/// A longer name cannot be called, so it need not be remembered.
const MAX_NAME: usize = 8 * 1024;

/// Definitions remembered of one tool. Of further ones it is only known which rules they met, so nobody can approve them.
const MAX_DEFINITIONS: usize = 16;

/// Bytes of one definition, and of all, that are kept to be read.
const MAX_TEXT: usize = 64 * 1024;
const MAX_TEXTS: usize = 4 * 1024 * 1024;

type Rules = BTreeSet<&'static str>;

/// What was withheld of one tool.
#[derive(Debug, Default)]
struct Held {
    /// By their hashes.
    definitions: BTreeMap<String, Met>,
    /// The rules of all further ones, and when the first of these came.
    rest: Option<Met>,
}

#[derive(Debug)]
struct Met {
    rules: Rules,
    since: Timestamp,
    /// What it says, where there was room to keep it.
    text: Option<Box<str>>,
}

impl Met {
    fn now(text: Option<&str>) -> Self {
        Self { rules: Rules::new(), since: Timestamp::now(), text: text.map(Box::from) }
    }
}

/// Withheld tools by server, and what tools were seen beside.
#[derive(Debug, Default)]
pub struct Quarantine {
    held: RwLock<HashMap<String, HashMap<String, Held>>>,
    /// How many bytes of texts are kept.
    kept: AtomicUsize,
    /// What operators let pass; without it nothing.
    approvals: Option<Arc<Approvals>>,
    pub(super) neighbours: Neighbours,
}

/// A definition that met rules.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// The server's name.
    pub server: String,
    /// The tool's.
    pub tool: String,
    /// The definition's hash; `None` for all of a tool beyond those that are remembered.
    pub definition: Option<String>,
    /// What it says, as JSON in one spelling; `None` where there was no room to keep it.
    pub text: Option<String>,
    /// What it met.
    pub rules: Vec<&'static str>,
    /// When it was first seen.
    pub since: Timestamp,
}

impl Quarantine {
    /// With what operators let pass.
    pub fn with(approvals: Arc<Approvals>) -> Self {
        Self { approvals: Some(approvals), ..Self::default() }
    }

    /// Whether calls to that tool are refused. They are not where of each definition that was withheld an operator lets pass it, or the policy lets
    /// go of every rule that it met.
    pub(crate) fn holds(&self, server: &str, tool: &str, lets_go: impl Fn(&str) -> bool) -> bool {
        let held = self.held.read();
        let Some(tools) = held.get(server) else { return false };
        if tools.len() >= MAX_NAMES {
            return true;
        }
        let Some(met) = tools.get(tool) else { return false };
        let is_free = |met: &Met| met.rules.iter().all(|rule| lets_go(rule));
        let passes = |(hash, met): (&String, &Met)| is_free(met) || self.approves(server, tool, hash);
        !(met.rest.iter().all(is_free) && met.definitions.iter().all(passes))
    }

    /// Whether an operator lets this definition pass.
    pub(super) fn approves(&self, server: &str, tool: &str, hash: &str) -> bool {
        self.approvals.as_ref().is_some_and(|approvals| {
            let (server, tool, hash) = (server.to_owned(), tool.to_owned(), hash.to_owned());
            approvals.approves(&Definition { server, tool, hash })
        })
    }

    /// Withholds a tool for a definition. It stays so until the gateway restarts, or an operator approves the definition or excuses the rules,
    /// whatever the server says next: a definition that is shown clean to one caller may be shown poisoned to another.
    pub(crate) fn add(&self, server: &str, tool: &str, (hash, text): (&str, &str), rules: impl Iterator<Item = &'static str>) {
        let mut held = self.held.write();
        let tools = held.entry(server.to_owned()).or_default();
        if tool.len() > MAX_NAME || (tools.len() >= MAX_NAMES && !tools.contains_key(tool)) {
            return;
        }
        let Held { definitions, rest } = tools.entry(tool.to_owned()).or_default();
        let met = match definitions.len() {
            MAX_DEFINITIONS.. if !definitions.contains_key(hash) => rest.get_or_insert_with(|| Met::now(None)),
            _ => definitions.entry(hash.to_owned()).or_insert_with(|| Met::now(self.keeps(text))),
        };
        met.rules.extend(rules);
    }

    /// The text, if it is to be kept.
    fn keeps<'t>(&self, text: &'t str) -> Option<&'t str> {
        let has_room = |kept: usize| Some(kept + text.len()).filter(|sum| text.len() <= MAX_TEXT && *sum <= MAX_TEXTS);
        self.kept.fetch_update(Ordering::Relaxed, Ordering::Relaxed, has_room).ok().map(|_| text)
    }

    /// All of it, by server and tool.
    pub fn list(&self) -> Vec<Withheld> {
        let held = self.held.read();
        let mut all = Vec::new();
        for (server, tools) in held.iter() {
            for (tool, held) in tools {
                let known = held.definitions.iter().map(|(hash, met)| (Some(hash.clone()), met));
                all.extend(known.chain(held.rest.iter().map(|met| (None, met))).map(|(definition, met)| Withheld {
                    server: server.clone(),
                    tool: tool.clone(),
                    definition,
                    text: met.text.as_deref().map(str::to_owned),
                    rules: met.rules.iter().copied().collect(),
                    since: met.since,
                }));
            }
        }
        all.sort_by(|one, other| (&one.server, &one.tool, one.since).cmp(&(&other.server, &other.tool, other.since)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withheld_tool_is_withheld_on_its_server_until_the_policy_lets_go_of_all_of_its_rules() {
        let quarantine = Quarantine::default();
        quarantine.add("crm", "poisoned", ("a", ""), ["model"].into_iter());
        quarantine.add("crm", "poisoned", ("b", ""), ["unread"].into_iter());
        let holds = |server, tool, free: &[&str]| quarantine.holds(server, tool, |rule| free.contains(&rule));
        assert!(holds("crm", "poisoned", &[]));
        assert!(holds("crm", "poisoned", &["model"]));
        assert!(!holds("crm", "poisoned", &["model", "unread"]));
        assert!(!holds("crm", "clean", &[]) && !holds("mail", "poisoned", &[]));
    }

    #[test]
    fn of_more_definitions_than_are_remembered_the_rules_are() {
        let quarantine = Quarantine::default();
        for number in 0..100 {
            quarantine.add("crm", "poisoned", (&number.to_string(), &"x".repeat(MAX_TEXT)), ["model"].into_iter());
        }
        quarantine.add("crm", "poisoned", ("one more", ""), ["unread"].into_iter());
        let all = quarantine.list();
        assert_eq!((all.len(), all.iter().filter(|withheld| withheld.definition.is_none()).count()), (MAX_DEFINITIONS + 1, 1));
        assert!(all.iter().filter_map(|withheld| withheld.text.as_ref()).map(String::len).sum::<usize>() <= MAX_TEXTS);
        assert!(quarantine.holds("crm", "poisoned", |rule| rule == "model"), "one of them met another rule");
        assert!(!quarantine.holds("crm", "poisoned", |_| true));
    }
}
