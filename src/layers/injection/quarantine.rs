//! Tools whose definitions were withheld. A call by name must not get round the list. Everything is bounded: a server says what is remembered of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::RwLock;

use super::neighbours::Neighbours;
use crate::state::{Approvals, Definition};

/// Bytes remembered of one server, a definition counted as its tool's name and [`ENTRY`]. A server with tools beyond that shows so many poisoned ones
/// that it is hostile: every tool of it counts as withheld.
const MAX_SIZE: usize = 2 * 1024 * 1024;

/// What a definition takes besides the name of its tool.
const ENTRY: usize = 192;

/// A longer name cannot be called, so it need not be remembered.
const MAX_NAME: usize = 8 * 1024;

/// Definitions remembered of one tool. Of further ones it is only known which rules they met, so nobody can approve them.
const MAX_DEFINITIONS: usize = 16;

/// Bytes of one definition, and of all of a server, that are kept to be read. Each server has its own: none takes the room of another's.
const MAX_TEXT: usize = 64 * 1024;
const MAX_TEXTS: usize = 1024 * 1024;

type Rules = BTreeSet<&'static str>;

/// What was withheld of one server.
#[derive(Debug, Default)]
struct OfServer {
    tools: HashMap<String, Held>,
    /// Whether there were tools that are not remembered.
    more: bool,
    /// What is remembered, and how much of texts is kept, in bytes.
    size: usize,
    kept: usize,
}

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
    last: Timestamp,
    /// What it says, where there was room to keep it.
    text: Option<Box<str>>,
}

impl Met {
    fn at(now: Timestamp, text: Option<&str>) -> Self {
        Self { rules: Rules::new(), since: now, last: now, text: text.map(Box::from) }
    }
}

/// Withheld tools by server, and what tools were seen beside.
#[derive(Debug, Default)]
pub struct Quarantine {
    held: RwLock<HashMap<String, OfServer>>,
    /// What operators let pass; without it nothing.
    approvals: Option<Arc<Approvals>>,
    pub(super) neighbours: Neighbours,
}

/// A definition that met rules, as operators see it.
#[derive(Clone, Debug)]
pub struct Withheld {
    /// The server's name.
    pub server: String,
    /// The tool's; `None` for all further tools of a server beyond those that are remembered.
    pub tool: Option<String>,
    /// The definition's hash; `None` for all of a tool beyond those that are remembered.
    pub definition: Option<String>,
    /// What it says, as JSON in one spelling; `None` where there was no room to keep it.
    pub text: Option<String>,
    /// What it met.
    pub rules: Vec<&'static str>,
    /// When it was first seen, and when last; `None` for what is not remembered.
    pub seen: Option<(Timestamp, Timestamp)>,
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
        let Some(of_server) = held.get(server) else { return false };
        if of_server.more {
            return true;
        }
        let Some(met) = of_server.tools.get(tool) else { return false };
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

    /// Withholds a tool for a definition. It stays so until the gateway restarts, or an operator approves the definition, forgets it or excuses the
    /// rules.
    ///
    /// SECURITY: whatever the server says next. A definition that is shown clean to one caller may be shown poisoned to another, and a server that
    /// could take itself off this list by a clean one would be on it for nobody.
    pub(crate) fn add(&self, server: &str, tool: &str, (hash, text): (&str, &str), rules: impl Iterator<Item = &'static str>) {
        if tool.len() > MAX_NAME || tool.contains(char::is_control) {
            // No call can name it.
            return;
        }
        let mut held = self.held.write();
        let OfServer { tools, more, size, kept } = held.entry(server.to_owned()).or_default();
        let (cost, now) = (tool.len() + ENTRY, Timestamp::now());
        let has_room = *size + cost <= MAX_SIZE;
        let known = tools.get(tool);
        if known.is_none() && !has_room {
            *more = true;
            return;
        }
        let is_new = known.is_none_or(|held| !held.definitions.contains_key(hash));
        let is_beyond = is_new && (!has_room || known.is_some_and(|held| held.definitions.len() >= MAX_DEFINITIONS));
        let Held { definitions, rest } = tools.entry(tool.to_owned()).or_default();
        let met = if is_beyond {
            rest.get_or_insert_with(|| Met::at(now, None))
        } else {
            definitions.entry(hash.to_owned()).or_insert_with(|| {
                *size += cost;
                let text = Some(text).filter(|text| text.len() <= MAX_TEXT && *kept + text.len() <= MAX_TEXTS);
                *kept += text.map_or(0, str::len);
                Met::at(now, text)
            })
        };
        met.last = now;
        met.rules.extend(rules);
    }

