//! Whether a list is the same for a caller under two policies, as far as that can be said without knowing what stands in it.
//!
//! What a list shows is what grants of the caller name, less what rules take away whatever the arguments, the time and the place. So two
//! policies whose grants and rules of that kind are the same show the same; of two that differ in them nobody can say without the names,
//! and the list may have changed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::glob::Glob;
use super::held::Held;
use super::rules::Item;
use crate::policy::{Condition, Rule, Selector};
use crate::protocol::{Access, ListKind, ListMarks, ListSet};

/// What the rules of a policy that can take something off a list are, for each server and list.
#[derive(Debug, Default)]
pub(super) struct RuleMarks {
    everywhere: [Mark; 3],
    on: HashMap<String, [Mark; 3]>,
}

/// Of the rules about one list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Mark {
    /// A sum of digests: in which order rules stand makes no difference to a list.
    digest: u64,
    /// Whether one of them looks at the caller, or at what is known of the server.
    looks: bool,
}

impl RuleMarks {
    pub(super) fn new(rules: &[Rule]) -> Self {
        let mut marks = Self::default();
        // A rule that depends on the call takes nothing off a list.
        let takes_off =
            |rule: &&Rule| !rule.shadow && rule.when.iter().chain(&rule.unless).all(|condition| condition.reads().nothing());
        for rule in rules.iter().filter(takes_off) {
            for server in &rule.deny.servers {
                let marks = if server == "*" { &mut marks.everywhere } else { marks.on.entry(server.clone()).or_default() };
                for (mark, list) in marks.iter_mut().zip(ListSet::KINDS) {
                    mark.add(rule, list);
                }
            }
        }
        marks
    }

    fn of(&self, server: &str, at: usize) -> [Mark; 2] {
        let mark = |marks: &[Mark; 3]| marks.get(at).copied().unwrap_or_default();
        [mark(&self.everywhere), self.on.get(server).map(mark).unwrap_or_default()]
    }
}

impl Mark {
    fn add(&mut self, rule: &Rule, list: ListKind) {
        let Selector { servers: _, regions, tools, prompts, resources, methods, operations } = &rule.deny;
        let everything = [tools, prompts, resources, methods].iter().all(|named| named.is_empty());
        let named = match list {
            ListKind::Prompts => prompts,
            ListKind::Resources | ListKind::Templates => resources,
            ListKind::Tools => tools,
        };
        if named.is_empty() && !everything {
            return;
        }
        let conditions = [&rule.when, &rule.unless].map(|condition| condition.as_ref().map(Condition::text));
        let mut hasher = DefaultHasher::new();
        (named, conditions, regions, &rule.within).hash(&mut hasher);
        for operation in operations {
            operation.as_str().hash(&mut hasher);
        }
        self.digest = self.digest.wrapping_add(hasher.finish());
        self.looks |= !operations.is_empty() || !rule.within.is_everybody() || conditions.iter().any(Option::is_some);
    }
}

impl Held<'_> {
    /// What the caller is shown of the server's lists. Comparable between policies in one process.
    pub fn view(&self) -> ListMarks {
        let scene = self.scene();
        let server = scene.server;
        let mut view = [0; 3];
        for (at, (mark, list)) in view.iter_mut().zip(ListSet::KINDS).enumerate() {
            let mut patterns: Vec<&Glob> = self
                .every_grant()
                .filter(|(_, grant)| grant.is_of(&server.name))
                .flat_map(|(_, grant)| grant.patterns(list))
                .collect();
            patterns.sort_unstable();
            patterns.dedup();
            let rules = self.engine().marks.of(&server.name, at);
            let mut hasher = DefaultHasher::new();
            // Who is granted nothing of a kind sees nothing of it, whatever rules say.
            if !patterns.is_empty() {
                (&patterns, rules, self.engine().modules_digest()).hash(&mut hasher);
                // Modules may look at any of it.
                if self.engine().modules_digest() != 0 || rules.iter().any(|mark| mark.looks) {
                    (&server.owner, &server.purpose, server.classification.as_str(), self.names()).hash(&mut hasher);
                    scene.hints.hash(&mut hasher);
                    for (tool, operation) in &server.operations {
                        (tool, operation.as_str()).hash(&mut hasher);
                    }
                }
            }
            *mark = hasher.finish();
        }
        ListMarks(view)
    }

    /// Whether the decision about an access can be another one at another time.
    pub fn is_timed(&self, access: &Access) -> bool {
        Item::of(access).is_some_and(|item| self.has_timed(item))
    }

    /// The same for a resource that is read.
    pub fn is_resource_timed(&self, uri: &str) -> bool {
        self.has_timed(Item::Resource(uri))
    }

    /// The same for a tool that is called.
    pub fn is_tool_timed(&self, tool: &str) -> bool {
        self.has_timed(Item::Tool(tool))
    }

    fn has_timed(&self, item: Item<'_>) -> bool {
        self.rules_about(item).any(|(_, rule)| !rule.shadow && rule.reads_time())
    }
}
