//! The rules of a policy, and which of them hold for one message. Pure.

use std::ops::Range;
use std::sync::Arc;

use super::detectors::{self, Detector, DetectorSet};
use super::echo::{Echo, Patience, Restored};
use super::restore::Grant;
use super::survey::finding;
use crate::policy::{Classification, Dlp, DlpAction, DlpRule};

/// A policy's rules, compiled.
#[derive(Debug)]
pub struct Rules {
    all: Vec<Rule>,
    default_clearance: Classification,
    clearance_attribute: Option<String>,
    restores: Vec<Grant>,
    /// What may stand in a message as a token.
    tokens: DetectorSet,
    /// Of which purposes there may be tokens.
    purposes: Vec<Arc<str>>,
}

#[derive(Debug)]
pub(super) struct Rule {
    pub(super) name: Arc<str>,
    detectors: DetectorSet,
    sensitivity: Option<Classification>,
    requests: bool,
    responses: bool,
    servers: Vec<String>,
    pub(super) action: DlpAction,
    pub(super) purpose: Arc<str>,
    shadow: bool,
}

/// The rules that hold for one message.
#[derive(Debug)]
pub(super) struct Applicable<'a> {
    of: &'a Rules,
    rules: Vec<&'a Rule>,
    detectors: DetectorSet,
    restores: Vec<&'a Grant>,
    echo: Option<&'a Echo>,
}

impl Rules {
    /// Compiles `dlp:`. Without one, secrets are blocked in requests and masked in replies, nothing else.
    pub fn new(dlp: Option<&Dlp>) -> Self {
        let Some(dlp) = dlp else {
            return Self {
                all: vec![Rule::built_in(DlpAction::Block, true), Rule::built_in(DlpAction::Mask, false)],
                default_clearance: Classification::default(),
                clearance_attribute: None,
                restores: Vec::new(),
                tokens: DetectorSet::EMPTY,
                purposes: Vec::new(),
            };
        };
        let all: Vec<_> = dlp.rules.iter().map(Rule::new).collect();
        let makers = || all.iter().filter(|rule| rule.action == DlpAction::Tokenize);
        let mut purposes: Vec<_> = makers().map(|rule| Arc::clone(&rule.purpose)).collect();
        purposes.sort();
        purposes.dedup();
        let tokens = makers().fold(DetectorSet::EMPTY, |all, rule| all.union(rule.detectors));
        Self {
            default_clearance: dlp.default_clearance,
            clearance_attribute: dlp.clearance_attribute.clone(),
            restores: dlp.restore.iter().map(Grant::new).collect(),
            tokens,
            purposes,
            all,
        }
    }

    /// Of which purposes there may be tokens; none: nothing is to be asked about any message.
    pub(super) fn purposes(&self) -> &[Arc<str>] {
        &self.purposes
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
        Applicable { of: self, rules, detectors, restores: Vec::new(), echo: None }
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
            purpose: rule.purpose.as_str().into(),
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
            purpose: "".into(),
            shadow: false,
        }
    }
}

impl<'a> Applicable<'a> {
    /// Adds what lets tokens become values in a call of this tool by somebody with these roles.
    pub(super) fn restore_in(&mut self, server: &str, tool: &str, has_role: impl Fn(&str) -> bool) {
        self.restores = self.of.restores.iter().filter(|grant| grant.is_for(server, tool, &has_role)).collect();
    }

    /// Adds what this call has restored: it does not come back.
    pub(super) fn return_to_tokens(&mut self, echo: Option<&'a Echo>) {
        self.echo = echo;
    }

    /// Whether nothing holds.
    pub(super) fn is_empty(&self) -> bool {
        self.detectors.is_empty() && self.restores.is_empty() && self.echo.is_none()
    }

    /// Whether anything was restored that may come back.
    pub(super) fn returns_any(&self) -> bool {
        self.echo.is_some()
    }

    /// What was restored and has come back, by its number.
    pub(super) fn returned(&self, index: usize) -> Option<&'a Restored> {
        self.echo?.get(index)
    }

    /// Hands what was restored and stands in a text to `visit`.
    pub(super) fn find_returned(&self, text: &str, patience: &mut Patience, visit: impl FnMut(Range<usize>, usize)) {
        if let Some(echo) = self.echo {
            echo.find(text, patience, visit);
        }
    }

    /// What is looked for: what rules speak about, and tokens that may be restored.
    pub(super) fn looked_for(&self) -> DetectorSet {
        if self.restores.is_empty() { self.detectors } else { self.detectors.union(finding(self.of.tokens)) }
    }

    /// Whether what this detector finds may be a token.
    pub(super) fn may_be_token(&self, detector: Detector) -> bool {
        self.of.tokens.contains(detector)
    }

    /// Whether any token may become a value.
    pub(super) fn restores_any(&self) -> bool {
        !self.restores.is_empty()
    }

    /// What lets tokens of a purpose become values.
    pub(super) fn restores(&self, purpose: &str) -> impl Iterator<Item = &'a Grant> {
        self.restores.iter().copied().filter(move |grant| *grant.purpose == *purpose)
    }

    /// The rule that acts on what a detector finds: the strictest, the last of several.
    pub(super) fn rule_for(&self, detector: Detector) -> Option<&'a Rule> {
        let speaking = self.rules.iter().copied().filter(|rule| rule.detectors.contains(detector) && !rule.shadow);
        speaking.max_by_key(|rule| strictness(rule.action))
    }

    /// The rules that only tell what they would do.
    pub(super) fn shadows_for(&self, detector: Detector) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().copied().filter(move |rule| rule.detectors.contains(detector) && rule.shadow)
    }

    /// Whether anything is found in a text.
    pub(super) fn finds(&self, text: &str) -> bool {
        let mut matches = Vec::new();
        detectors::find(text, self.detectors, &mut matches);
        !matches.is_empty()
    }
}

fn strictness(action: DlpAction) -> u8 {
    match action {
        DlpAction::Block => 3,
        DlpAction::Mask => 2,
        DlpAction::Tokenize => 1,
        DlpAction::Log => 0,
    }
}