    /// Forgets what was withheld of a server, of one tool of it, or one definition of that, until it is seen again. Whether there was any.
    pub fn forget(&self, server: &str, what: Option<(&str, Option<&str>)>) -> bool {
        let mut held = self.held.write();
        let Some((tool, definition)) = what else { return held.remove(server).is_some() };
        let Some(of_server) = held.get_mut(server) else { return false };
        let Some(of_tool) = of_server.tools.get_mut(tool) else { return false };
        let mut gone = Held::default();
        match definition {
            Some(hash) => gone.definitions.extend(of_tool.definitions.remove_entry(hash)),
            None => std::mem::swap(&mut gone, of_tool),
        }
        if of_tool.definitions.is_empty() && of_tool.rest.is_none() {
            of_server.tools.remove(tool);
        }
        of_server.size = of_server.size.saturating_sub(gone.definitions.len() * (tool.len() + ENTRY));
        let texts = gone.definitions.values().filter_map(|met| met.text.as_deref());
        of_server.kept = of_server.kept.saturating_sub(texts.map(str::len).sum());
        gone.rest.is_some() || !gone.definitions.is_empty()
    }

    /// Whether anything was withheld of a server, or of one tool of it.
    pub fn has(&self, server: &str, tool: Option<&str>) -> bool {
        let held = self.held.read();
        held.get(server).is_some_and(|of_server| match tool {
            Some(tool) => of_server.tools.contains_key(tool),
            None => of_server.more || !of_server.tools.is_empty(),
        })
    }

    /// The hashes of a tool's definitions that were withheld.
    pub fn hashes(&self, server: &str, tool: &str) -> BTreeSet<String> {
        let held = self.held.read();
        let of_tool = held.get(server).and_then(|of_server| of_server.tools.get(tool));
        of_tool.into_iter().flat_map(|of_tool| of_tool.definitions.keys().cloned()).collect()
    }

