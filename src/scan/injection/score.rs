//! Finds the rules of [`super::rules`] in a text, and asks the model about it.
//!
//! One automaton searches the readable text for all anchors at once; where one stands at the right place, its rules are tried
//! from there on, anchored, so that a regular expression reads only as far as it still fits. Plain text without anchors costs one
//! pass; the worst case is bounded by a reach for each anchor, so the whole is linear in the text.

use std::cmp::Reverse;
use std::sync::{Arc, LazyLock};

use super::anchors::{Anchors, Starts};
use super::fit::Compiled;
use super::links;
use super::model::{MODEL, ModelMode, opinion};
use super::rules::{MOST, Rule, RuleSet, Severity};
use crate::scan::NotCompiled;
use crate::scan::linear::{Model, Unreadable};
use crate::scan::readings::{self, Hints, Means, Room, View};
use crate::scan::vocabulary::is_of_protocol;

/// The rule for a text that was not read to its end.
pub const UNREAD: &str = "unread";

/// Ids of what is found otherwise than by a pattern.
pub(super) const OTHERS: [&str; 8] = [
    "confusable-name",
    "hidden-unicode",
    "image-exfiltration",
    "link-exfiltration",
    "other-servers-tool",
    "same-name",
    "terminal-conceal",
    UNREAD,
];

/// Hidden characters that are still an accident.
const ACCIDENT: usize = 3;

/// Where a text comes from, which decides the rules that apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SurfaceKind {
    /// What a client sends to a tool.
    Argument,
    /// What a server says about its tools, prompts and resources.
    Definition,
    /// What a tool, prompt or resource answers.
    Result,
}

/// One stretch of text that a rule fits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hit {
    /// Id of the rule, or [`super::MODEL`].
    pub rule: &'static str,
    /// How sure the rule is.
    pub severity: Severity,
    /// First byte in the original text, on a character boundary.
    pub start: usize,
    /// One past the last byte in the original text, on a character boundary.
    pub end: usize,
}

impl Hit {
    /// Whether this is more than a remark for the log.
    pub fn is_flag(&self) -> bool {
        self.severity >= Severity::Medium
    }

    /// Whether it is a link, from its URL's first byte on, that tells its host something.
    pub fn leads_out(&self) -> bool {
        [links::Fetch::Image, links::Fetch::Link].iter().any(|fetch| self.rule == fetch.rule())
    }
}

/// How sure all of them are together that somebody gives orders, from 0 to 1. Rules that agree say more than one.
pub fn score(hits: &[Hit]) -> f64 {
    let mut best: Vec<(&str, f64)> = Vec::new();
    for hit in hits {
        let weight = match hit.severity {
            Severity::Low => 0.2,
            Severity::Medium => 0.6,
            Severity::High => 0.9,
        };
        match best.iter_mut().find(|(rule, _)| *rule == hit.rule) {
            Some((_, known)) => *known = known.max(weight),
            None => best.push((hit.rule, weight)),
        }
    }
    1.0 - best.iter().map(|(_, weight)| 1.0 - weight).product::<f64>()
}

/// The same in whole hundredths, for records.
pub fn percent(hits: &[Hit]) -> u8 {
    let hundredths = (score(hits) * 100.0).round();
    (0..=100).rev().find(|percent| f64::from(*percent) <= hundredths).unwrap_or(0)
}

