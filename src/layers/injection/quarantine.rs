//! Tools whose definitions were withheld. A call by name must not get round the list.

use std::collections::{BTreeSet, HashMap};

use parking_lot::RwLock;

use super::neighbours::Neighbours;

/// Names remembered for one server. Beyond that every tool of the server counts as withheld: a server that shows so many
/// poisoned definitions is hostile.
const MAX_NAMES: usize = 10_000;

/// A longer name cannot be called, so it need not be remembered.
const MAX_NAME: usize = 8 * 1024;

/// Tools, each with the rules that its definitions have met.
type Tools = HashMap<String, BTreeSet<&'static str>>;

/// Withheld tools by server, and what tools were seen beside.
#[derive(Debug, Default)]
pub struct Quarantine {
    held: RwLock<HashMap<String, Tools>>,
    pub(super) neighbours: Neighbours,
}

impl Quarantine {
    /// Whether calls to that tool are refused: they are not where the policy lets go of every rule that its definitions have met.
    pub(crate) fn holds(&self, server: &str, tool: &str, lets_go: impl Fn(&str) -> bool) -> bool {
        let held = self.held.read();
        let Some(tools) = held.get(server) else { return false };
        let met = tools.get(tool);
        tools.len() >= MAX_NAMES || met.is_some_and(|rules| !rules.iter().all(|rule| lets_go(rule)))
    }

    /// Withholds a tool. It stays so until the gateway restarts, or an operator excuses the rules, whatever the server says next: a
    /// definition that is shown clean to one caller may be shown poisoned to another.
    pub(crate) fn add(&self, server: &str, tool: &str, rules: impl Iterator<Item = &'static str>) {
        let mut held = self.held.write();
        let tools = held.entry(server.to_owned()).or_default();
        if tool.len() <= MAX_NAME && (tools.len() < MAX_NAMES || tools.contains_key(tool)) {
            tools.entry(tool.to_owned()).or_default().extend(rules);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withheld_tool_is_withheld_on_its_server_until_the_policy_lets_go_of_all_of_its_rules() {
        let quarantine = Quarantine::default();
        quarantine.add("crm", "poisoned", ["model", "unread"].into_iter());
        let holds = |server, tool, free: &[&str]| quarantine.holds(server, tool, |rule| free.contains(&rule));
        assert!(holds("crm", "poisoned", &[]));
        assert!(holds("crm", "poisoned", &["model"]));
        assert!(!holds("crm", "poisoned", &["model", "unread"]));
        assert!(!holds("crm", "clean", &[]) && !holds("mail", "poisoned", &[]));
    }
}
