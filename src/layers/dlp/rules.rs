//! The rules of a policy, and which of them hold for one message. Pure.

use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;

use super::echo::{Echo, Patience, Restored};
use super::formats::Form;
use super::restore::Grant;
use crate::decide::{Exceptions, Glob};
use crate::policy::{Classification, Dlp, DlpAction, DlpRule, Exception, FieldPath, On, Unread as Unreadable};
use crate::scan::{Catalogue, Class, Detector, Effort, Found, NotCompiled, Row, Scanner, Set, Unread};
use crate::vault::{Caller, Digests};

/// What is looked for where no policy says anything.
const SECRETS: &str = "secrets";

/// A policy's rules, compiled.
#[derive(Debug)]
pub struct Rules {
    all: Vec<Rule>,
    /// For everything that any rule looks for.
    scanner: Scanner,
    secrets: Set,
    default_clearance: Classification,
    clearance_attribute: Option<String>,
    restores: Vec<Grant>,
    /// In what form a token may stand in a message, and who knows it again.
    tokens: Vec<Form>,
    finders: Set,
    /// Of which purposes there may be tokens.
    purposes: Vec<Arc<str>>,
    exceptions: Exceptions,
    pub(super) unread: Unreadable,
}

#[derive(Debug)]
pub(super) struct Rule {
    /// Which of all it is.
    pub(super) number: usize,
    pub(super) name: Arc<str>,
    detectors: Set,
    sensitivity: Option<Classification>,
    requests: bool,
    responses: bool,
    servers: Vec<String>,
    tools: Vec<Glob>,
    /// None: everywhere.
    pub(super) fields: Vec<FieldPath>,
    pub(super) action: DlpAction,
    pub(super) purpose: Arc<str>,
    shadow: bool,
}

/// The rules that hold for one message.
#[derive(Debug)]
pub(super) struct Applicable<'a> {
    of: &'a Rules,
    rules: Vec<&'a Rule>,
    detectors: Set,
    restores: Vec<&'a Grant>,
    echo: Option<&'a Echo>,
    hashes: Option<(&'a Digests, Caller<'a>)>,
    excused: Set,
}

impl Rules {
    /// Compiles `dlp:` with the detectors of this build.
    ///
    /// # Errors
    /// As [`Rules::among`].
    pub fn new(dlp: Option<&Dlp>) -> Result<Self, NotCompiled> {
        Self::among(Catalogue::built_in().map_err(Clone::clone)?, dlp)
    }

    /// Compiles `dlp:` with these detectors. Without one, secrets are blocked in requests and masked in replies, nothing else.
    ///
    /// # Errors
    /// There are more detectors than one scanner takes.
    pub fn among(catalogue: &Catalogue, dlp: Option<&Dlp>) -> Result<Self, NotCompiled> {
        let Some(dlp) = dlp else {
            let scanner = compiled(catalogue.scanner([SECRETS], [])?)?;
            return Ok(Self {
                all: vec![
                    Rule::built_in(0, DlpAction::Block, true, &scanner),
                    Rule::built_in(1, DlpAction::Mask, false, &scanner),
                ],
                secrets: secrets(&scanner),
                scanner,
                default_clearance: Classification::default(),
                clearance_attribute: None,
                restores: Vec::new(),
                tokens: Vec::new(),
                finders: Set::EMPTY,
                purposes: Vec::new(),
                exceptions: Exceptions::default(),
                unread: Unreadable::default(),
            });
        };
        let names = dlp.rules.iter().flat_map(|rule| &rule.detect).map(String::as_str);
        let own = dlp.rules.iter().filter_map(|rule| Some(Detector::own(&rule.name, Arc::clone(rule.own.as_ref()?))));
        let scanner = compiled(catalogue.scanner(names, own)?)?;
        let all: Vec<_> = dlp.rules.iter().enumerate().map(|(number, rule)| Rule::new(number, rule, &scanner)).collect();
        let makers = || all.iter().filter(|rule| rule.action == DlpAction::Tokenize);
        let mut purposes: Vec<_> = makers().map(|rule| Arc::clone(&rule.purpose)).collect();
        purposes.sort();
        purposes.dedup();
        let made = makers().fold(Set::EMPTY, |all, rule| all.union(&rule.detectors));
        let mut tokens: Vec<_> = scanner.members(&made).map(|row| Form::of(row.detector().kind)).collect();
        tokens.sort_unstable();
        tokens.dedup();
        let finds_tokens = |row: &Row| {
            let form = Form::of(row.detector().kind);
            // A token without form is found by its own.
            form != Form::Opaque && tokens.contains(&form)
        };
        Ok(Self {
            default_clearance: dlp.default_clearance,
            clearance_attribute: dlp.clearance_attribute.clone(),
            restores: dlp.restore.iter().map(Grant::new).collect(),
            finders: scanner.set(finds_tokens),
            secrets: secrets(&scanner),
            scanner,
            tokens,
            purposes,
            all,
            exceptions: Exceptions::default(),
            unread: dlp.unread.clone(),
        })
    }