    /// All of it, or all of one server, by server and tool.
    pub fn list(&self, server: Option<&str>) -> Vec<Withheld> {
        let held = self.held.read();
        let mut all = Vec::new();
        for (name, of_server) in held.iter().filter(|(name, _)| server.is_none_or(|server| server == *name)) {
            let shown = |tool: Option<&String>, definition: Option<&String>, met: Option<&Met>| Withheld {
                server: name.clone(),
                tool: tool.cloned(),
                definition: definition.cloned(),
                text: met.and_then(|met| met.text.as_deref()).map(str::to_owned),
                rules: met.map(|met| met.rules.iter().copied().collect()).unwrap_or_default(),
                seen: met.map(|met| (met.since, met.last)),
            };
            all.extend(of_server.more.then(|| shown(None, None, None)));
            for (tool, held) in &of_server.tools {
                all.extend(held.definitions.iter().map(|(hash, met)| shown(Some(tool), Some(hash), Some(met))));
                all.extend(held.rest.iter().map(|met| shown(Some(tool), None, Some(met))));
            }
        }
        all.sort_by(|one, other| (&one.server, &one.tool, one.seen).cmp(&(&other.server, &other.tool, other.seen)));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(quarantine: &Quarantine, tool: &str, hash: &str, rule: &'static str) {
        quarantine.add("crm", tool, (hash, ""), [rule].into_iter());
    }

    #[test]
    fn a_withheld_tool_is_withheld_on_its_server_until_the_policy_lets_go_of_all_of_its_rules() {
        let quarantine = Quarantine::default();
        add(&quarantine, "poisoned", "a", "model");
        add(&quarantine, "poisoned", "b", "unread");
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
        let all = quarantine.list(None);
        assert_eq!((all.len(), all.iter().filter(|withheld| withheld.definition.is_none()).count()), (MAX_DEFINITIONS + 1, 1));
        assert_eq!(all.iter().filter_map(|withheld| withheld.text.as_ref()).map(String::len).sum::<usize>(), MAX_TEXTS);
        assert!(quarantine.holds("crm", "poisoned", |rule| rule == "model"), "one of them met another rule");
        assert!(!quarantine.holds("crm", "poisoned", |_| true));
        // Another server's is read all the same.
        quarantine.add("mail", "poisoned", ("a", "words"), ["model"].into_iter());
        assert_eq!(quarantine.list(Some("mail"))[0].text.as_deref(), Some("words"));
    }

    #[test]
    fn a_server_that_floods_is_withheld_whole_and_what_is_remembered_of_it_is_bounded() {
        let quarantine = Quarantine::default();
        let long = "n".repeat(MAX_NAME - 8);
        for number in 0..2 * MAX_SIZE / MAX_NAME {
            add(&quarantine, &format!("{long}{number:08}"), "a", "model");
        }
        let all = quarantine.list(Some("crm"));
        assert!(all.iter().filter_map(|held| held.tool.as_ref()).map(String::len).sum::<usize>() <= MAX_SIZE);
        assert_eq!(all.iter().filter(|held| held.tool.is_none()).count(), 1, "that there was more is told, and once");
        assert!(quarantine.holds("crm", "clean", |_| true) && !quarantine.holds("mail", "clean", |_| false));
        // No room is left for what a known tool says next: of that the rules are known.
        let first = format!("{long}{:08}", 0);
        add(&quarantine, &first, "b", "unread");
        assert_eq!(quarantine.hashes("crm", &first).len(), 1);

        assert!(quarantine.forget("crm", Some((&first, None))) && quarantine.holds("crm", "clean", |_| true));
        assert!(quarantine.forget("crm", None) && !quarantine.forget("crm", None));
        assert!(!quarantine.holds("crm", "clean", |_| false) && quarantine.list(None).is_empty());
        quarantine.add("crm", &"n".repeat(MAX_NAME + 1), ("a", ""), ["model"].into_iter());
        quarantine.add("crm", "a\u{7f}b", ("a", ""), ["model"].into_iter());
        assert!(quarantine.list(None).is_empty(), "no call can name it");
    }

    #[test]
    fn what_is_forgotten_gives_its_room_back_and_is_withheld_when_it_is_seen_again() {
        let quarantine = Quarantine::default();
        for _ in 0..100 {
            for hash in ["a", "b", "c"] {
                quarantine.add("crm", "poisoned", (hash, &"x".repeat(MAX_TEXT)), ["model"].into_iter());
            }
            assert!(quarantine.list(None).iter().all(|held| held.text.is_some()), "no room for it");
            assert!(!quarantine.forget("crm", Some(("poisoned", Some("d")))) && !quarantine.forget("crm", Some(("clean", None))));
            assert!(quarantine.forget("crm", Some(("poisoned", Some("a")))) && quarantine.holds("crm", "poisoned", |_| false));
            assert_eq!(quarantine.hashes("crm", "poisoned").into_iter().collect::<Vec<_>>(), ["b", "c"]);
            assert!(quarantine.forget("crm", Some(("poisoned", None))) && !quarantine.holds("crm", "poisoned", |_| false));
        }
        let held = quarantine.held.read();
        assert_eq!((held["crm"].size, held["crm"].kept), (0, 0));
    }
}