/// Why rules cannot be looked for; of those of this build, and of its model, tests exclude it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum RuleError {
    /// The files of this build cannot be read.
    #[error("files of rules: {0}")]
    Files(String),
    /// A rule's pattern is not a regular expression, or too large a one.
    #[error("pattern of rule `{rule}`")]
    Pattern {
        /// Id of the rule.
        rule: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<regex::Error>,
    },
    /// The automaton over all anchors cannot be built.
    #[error("anchors of the rules")]
    Anchors(#[source] Box<aho_corasick::BuildError>),
    /// The weights of the model cannot be read.
    #[error("weights of the model")]
    Model(#[from] Unreadable),
}

impl From<RuleError> for NotCompiled {
    fn from(error: RuleError) -> Self {
        let id = if let RuleError::Pattern { rule, .. } = error { rule } else { "injection" };
        let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
        Self { id: id.to_owned(), why: format!("{error}{source}") }
    }
}

/// The compiled rules and the model. Immutable: one serves all threads, and a clone is the same rules.
#[derive(Clone, Debug)]
pub struct Scanner {
    rules: Arc<Rules>,
    model: &'static Model,
    mode: ModelMode,
}

#[derive(Debug)]
struct Rules {
    arguments: Anchors,
    definitions: Anchors,
    results: Anchors,
    /// Those that are not ASCII, for every surface: most text has none of their letters, and is not searched for them.
    foreign: Anchors,
    compiled: Vec<Arc<Compiled>>,
}

/// The rules of this build, compiled once.
static BUILT_IN: LazyLock<Result<Arc<Rules>, RuleError>> =
    LazyLock::new(|| Ok(Arc::new(Rules::new(RuleSet::built_in().map_err(Clone::clone)?, &[])?)));

/// What may still be done for the texts of one message.
///
/// SECURITY: with one for each text, a message of many short ones would have what is free for any text as often: 64 KiB out of each hundred bytes
/// of gzip.
#[derive(Debug)]
pub struct Effort {
    room: Room,
    /// How often rules may be tried.
    tries: usize,
}

impl Default for Effort {
    fn default() -> Self {
        Self { room: Room::default(), tries: FREE_TRIES }
    }
}

impl Effort {
    /// Shows every reading of `text` to `visit`, the readable text itself first. Whether all of them could be shown.
    pub fn readings(&mut self, text: &str, visit: &mut dyn FnMut(&str)) -> bool {
        readings::each(text, &mut self.room, &mut |view| {
            visit(view.readable.rewritten.text());
            Hints::default()
        })
    }
}

/// How many times rules are tried for each byte of a text, and for any message, however short.
///
/// SECURITY: a text of nothing but the words that rules begin with would have every rule read on from every one of them.
const BYTES_A_TRY: usize = 3;
const FREE_TRIES: usize = 8192;

impl Scanner {
    /// By the rules of this build; some milliseconds, once.
    pub fn new() -> Result<Self, RuleError> {
        Ok(Self { rules: BUILT_IN.clone()?, model: Model::embedded()?, mode: ModelMode::On })
    }

    /// By these rules; `None`: those of this build.
    pub fn of(rules: Option<&RuleSet>) -> Result<Self, RuleError> {
        let built_in = Self::new()?;
        let is_other = |rules: &&RuleSet| !RuleSet::built_in().is_ok_and(|known| std::ptr::eq(*rules, Arc::as_ptr(known)));
        match rules.filter(is_other) {
            Some(rules) => Ok(Self { rules: Arc::new(Rules::new(rules, &built_in.rules.compiled)?), ..built_in }),
            None => Ok(built_in),
        }
    }

    /// By these rules, which share nothing with those of this build.
    pub fn alone(rules: &RuleSet) -> Result<Self, RuleError> {
        Ok(Self { rules: Arc::new(Rules::new(rules, &[])?), model: Model::embedded()?, mode: ModelMode::On })
    }

    /// Whether it finds anything by that name.
    pub fn knows(&self, id: &str) -> bool {
        self.rules.severity(id).is_some() || OTHERS.contains(&id) || id == MODEL
    }

    /// The rules that it looks for.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.compiled.iter().map(|compiled| &*compiled.rule)
    }

    /// The same rules, with this use of the model.
    #[must_use]
    pub fn with_model(&self, mode: ModelMode) -> Self {
        Self { mode, ..self.clone() }
    }

    /// Appends every rule of `surface` that fits `text` or what stands in it encoded, and what the model makes of it, sorted by start.
    pub fn scan(&self, text: &str, surface: SurfaceKind, effort: &mut Effort, out: &mut Vec<Hit>) {
        if is_of_protocol(text) {
            return;
        }
        let before = out.len();
        let Effort { room, tries } = effort;
        *tries = tries.saturating_add(text.len() / BYTES_A_TRY);
        let mut is_first = true;
        let complete = readings::each(text, room, &mut |view| {
            // Of the other readings most are pieces of this one, and no honest ones were at hand to set a threshold by.
            if std::mem::take(&mut is_first) {
                out.extend(opinion(self.model, self.mode, view, surface));
            }
            self.rules.read(view, surface, tries, out)
        });
        if !complete || *tries == 0 {
            out.push(Hit { rule: UNREAD, severity: Severity::Medium, start: 0, end: text.len() });
        }
        let mut own = out.split_off(before);
        self.heed_quotations(&mut own);
        own.sort_unstable_by_key(|hit| (hit.start, hit.end, hit.rule, Reverse(hit.severity)));
        // What stands beside something encoded is read twice: as it is, and with what was made of it.
        own.dedup_by_key(|hit| (hit.start, hit.end, hit.rule));
        out.append(&mut own);
    }

    /// Where at the end of a text a rule of `surface` may begin that goes on in another: behind the end of a sentence none does.
    pub fn begins(&self, text: &str, surface: SurfaceKind) -> Option<usize> {
        /// What is further from the end would have shown more of itself.
        const NEAR: usize = 64;
        let from = text.ceil_char_boundary(text.len().saturating_sub(NEAR));
        let near = text.get(from..)?;
        let behind = near.rfind(['.', '!', '?', ';']).map_or(0, |at| at + 1);
        let start = self.rules.anchors(surface).into_iter().filter_map(|anchors| {
            let begun = anchors.found(near.as_bytes(), NEAR)?.filter(|(_, begun)| matches!(begun, Starts::Rules(_)));
            begun.map(|(start, _)| start).find(|start| *start >= behind)
        });
        start.min().map(|start| from + start)
    }

    /// What the rules take for a quotation beside talk about attacks is none for the model: it reads words and no marks. A phrase that is
    /// quoted elsewhere in the text excuses nothing.
    fn heed_quotations(&self, hits: &mut [Hit]) {
        let Some(of_model) = hits.iter().position(|hit| hit.rule == MODEL && hit.is_flag()) else { return };
        let Some(Hit { start, end, .. }) = hits.get(of_model).copied() else { return };
        let is_quoted = hits.iter().any(|hit| {
            let overlaps = hit.start < end && start < hit.end;
            overlaps && hit.severity == Severity::Low && self.rules.severity(hit.rule).is_some_and(|usual| usual > Severity::Low)
        });
        if let Some(hit) = hits.get_mut(of_model).filter(|_| is_quoted) {
            hit.severity = Severity::Low;
        }
    }
}