    /// The same with `exceptions:`.
    #[must_use]
    pub fn excepting(self, exceptions: &[Exception]) -> Self {
        Self { exceptions: Exceptions::new(exceptions), ..self }
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

    /// The rules for texts that go to somebody of `clearance`, on their way to (`request`) or from a tool of `server`, or whatever else it has.
    pub(super) fn applicable(
        &self,
        server: &str,
        tool: Option<&str>,
        request: bool,
        clearance: Classification,
    ) -> Applicable<'_> {
        let holds = |rule: &&Rule| {
            (if request { rule.requests } else { rule.responses })
                && (rule.servers.is_empty() || rule.servers.iter().any(|name| name == server || name == "*"))
                && (rule.tools.is_empty() || tool.is_some_and(|tool| rule.tools.iter().any(|glob| glob.matches(tool))))
                && rule.sensitivity.is_none_or(|sensitivity| sensitivity > clearance)
        };
        let rules: Vec<_> = self.all.iter().filter(holds).collect();
        let detectors = rules.iter().fold(Set::EMPTY, |all, rule| all.union(&rule.detectors));
        Applicable { of: self, rules, detectors, restores: Vec::new(), echo: None, hashes: None, excused: Set::EMPTY }
    }
}

impl Rule {
    fn new(number: usize, rule: &DlpRule, scanner: &Scanner) -> Self {
        Self {
            number,
            name: rule.name.as_str().into(),
            detectors: scanner.set(|row| match row.class() {
                Class::Own => row.detector().id == rule.name,
                Class::Pii | Class::Secrets => rule.detect.iter().any(|name| row.goes_by(name)),
            }),
            sensitivity: rule.sensitivity,
            requests: rule.requests,
            responses: rule.responses,
            servers: rule.servers.clone(),
            tools: rule.tools.iter().map(|tool| Glob::new(tool)).collect(),
            fields: rule.fields.clone(),
            action: rule.action,
            purpose: rule.purpose.as_str().into(),
            shadow: rule.shadow,
        }
    }

    /// Whether it speaks about what the detector of this number finds.
    pub(super) fn looks_for(&self, by: u16) -> bool {
        self.detectors.contains(by)
    }

