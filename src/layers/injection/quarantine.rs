//! Tools whose definitions were withheld. A call by name must not get round the list.

use std::collections::HashMap;
use std::collections::HashSet;

use parking_lot::RwLock;

/// Names remembered for one server. Beyond that every tool of the server counts as withheld: a server that shows so many
/// poisoned definitions is hostile.
const MAX_NAMES: usize = 10_000;

/// A longer name cannot be called, so it need not be remembered.
const MAX_NAME: usize = 8 * 1024;

/// Withheld tools by server.
#[derive(Debug, Default)]
pub struct Quarantine(RwLock<HashMap<String, HashSet<String>>>);

impl Quarantine {
    /// Whether calls to that tool are refused.
    pub fn holds(&self, server: &str, tool: &str) -> bool {
        let held = self.0.read();
        held.get(server).is_some_and(|tools| tools.len() >= MAX_NAMES || tools.contains(tool))
    }

    /// Withholds a tool. It stays so until the gateway restarts, whatever the server says next: a definition that is shown clean
    /// to one caller may be shown poisoned to another.
    pub fn add(&self, server: &str, tool: &str) {
        let mut held = self.0.write();
        let tools = held.entry(server.to_owned()).or_default();
        if tools.len() < MAX_NAMES && tool.len() <= MAX_NAME {
            tools.insert(tool.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quarantine;

    #[test]
    fn a_withheld_tool_is_withheld_on_its_server_only() {
        let quarantine = Quarantine::default();
        quarantine.add("crm", "poisoned");
        assert!(quarantine.holds("crm", "poisoned"));
        assert!(!quarantine.holds("crm", "clean"));
        assert!(!quarantine.holds("mail", "poisoned"));
    }
}
