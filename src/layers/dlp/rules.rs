//! The engine: what a policy says about one message, and what to do about each match. Pure.

use std::ops::Range;
use std::sync::Arc;

use super::detectors::{self, Detector, DetectorSet, Match};
use super::redact::replacements;
use crate::policy::{Classification, Dlp, DlpAction, DlpRule};
use crate::protocol::json::{NodeId, Site};
use crate::protocol::{Message, routing_fields, visit_texts};

/// A policy's rules, compiled.
#[derive(Debug)]
pub struct Rules {
    all: Vec<Rule>,
    default_clearance: Classification,
    clearance_attribute: Option<String>,
}

#[derive(Debug)]
struct Rule {
    name: Arc<str>,
    detectors: DetectorSet,
    sensitivity: Option<Classification>,
    requests: bool,
    responses: bool,
    servers: Vec<String>,
    action: DlpAction,
    shadow: bool,
}

/// The rules that hold for one message.
#[derive(Debug)]
pub(super) struct Applicable<'a> {
    rules: Vec<&'a Rule>,
    detectors: DetectorSet,
}

/// What was found in a message.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Each once for every match.
    pub(super) findings: Vec<Hit>,
    /// Whether the message must not pass.
    pub(super) blocked: bool,
    /// Texts to replace.
    masks: Vec<Mask>,
}

/// A match with the rule that judged it.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) rule: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) action: DlpAction,
    pub(super) shadow: bool,
}

#[derive(Debug)]
struct Mask {
    node: NodeId,
    range: Range<usize>,
    placeholder: &'static str,
    is_key: bool,
}

impl Rules {
    /// Compiles `dlp:`. Without one, secrets are blocked in requests and masked in replies, nothing else.
    pub fn new(dlp: Option<&Dlp>) -> Self {
        match dlp {
            Some(dlp) => Self {
                all: dlp.rules.iter().map(Rule::new).collect(),
                default_clearance: dlp.default_clearance,
                clearance_attribute: dlp.clearance_attribute.clone(),
            },
            None => Self {
                all: vec![Rule::built_in(DlpAction::Block, true), Rule::built_in(DlpAction::Mask, false)],
                default_clearance: Classification::default(),
                clearance_attribute: None,
            },
        }
    }

    /// The attribute that holds a caller's clearance.
    pub(super) fn clearance_attribute(&self) -> Option<&str> {
        self.clearance_attribute.as_deref()
    }

    /// A caller's clearance by the value of that attribute. A word that is no class gives the least: nothing is guessed upwards.
    pub(super) fn clearance(&self, attribute: Option<&str>) -> Classification {
        match attribute {
            Some(word) => Classification::from_name(word).unwrap_or(Classification::Public),
            None => self.default_clearance,
        }
    }

    /// The rules for texts that go to somebody of `clearance`, on their way to (`request`) or from `server`.
    pub(super) fn applicable(&self, server: &str, request: bool, clearance: Classification) -> Applicable<'_> {
        let holds = |rule: &&Rule| {
            (if request { rule.requests } else { rule.responses })
                && (rule.servers.is_empty() || rule.servers.iter().any(|name| name == server || name == "*"))
                && rule.sensitivity.is_none_or(|sensitivity| sensitivity > clearance)
        };
        let rules: Vec<_> = self.all.iter().filter(holds).collect();
        let detectors = rules.iter().fold(DetectorSet::EMPTY, |all, rule| all.union(rule.detectors));
        Applicable { rules, detectors }
    }
}

impl Rule {
    fn new(rule: &DlpRule) -> Self {
        Self {
            name: rule.name.as_str().into(),
            detectors: rule.detect.iter().filter_map(|name| Detector::from_name(name)).collect(),
            sensitivity: rule.sensitivity,
            requests: rule.requests,
            responses: rule.responses,
            servers: rule.servers.clone(),
            action: rule.action,
            shadow: rule.shadow,
        }
    }

    fn built_in(action: DlpAction, request: bool) -> Self {
        Self {
            name: "default-secrets".into(),
            detectors: DetectorSet::EMPTY.with(Detector::Secrets),
            sensitivity: None,
            requests: request,
            responses: !request,
            servers: Vec::new(),
            action,
            shadow: false,
        }
    }
}

impl Applicable<'_> {
    /// Whether no rule holds.
    pub(super) fn is_empty(&self) -> bool {
        self.detectors.is_empty()
    }

    /// Looks at every text of a message.
    pub(super) fn inspect(&self, message: &Message) -> Outcome {
        let mut outcome = Outcome::default();
        if self.is_empty() {
            return outcome;
        }
        let (mut matches, mut masked) = (Vec::new(), Vec::new());
        visit_texts(message, |text| {
            matches.clear();
            masked.clear();
            detectors::find(text.text, self.detectors, &mut matches);
            masked.extend(matches.iter().filter(|found| self.judge(found, &mut outcome) == Some(DlpAction::Mask)));
            let is_key = text.site == Site::Key;
            outcome.masks.extend(replacements(&masked).map(|edit| Mask {
                node: text.id,
                range: edit.start..edit.end,
                placeholder: edit.with,
                is_key,
            }));
        });
        // Found once: each look goes through all members of `params`, and a caller decides how many masks there are.
        let routing = if outcome.masks.is_empty() { Vec::new() } else { routing_fields(message) };
        if outcome.masks.iter().any(|mask| routing.contains(&mask.node)) {
            outcome.blocked = true;
        }
        outcome
    }

    /// Whether anything is found in a text.
    pub(super) fn finds(&self, text: &str) -> bool {
        let mut matches = Vec::new();
        detectors::find(text, self.detectors, &mut matches);
        !matches.is_empty()
    }

    /// Looks at a text outside the body: a mirrored header, which cannot be masked.
    pub(super) fn inspect_header(&self, text: &str, outcome: &mut Outcome) {
        let mut matches = Vec::new();
        detectors::find(text, self.detectors, &mut matches);
        for found in &matches {
            outcome.blocked |= self.judge(found, outcome) == Some(DlpAction::Mask);
        }
    }

    /// What to do about a match: the strictest enforced action wins; rules in shadow mode are recorded beside it.
    fn judge(&self, found: &Match, outcome: &mut Outcome) -> Option<DlpAction> {
        let speaking = || self.rules.iter().filter(|rule| rule.detectors.contains(found.detector));
        for rule in speaking().filter(|rule| rule.shadow) {
            outcome.findings.push(Hit::new(rule, found));
        }
        let rule = speaking().filter(|rule| !rule.shadow).max_by_key(|rule| strictness(rule.action))?;
        outcome.findings.push(Hit::new(rule, found));
        outcome.blocked |= rule.action == DlpAction::Block;
        Some(rule.action)
    }
}

impl Hit {
    fn new(rule: &Rule, found: &Match) -> Self {
        Self { rule: Arc::clone(&rule.name), kind: found.kind, action: rule.action, shadow: rule.shadow }
    }
}

impl Outcome {
    /// Writes the placeholders into the message. `false` when that would leave an object with two equal keys.
    pub(super) fn mask(&self, message: &mut Message) -> bool {
        if self.masks.is_empty() {
            return true;
        }
        let (document, edits) = message.split();
        for mask in &self.masks {
            edits.replace_text(document, mask.node, mask.range.clone(), mask.placeholder);
        }
        !self.masks.iter().any(|mask| mask.is_key) || !edits.would_duplicate(document)
    }
}

fn strictness(action: DlpAction) -> u8 {
    match action {
        DlpAction::Block => 2,
        DlpAction::Mask => 1,
        DlpAction::Log => 0,
    }
}
