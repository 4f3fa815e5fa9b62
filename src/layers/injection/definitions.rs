//! What a server says of itself and of what it offers: lists, handshakes, instructions.

use std::collections::HashSet;

use super::canonical;
use super::layer::record;
use super::neighbours::names;
use super::reply::ReplyScan;
use crate::chain::{About, Action, Category, Direction, Reason, Rejection};
use crate::policy::{On, Surface};
use crate::protocol::json::{RawJson, Site, Text, Value};
use crate::protocol::{ListKind, Message, visit_below};
use crate::scan::injection::{Effort, Hit, MODEL, Severity, SurfaceKind, percent};

/// What a handshake says to the model of the client.
pub(super) const INSTRUCTIONS: &str = "instructions";

/// Where a list goes on, which its client has to give back as it is.
pub(super) const CURSOR: &str = "nextCursor";

/// The rule for texts that speak to a model.
const ADDRESSED_TO_AI: &str = "addressed-to-ai";

impl ReplyScan {
    /// Withholds flagged items of a list.
    pub(super) fn scan_definitions(&self, message: &mut Message, list: ListKind) {
        if self.policy.definitions == Surface::Off {
            return;
        }
        let Some(items) = message.result().and_then(|result| result.get(list.member())) else {
            return;
        };
        let mut flagged = HashSet::new();
        let (mut hits, mut effort) = (Vec::new(), Effort::default());
        let neighbours = (list == ListKind::Tools).then_some(&self.quarantine.neighbours);
        if let Some(neighbours) = neighbours {
            neighbours.note(&self.server, names(items));
        }
        let withholds = self.policy.definitions == Surface::Quarantine;
        let action = if withholds { Action::Quarantined } else { Action::Logged };
        // A list written as an object is filtered by its members' values, so it is scanned by them as well.
        for item in items.items().chain(items.members().map(|(_, item)| item)) {
            hits.clear();
            visit_below(item, &mut |text| self.scanner.scan(text.text, SurfaceKind::Definition, &mut effort, &mut hits));
            let name = item.get(list.key()).and_then(Value::as_str);
            if let Some((neighbours, name)) = neighbours.zip(name) {
                let mut texts = Vec::new();
                visit_below(item, &mut |text| texts.push(text.text));
                neighbours.judge(&self.server, name, &texts, &mut hits);
            }
            self.weigh(&mut hits, 0, On::Definition, name.filter(|_| list == ListKind::Tools));
            if !hits.iter().any(Hit::is_flag) {
                self.note(&hits, action);
                continue;
            }
            let text = canonical::text(item);
            let hash = canonical::hash(&text);
            let mut action = action;
            if let (ListKind::Tools, true, Some(name)) = (list, withholds, name) {
                self.quarantine.add(
                    &self.server,
                    name,
                    (&hash, &text),
                    hits.iter().filter(|hit| hit.is_flag()).map(|hit| hit.rule),
                );
                if self.quarantine.approves(&self.server, name, &hash) {
                    action = Action::Excused;
                }
            }
            self.note_definition(&hits, &hash, action);
            if action != Action::Excused {
                flagged.insert(item.id());
            }
        }
        if withholds && !flagged.is_empty() {
            let items = items.id();
            let (document, edits) = message.split();
            edits.retain(document, items, |item| !flagged.contains(&item.id()));
        }
    }

    /// Empties the instructions of a server that carry orders: a client puts them before the model as they are. Whether there are any
    /// to be read.
    pub(super) fn scan_instructions(&self, message: &mut Message) -> bool {
        let Some(instructions) = message.result().and_then(|result| result.get(INSTRUCTIONS)) else {
            return false;
        };
        let Some(text) = instructions.as_str().filter(|_| self.policy.definitions != Surface::Off) else {
            return false;
        };
        let mut hits = Vec::new();
        self.scanner.scan(text, SurfaceKind::Definition, &mut Effort::default(), &mut hits);
        self.weigh(&mut hits, 0, On::Definition, None);
        // Instructions are addressed to the model by definition; that alone is no sign.
        hits.retain(|hit| hit.rule != ADDRESSED_TO_AI);
        // And they are orders: the model, which has learnt from descriptions of tools, is heard and does not decide.
        hits.iter_mut().filter(|hit| hit.rule == MODEL).for_each(|hit| hit.severity = Severity::Low);
        let withholds = self.policy.definitions == Surface::Quarantine && hits.iter().any(Hit::is_flag);
        self.note(&hits, if withholds { Action::Quarantined } else { Action::Logged });
        if withholds {
            let place = instructions.id();
            let (document, edits) = message.split();
            edits.replace(document, place, RawJson::string(""));
        }
        true
    }

    /// Empties flagged texts of what stands beside the items of a list or the instructions of a server: a server's title and description,
    /// its capabilities, its `_meta`. Clients show these, and some put them before the model.
    pub(super) fn scan_rest(&self, message: &mut Message, apart: &[&str]) -> Result<(), Rejection> {
        let Some(result) = message.result().filter(|_| self.policy.definitions != Surface::Off) else {
            return Ok(());
        };
        let (mut hits, mut effort) = (Vec::new(), Effort::default());
        let mut flagged = Vec::new();
        let mut fixed = false;
        for (key, member) in result.members().filter(|(key, _)| key.as_str().is_none_or(|key| !apart.contains(&key))) {
            for Text { id, text, site } in key.texts().chain(member.texts()) {
                let before = hits.len();
                self.scanner.scan(text, SurfaceKind::Definition, &mut effort, &mut hits);
                self.weigh(&mut hits, before, On::Definition, None);
                if hits.get(before..).unwrap_or_default().iter().any(Hit::is_flag) {
                    flagged.push(id);
                    fixed |= site != Site::String;
                }
            }
        }
        match self.policy.definitions {
            _ if flagged.is_empty() => self.note(&hits, Action::Logged),
            // A key cannot be emptied: another may be empty already.
            Surface::Quarantine if fixed => {
                self.note(&hits, Action::Blocked);
                return Err(Reason::BlockedResult(Category::Injection).into());
            }
            Surface::Quarantine => {
                self.note(&hits, Action::Quarantined);
                let (document, edits) = message.split();
                for place in flagged {
                    edits.replace(document, place, RawJson::string(""));
                }
            }
            Surface::Block | Surface::Label | Surface::Log | Surface::Off | Surface::Strip => self.note(&hits, Action::Logged),
        }
        Ok(())
    }
}

impl ReplyScan {
    /// What was seen in one definition. The surest of it names the definition: a name for each would crowd out the rest of the record.
    fn note_definition(&self, hits: &[Hit], hash: &str, action: Action) {
        self.trail.score(Direction::Response, percent(hits));
        let surest = (0..hits.len()).max_by_key(|at| hits.get(*at).map(|hit| hit.severity));
        for (at, hit) in hits.iter().enumerate() {
            let about = (surest == Some(at)).then(|| About::Definition(hash.into()));
            record([hit], about.as_ref(), action, Direction::Response, &self.trail);
        }
    }
}
