//! Rules of a policy's own, beside those of this build or in their places: read, and held against each other and their own samples.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::embedded::{BuiltIn, built_in};
use super::expand::Lists;
use super::read::{File, file, part, rule};
use super::{MOST, Rule, RuleSet};
use crate::scan::additions::{Stands, tell_samples, tell_weaker};
use crate::scan::injection::fit::compile;
use crate::scan::injection::score::{OTHERS, RuleError, Scanner};
use crate::scan::injection::{MODEL, ModelMode};
use crate::scan::last_line;
use crate::yaml::{Node, Place, Report, Value, read};

/// How long the anchors of all rules may be together, in bytes: what searches for them is many times as large.
const ANCHORS: usize = 16 << 10;

/// What records and policies call otherwise.
const TAKEN: [&str; 7] = ["injection", "own", "pii", "quarantine", "secret-question", "secrets", "terminal-control"];

/// See the module.
#[derive(Debug, Default)]
pub struct RuleAdditions {
    files: Vec<Node>,
    added: Vec<Added>,
    /// Ids of all rules, whatever else is wrong with them.
    said: HashSet<String>,
    /// Some file could not be read as rules at all.
    unread: bool,
    rules: Option<Arc<RuleSet>>,
}

/// A rule in which nothing is wrong by itself, and where it stands.
#[derive(Debug)]
struct Added {
    rule: Arc<Rule>,
    /// This build has the same.
    is_known: bool,
    anchors: Place,
    stands: Stands,
}

impl RuleAdditions {
    /// Reads a file of rules. What is wrong stands in `report`.
    pub fn read(&mut self, name: &str, bytes: &[u8], report: &mut Report) {
        match read(name, bytes, report) {
            Some(node) => self.files.push(node),
            None => self.unread = true,
        }
    }

    /// Makes one set of all that was read and what this build has. `is_detector` says whether detectors go by a name.
    pub fn finish(&mut self, is_detector: impl Fn(&str) -> bool, report: &mut Report) {
        // The files of this build take time to read, which nobody spends without files of their own.
        let Some(first) = self.files.first().map(|node| node.place) else { return };
        let built_in = match built_in() {
            Ok(built_in) => built_in,
            Err(broken) => {
                report.error(first, broken.to_string());
                return;
            }
        };
        let nodes = std::mem::take(&mut self.files);
        let files: Vec<File<'_>> = nodes.iter().filter_map(|node| file(node, report)).collect();
        self.unread |= files.len() < nodes.len();
        let lists = lists(&files, built_in, report);
        let mut ids = HashMap::new();
        for node in files.iter().flat_map(|file| &file.rules).copied() {
            if let Some(Value::Scalar(id)) = node.get("id").map(|node| &node.value) {
                self.said.insert(id.text.to_string());
            }
            if let Some(rule) = rule(node, &lists, report) {
                self.add(rule, node, (built_in, &lists), &mut ids, report);
            }
        }
        self.names(&is_detector, built_in, report);
        self.too_many(built_in, report);
        self.samples(report);
        self.weaker(built_in, report);
        let rules: Vec<_> = self.added.iter().map(|added| Arc::clone(&added.rule)).collect();
        let all = built_in.rules.with(&rules);
        self.rules = (all != *built_in.rules).then(|| Arc::new(all));
    }

