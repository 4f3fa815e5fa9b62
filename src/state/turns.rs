//! Which tools' approvals have come into force or gone out of it, in which order: whoever was shown a list before knows by it whether theirs may be
//! another one now. Pure.

use std::collections::BTreeMap;

use super::Definition;

/// Tools remembered of one server. Who has not looked since as many have turned hears nothing of the first of them.
const MOST: usize = 1024;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Turns {
    count: u64,
    /// By server, each tool at its last turn, the last of them at the end.
    tools: BTreeMap<String, Vec<(u64, String)>>,
}

impl Turns {
    /// How many there were since the start.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The tools of a server that have turned after the first `count` turns, the last of them first.
    pub fn since(&self, server: &str, count: u64) -> impl Iterator<Item = &str> {
        let tools = self.tools.get(server).into_iter().flatten().rev();
        tools.take_while(move |(at, _)| *at > count).map(|(_, tool)| tool.as_str())
    }

    /// One more.
    pub(super) fn turn(&mut self, Definition { server, tool, hash: _ }: &Definition) {
        self.count += 1;
        let tools = self.tools.entry(server.clone()).or_default();
        tools.retain(|(_, known)| known != tool);
        if tools.len() >= MOST {
            tools.remove(0);
        }
        tools.push((self.count, tool.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turned(turns: &mut Turns, server: &str, tool: &str) {
        turns.turn(&Definition { server: server.to_owned(), tool: tool.to_owned(), hash: "a".repeat(64) });
    }

    #[test]
    fn what_has_turned_since_is_told_by_server_and_each_tool_once() {
        let mut turns = Turns::default();
        for (server, tool) in [("crm", "a"), ("mail", "b"), ("crm", "c"), ("crm", "a")] {
            turned(&mut turns, server, tool);
        }
        assert_eq!(turns.count(), 4);
        assert_eq!(turns.since("crm", 0).collect::<Vec<_>>(), ["a", "c"]);
        assert_eq!(turns.since("crm", 3).collect::<Vec<_>>(), ["a"]);
        assert_eq!((turns.since("crm", 4).count(), turns.since("mail", 0).count(), turns.since("notes", 0).count()), (0, 1, 0));
    }

    #[test]
    fn not_more_are_remembered_than_a_bound() {
        let mut turns = Turns::default();
        for number in 0..2 * MOST {
            turned(&mut turns, "crm", &number.to_string());
        }
        assert_eq!(turns.since("crm", 0).count(), MOST);
        assert_eq!(turns.since("crm", 0).next(), Some((2 * MOST - 1).to_string().as_str()));
    }
}