    fn built_in(number: usize, action: DlpAction, request: bool, scanner: &Scanner) -> Self {
        Self {
            number,
            name: "default-secrets".into(),
            detectors: scanner.set(|_all| true),
            sensitivity: None,
            requests: request,
            responses: !request,
            servers: Vec::new(),
            tools: Vec::new(),
            fields: Vec::new(),
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

    /// Adds what the policy does not want acted on in this place.
    pub(super) fn excuse(&mut self, server: &str, tool: Option<&str>, on: On, now: Timestamp) {
        let excused = self.of.exceptions.at(server, tool, on, now);
        if !excused.is_empty() {
            self.excused = self.of.scanner.set(|row| excused.covers(&[&row.detector().id, row.detector().kind]));
        }
    }

    /// The rule that would act on what the detector of this number finds, had the policy made no exception.
    pub(super) fn excused_rule(&self, by: u16, elsewhere: &[usize]) -> Option<&'a Rule> {
        if self.excused.contains(by) { self.speaking(by, elsewhere) } else { None }
    }

    /// Adds what this call has restored: it does not come back.
    pub(super) fn return_to_tokens(&mut self, echo: Option<&'a Echo>) {
        self.echo = echo;
    }

    /// Adds what makes hashes of what this caller sees.
    pub(super) fn hash_by(&mut self, digests: &'a Digests, caller: Caller<'a>) {
        self.hashes = Some((digests, caller));
    }

    /// The hash of a value in its normal form, if hashes are to be had.
    pub(super) fn hash(&self, purpose: &str, kind: &str, normal: &str) -> Option<String> {
        self.hashes.map(|(digests, caller)| digests.of(caller, purpose, kind, normal))
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
    pub(super) fn looked_for(&self) -> Set {
        if self.restores.is_empty() { self.detectors } else { self.detectors.union(&self.of.finders) }
    }

    /// What rules speak about.
    pub(super) fn ruled(&self) -> Set {
        self.detectors
    }

    /// What of these is a secret.
    pub(super) fn secrets(&self) -> Set {
        self.detectors.intersection(&self.of.secrets)
    }

    /// Whether a word holds what keys of some kind begin with.
    pub(super) fn begins(&self, word: &str) -> bool {
        self.of.scanner.has_anchor(word.as_bytes(), &self.detectors)
    }

    /// Appends what these detectors find in a text.
    pub(super) fn find(&self, text: &str, wanted: &Set, left: &mut Effort, out: &mut Vec<Found>) -> Result<(), Unread> {
        self.of.scanner.find(text, wanted, left, out)
    }

    /// Whether a value of this form may be a token.
    pub(super) fn may_be_token(&self, form: Form) -> bool {
        self.of.tokens.contains(&form)
    }

    /// Whether any token may become a value.
    pub(super) fn restores_any(&self) -> bool {
        !self.restores.is_empty()
    }

    /// What lets tokens of a purpose become values.
    pub(super) fn restores(&self, purpose: &str) -> impl Iterator<Item = &'a Grant> {
        self.restores.iter().copied().filter(move |grant| *grant.purpose == *purpose)
    }

    /// The rule that acts on what the detector of this number finds: the strictest, the last of several. None of those whose fields lie
    /// `elsewhere`.
    pub(super) fn rule_for(&self, by: u16, elsewhere: &[usize]) -> Option<&'a Rule> {
        if self.excused.contains(by) { None } else { self.speaking(by, elsewhere) }
    }

    fn speaking(&self, by: u16, elsewhere: &[usize]) -> Option<&'a Rule> {
        let speaking = self.rules_about(by, elsewhere).filter(|rule| !rule.shadow);
        speaking.max_by_key(|rule| strictness(rule.action))
    }

    /// What the detector of this number is called.
    pub(super) fn detector(&self, by: u16) -> Option<&'a str> {
        self.of.scanner.row(by).map(|row| row.detector().id.as_str())
    }

    /// The rules that only tell what they would do.
    pub(super) fn shadows_for(&self, by: u16, elsewhere: &[usize]) -> impl Iterator<Item = &'a Rule> {
        self.rules_about(by, elsewhere).filter(|rule| rule.shadow)
    }

    fn rules_about(&self, by: u16, elsewhere: &[usize]) -> impl Iterator<Item = &'a Rule> {
        let speak = move |rule: &&Rule| rule.looks_for(by) && !elsewhere.contains(&rule.number);
        self.rules.iter().copied().filter(speak)
    }

    /// The rules that hold in some fields only.
    pub(super) fn for_fields(&self) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().copied().filter(|rule| !rule.fields.is_empty())
    }

    /// Whether anything is found in a text, or may be.
    pub(super) fn finds(&self, text: &str) -> bool {
        let mut found = Vec::new();
        self.find(text, &self.detectors, &mut Effort::default(), &mut found).is_err() || !found.is_empty()
    }
}

fn secrets(scanner: &Scanner) -> Set {
    scanner.set(|row| row.class() == Class::Secrets)
}

/// Compiles every pattern, so that no message waits for it. A debug build takes seconds for that, and compiles what it meets.
fn compiled(scanner: Scanner) -> Result<Scanner, NotCompiled> {
    if !cfg!(debug_assertions) {
        scanner.compile()?;
    }
    Ok(scanner)
}

/// What tells more of a value is less strict: a hash that it is the same, a token that somebody can have it back, the rest of it itself.
fn strictness(action: DlpAction) -> u8 {
    match action {
        DlpAction::Block => 5,
        DlpAction::Mask => 4,
        DlpAction::Hash => 3,
        DlpAction::Tokenize => 2,
        DlpAction::Partial => 1,
        DlpAction::Log => 0,
    }
}