    /// What is looked for.
    ///
    /// # Errors
    /// A file of this build is broken, which its tests exclude.
    pub fn rules(&self) -> Result<&RuleSet, &'static RuleError> {
        match &self.rules {
            Some(rules) => Ok(rules),
            None => RuleSet::built_in().map(|rules| &**rules),
        }
    }

    /// The ids of all findings.
    pub fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.rules().into_iter().flat_map(RuleSet::ids)
    }

    /// The same rules, if they are not what this build has.
    pub fn into_rules(self) -> Option<Arc<RuleSet>> {
        self.rules
    }

    /// Whether a rule goes by this name in which something is wrong, or may: that is told, and no more of it.
    pub fn may_have(&self, name: &str) -> bool {
        self.unread || self.said.contains(name)
    }

    fn add(
        &mut self,
        rule: Rule,
        node: &Node,
        (built_in, lists): (&BuiltIn, &Lists),
        ids: &mut HashMap<&'static str, Place>,
        report: &mut Report,
    ) {
        let place = |key: &str| node.get(key).map_or(node.place, |value| value.place);
        match ids.entry(rule.id) {
            Entry::Occupied(earlier) => {
                let first = report.locate(*earlier.get());
                report.error(place("id"), format!("the rule `{}` is given twice", rule.id)).hint(format!("first at {first}"));
                return;
            }
            Entry::Vacant(free) => {
                free.insert(place("id"));
            }
        }
        let known = built_in.rules.rule(rule.id).filter(|known| ***known == rule);
        // What this build has its tests have looked at.
        if known.is_none() && !compiles(&rule, node, lists, report) {
            return;
        }
        self.added.push(Added {
            is_known: known.is_some(),
            rule: known.map_or_else(|| Arc::new(rule), Arc::clone),
            anchors: place("anchors"),
            stands: Stands::of(node),
        });
    }

    /// Those that this build does not have.
    fn unknown(&self) -> impl Iterator<Item = &Added> {
        self.added.iter().filter(|added| !added.is_known)
    }

    /// SECURITY: an exception for one thing would hold for the other as well.
    fn names(&self, is_detector: &impl Fn(&str) -> bool, built_in: &BuiltIn, report: &mut Report) {
        for added in self.unknown() {
            let id = added.rule.id;
            let what = if id == MODEL || OTHERS.contains(&id) || TAKEN.contains(&id) {
                "is the name of something else that is found"
            } else if built_in.rules.rule(id).is_none() && is_detector(id) {
                "is the name of detectors"
            } else {
                continue;
            };
            report.error(added.stands.id, format!("`{id}` {what}")).hint("give this rule another id");
        }
    }

    fn too_many(&self, built_in: &BuiltIn, report: &mut Report) {
        let count = built_in.rules.rules().count();
        let mut others = self.unknown().filter(|added| built_in.rules.rule(added.rule.id).is_none());
        if let Some(added) = others.nth(MOST.saturating_sub(count)) {
            report
                .error(added.stands.id, format!("with this one there are more than {MOST} rules"))
                .hint(format!("{count} are of this build: replace some of them, or join what belongs together in one `pattern`"));
        }
        let mut length = 0;
        for added in self.unknown() {
            let before = length;
            length += added.rule.anchors.iter().map(String::len).sum::<usize>();
            if before <= ANCHORS && length > ANCHORS {
                report
                    .error(added.anchors, format!("with these the anchors of all rules have more than {} KiB", ANCHORS >> 10))
                    .hint("write what they have in common, and let the pattern look at the rest");
            }
        }
    }

    /// SECURITY: who replaces a rule of this build means to make it better, and nobody else looks whether it is.
    fn weaker(&self, built_in: &BuiltIn, report: &mut Report) {
        let mut places = HashMap::new();
        let replaced = self.unknown().filter_map(|added| {
            let before = built_in.rules.rule(added.rule.id)?;
            places.insert(added.rule.id, added.stands.id);
            let (finds, surfaces) = (before.finds.clone(), before.surfaces.clone());
            Some(Arc::new(Rule { finds, surfaces, spares: Vec::new(), ..Rule::clone(&added.rule) }))
        });
        let rules = RuleSet { rules: replaced.take(MOST).collect() };
        // Why they cannot be looked for is told of all of them.
        let Ok(scanner) = Scanner::alone(&rules) else { return };
        tell_weaker("rule", &scanner.with_model(ModelMode::Off).mistakes(), places, report);
    }

    /// What a rule says that it finds and spares is what its author knows of it: a rule that does otherwise is not what they think.
    fn samples(&self, report: &mut Report) {
        let stands: HashMap<&str, &Stands> = self.unknown().map(|added| (added.rule.id, &added.stands)).collect();
        if stands.is_empty() {
            return;
        }
        // Not more than fit into one, whatever else was said about that.
        let alone = RuleSet { rules: self.unknown().take(MOST).map(|added| Arc::clone(&added.rule)).collect() };
        match Scanner::alone(&alone) {
            Ok(scanner) => {
                let mistakes = scanner.with_model(ModelMode::Off).mistakes();
                let how = ": it is read as on all its surfaces";
                tell_samples("rule", how, &mistakes, &stands, report, |_| String::new());
            }
            Err(error) => {
                if let Some(first) = self.added.first() {
                    report.error(first.stands.id, error.to_string());
                }
            }
        }
    }
}

/// Those of the policy, in the places of those of this build.
fn lists(files: &[File<'_>], built_in: &BuiltIn, report: &mut Report) -> Lists {
    let mut lists = built_in.lists.clone();
    let mut first = HashMap::new();
    for list in files.iter().flat_map(|file| &file.lists) {
        if let Some(earlier) = first.insert(list.name.as_str(), list.place) {
            let at = report.locate(earlier);
            report.error(list.place, format!("the list `{}` is given twice", list.name)).hint(format!("first at {at}"));
        }
        lists.set(list.name.clone(), list.words.clone());
    }
    lists
}

fn compiles(rule: &Rule, node: &Node, lists: &Lists, report: &mut Report) -> bool {
    let pattern = node.get("pattern").unwrap_or(node);
    let error = match compile(&rule.pattern) {
        Ok(whole) if whole.is_match(b"") => {
            report
                .error(pattern.place, "the pattern fits a text that is empty, so it fits wherever an anchor stands")
                .hint("it begins with an anchor: write that too");
            return false;
        }
        Ok(_) => return true,
        Err(error) => error,
    };
    // Of several it is one that is broken, or all of them together are too large.
    let parts = match &pattern.value {
        Value::Sequence(parts) => parts.as_slice(),
        Value::Mapping(_) | Value::Refused | Value::Scalar(_) => &[],
    };
    let alone = |node: &Node| compile(&part(node, lists, &mut Report::new())?).err().map(|error| (node.place, error));
    let (place, error) = parts.iter().find_map(alone).unwrap_or((pattern.place, error));
    report.error(place, format!("the pattern cannot be compiled: {}", last_line(&error))).hint(
        "https://docs.rs/regex/latest/regex/#syntax says what can be written, of bytes; backslashes stay in 'single quotes'",
    );
    false
}

/// Whether this is a file of rules, and not one of detectors.
pub fn holds_rules(bytes: &[u8]) -> bool {
    let node = read("", bytes, &mut Report::new());
    node.is_some_and(|node| ["rules", "lists"].iter().any(|key| node.get(key).is_some()))
}

/// Reads files of rules alone; what is wrong stands in `report`. Lists may be those of this build too.
pub fn read_rules(files: &[(String, Vec<u8>)], report: &mut Report) -> RuleSet {
    let nodes: Vec<Node> = files.iter().filter_map(|(name, bytes)| read(name, bytes, report)).collect();
    let files: Vec<File<'_>> = nodes.iter().filter_map(|node| file(node, report)).collect();
    let mut rules = Vec::new();
    if let Ok(built_in) = built_in() {
        let lists = lists(&files, built_in, report);
        rules.extend(files.iter().flat_map(|file| &file.rules).filter_map(|node| rule(node, &lists, report)).map(Arc::new));
    }
    RuleSet { rules }
}