impl Rules {
    /// Compiles all of them but for those that are.
    fn new(set: &RuleSet, known: &[Arc<Compiled>]) -> Result<Self, RuleError> {
        let rules: Vec<_> = set.rules().map(Arc::clone).collect();
        let of = |surface| Anchors::ascii(&rules, move |rule| rule.surfaces.contains(&surface));
        let compile = |rule: &Arc<Rule>| match known.iter().find(|known| Arc::ptr_eq(&known.rule, rule)) {
            Some(known) => Ok(Arc::clone(known)),
            None => Compiled::new(rule).map(Arc::new),
        };
        Ok(Self {
            arguments: of(SurfaceKind::Argument),
            definitions: of(SurfaceKind::Definition),
            results: of(SurfaceKind::Result),
            foreign: Anchors::foreign(&rules)?,
            compiled: rules.iter().map(compile).collect::<Result<_, _>>()?,
        })
    }

    /// How sure a rule is where nothing speaks against it.
    fn severity(&self, id: &str) -> Option<Severity> {
        self.compiled.iter().find(|compiled| compiled.rule.id == id).map(|compiled| compiled.rule.severity)
    }

    /// Those of ASCII, and the others.
    fn anchors(&self, surface: SurfaceKind) -> [&Anchors; 2] {
        let ascii = match surface {
            SurfaceKind::Argument => &self.arguments,
            SurfaceKind::Definition => &self.definitions,
            SurfaceKind::Result => &self.results,
        };
        [ascii, &self.foreign]
    }

    /// One reading of the text; spans of one rule do not overlap in it.
    fn read(&self, view: &View<'_>, surface: SurfaceKind, left: &mut usize, out: &mut Vec<Hit>) -> Hints {
        concealed(view, surface, out);
        leading_out(view, surface, out);
        let mut hints = Hints::default();
        let [anchors, foreign] = self.anchors(surface);
        self.search(anchors, view, surface, left, &mut hints, out);
        if !view.readable.rewritten.text().is_ascii() {
            self.search(foreign, view, surface, left, &mut hints, out);
        }
        hints
    }

    fn search(
        &self,
        anchors: &Anchors,
        view: &View<'_>,
        surface: SurfaceKind,
        left: &mut usize,
        hints: &mut Hints,
        out: &mut Vec<Hit>,
    ) {
        let bytes = view.readable.rewritten.text().as_bytes();
        // SECURITY: a text with more anchors than may be tried is of hardly anything else, and counts as unread.
        let Some(found) = anchors.found(bytes, *left) else {
            *left = 0;
            return;
        };
        let mut found = found.peekable();
        if found.peek().is_none() {
            return;
        }
        let mut read_to = [0; MOST];
        for (start, begun) in found {
            let rules = match begun {
                Starts::Rules(rules) => rules,
                Starts::Turned => {
                    hints.rot13 = true;
                    continue;
                }
                Starts::Backwards => {
                    hints.backwards = true;
                    continue;
                }
            };
            for at in rules {
                let Some((compiled, read_to)) = self.compiled.get(*at).zip(read_to.get_mut(*at)) else {
                    continue;
                };
                let applies = start >= *read_to && compiled.rule.surfaces.contains(&surface);
                if !applies || !compiled.stands(bytes, start) {
                    continue;
                }
                *left = left.saturating_sub(1);
                if *left == 0 {
                    return;
                }
                if let Some((end, severity)) = compiled.fit(bytes, start) {
                    *read_to = end;
                    let span = view.original(start..end);
                    out.push(Hit { rule: compiled.rule.id, severity, start: span.start, end: span.end });
                }
            }
        }
    }
}

/// Links that tell whoever owns their host something. What callers link to is their own affair.
fn leading_out(view: &View<'_>, surface: SurfaceKind, out: &mut Vec<Hit>) {
    if surface == SurfaceKind::Argument {
        return;
    }
    links::each(view.readable.rewritten.text(), &mut |span, fetch| {
        let span = view.original(span);
        out.push(Hit { rule: fetch.rule(), severity: Severity::Medium, start: span.start, end: span.end });
    });
}

fn concealed(view: &View<'_>, surface: SurfaceKind, out: &mut Vec<Hit>) {
    for hidden in view.readable.concealed.iter().filter(|hidden| hidden.length > ACCIDENT) {
        let (rule, severity) = match hidden.means {
            Means::Unicode => ("hidden-unicode", Severity::High),
            Means::Terminal if surface == SurfaceKind::Argument => ("terminal-conceal", Severity::Low),
            Means::Terminal => ("terminal-conceal", Severity::Medium),
        };
        let span = view.concealed(hidden.span.clone());
        out.push(Hit { rule, severity, start: span.start, end: span.end });
    }
}
