//! What happens to what was found: the edits of a message, and what its record says. Pure.

mod acts;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use acts::{Act, cluster, one_of_each, resolve};

use super::echo::Restored;
use super::formats::{Form, normal};
use super::hidden::{Inside, again};
use super::reach::Reach;
use super::restore::{Arguments, Grant};
use super::rules::{Applicable, Rule};
use super::stand_in;
use super::survey::{Known, Sense, Sighting, Survey, part, text_of};
use crate::policy::DlpAction;
use crate::protocol::json::{Limits, NodeId, RawJson, Site};
use crate::protocol::{Message, is_protocol_number, routing_fields};
use crate::scan::Found;
use crate::vault::Token;

/// Most bytes of values that one message gets: a token is short, a key behind it may have 64 KiB.
const MOST_RESTORED: usize = 1 << 20;

/// What is to happen to a message.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Each once for every match, or for every replacement where tokens are concerned.
    pub(super) findings: Vec<Hit>,
    /// Whether the message must not pass.
    pub(super) blocked: bool,
    /// A mirrored header holds a token that the body would have restored: both would say different things.
    pub(super) header_differs: bool,
    /// More would be restored than a message may grow by.
    pub(super) restores_too_much: bool,
    /// What is restored, by how it is written.
    pub(super) restored: HashMap<String, Restored>,
    edits: Vec<Edit>,
}

/// What was done about something, and by which rule.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) rule: Arc<str>,
    pub(super) kind: &'static str,
    pub(super) deed: Deed,
    /// The detector, by its number.
    pub(super) by: u16,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    /// What a rule says.
    Rule(DlpAction),
    /// Nothing, by an exception of the policy.
    Excused,
    /// Nothing, by a rule in shadow mode.
    Shadowed,
    /// A token became its value.
    Restored,
}

struct Edit {
    node: NodeId,
    site: Site,
    range: Range<usize>,
    with: String,
    is_restored: bool,
    /// The number that a number becomes, where it stays one.
    number: Option<RawJson>,
}

/// What rules say about something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Blocked,
    Masked,
    Passes,
}

impl Applicable<'_> {
    /// Decides about everything that was found, given what the vault says of it.
    pub(super) fn judge(&self, message: &Message, survey: &Survey, known: &Known) -> Outcome {
        let mut outcome = Outcome::default();
        if survey.is_empty() {
            return outcome;
        }
        let arguments = if self.restores_any() { Arguments::of(message) } else { None };
        let (mut acts, mut restored, reach) = (Vec::new(), 0, self.reach(message, survey));
        for (nth, place) in survey.places.iter().enumerate() {
            let value = message.value(place.node);
            let text = text_of(value);
            acts.clear();
            for (at, sighting, token) in known.outside_tokens(text, survey.sightings(place)) {
                let grant_for = |token: &Token| {
                    let arguments = arguments.as_ref()?;
                    self.restores(&token.purpose).find(|grant| arguments.covered_by(grant, value))
                };
                acts.extend(self.act(
                    text,
                    (sighting, token),
                    (survey, known),
                    (&reach, reach.at(nth, at)),
                    grant_for,
                    &mut outcome,
                ));
            }
            if self.returns_any() {
                one_of_each(&mut acts);
            }
            let before = outcome.edits.len();
            let mut rest = acts.as_slice();
            while let Some((cluster, others)) = cluster(rest).filter(|_| restored <= MOST_RESTORED) {
                rest = others;
                if let Some((range, with, is_restored)) = resolve(cluster, text, &mut outcome) {
                    restored += if is_restored { with.len() } else { 0 };
                    outcome.edits.push(Edit { node: place.node, site: place.site, range, with, is_restored, number: None });
                }
            }
            if let (Site::Number, Some([edit])) = (place.site, outcome.edits.get_mut(before..)) {
                // A masked number becomes text. Where that would make the message one that nobody takes, it tells nothing as a number.
                let none = || is_protocol_number(message, value).then(|| RawJson::integer(0));
                edit.number = number(text, edit).or_else(none);
            }
        }
        outcome.restores_too_much = restored > MOST_RESTORED;
        outcome.blocked |= outcome.restores_too_much;
        self.judge_headers(survey, known, &mut outcome);
        // Found once: each look goes through all members of `params`, and a caller decides how many edits there are.
        let routing = if outcome.edits.is_empty() { Vec::new() } else { routing_fields(message) };
        if outcome.edits.iter().any(|edit| routing.contains(&edit.node)) {
            outcome.blocked = true;
        }
        outcome
    }

    fn act<'k>(
        &'k self,
        text: &str,
        (Sighting { found, sense }, token): (&Sighting, Option<&'k Arc<Token>>),
        (survey, known): (&Survey, &'k Known),
        (reach, elsewhere): (&Reach, &[usize]),
        restores: impl FnOnce(&Token) -> Option<&'k Grant>,
        outcome: &mut Outcome,
    ) -> Option<Act<'k>> {
        match *sense {
            Sense::Echo(index) => return self.returned(index).map(|restored| Act::Return(*found, restored)),
            Sense::Inside(index) => {
                return self.act_inside(text, found, survey.insides.get(index)?, (reach, elsewhere), outcome);
            }
            Sense::Decoded | Sense::OnlyToken | Sense::Part { .. } | Sense::Plain => {}
        }
        let elsewhere = reach.elsewhere(elsewhere, &Sighting { found: *found, sense: *sense }, text);
        match *sense {
            Sense::Part { is_first: false } => {
                let is_masked = self.rule_for(found.by, &elsewhere).is_some_and(|rule| masks(rule.action));
                return is_masked.then_some(Act::Part(*found, false));
            }
            Sense::Part { is_first: true } => {
                return self.judge_hidden(found, &elsewhere, outcome).then_some(Act::Part(*found, true));
            }
            Sense::Decoded if token.is_none() => {
                return self.judge_hidden(found, &elsewhere, outcome).then_some(Act::Mask(*found));
            }
            Sense::Decoded | Sense::Echo(_) | Sense::Inside(_) | Sense::OnlyToken | Sense::Plain => {}
        }
        if let Some(token) = token {
            // A token is nobody's data, whatever it looks like.
            return restores(token).filter(|_| *sense != Sense::Decoded).map(|grant| Act::Restore(*found, grant, token));
        }
        if *sense == Sense::OnlyToken {
            return None;
        }
        let rule = self.judge_match(found, &elsewhere, &mut outcome.findings)?;
        match rule.action {
            DlpAction::Block => outcome.blocked = true,
            DlpAction::Log => {}
            DlpAction::Mask => return Some(Act::Mask(*found)),
            DlpAction::Partial => return Some(Act::Shorten(*found, rule, stand_in::partial(found, part(text, found)))),
            DlpAction::Hash => {
                let normal = normal(Form::of(found.kind), part(text, found));
                // Without a key nothing is hashed, and nothing is told.
                let hash = self.hash(&rule.purpose, found.kind, &normal);
                let shown = hash.map_or_else(|| stand_in::placeholder(found), |hash| stand_in::hashed(found, &hash));
                return Some(Act::Shorten(*found, rule, shown));
            }
            DlpAction::Tokenize => match known.token_for(&rule.purpose, text, found) {
                Some(token) => return Some(Act::Tokenize(*found, rule, token)),
                // Everything that was to get a token was asked for.
                None => outcome.blocked = true,
            },
        }
        None
    }

    /// Of what is encoded as a whole what rules mask is masked.
    fn act_inside<'k>(
        &'k self,
        text: &str,
        found: &Found,
        inside: &Inside,
        (reach, elsewhere): (&Reach, &[usize]),
        outcome: &mut Outcome,
    ) -> Option<Act<'k>> {
        let mut acts: Vec<Act<'_>> = Vec::new();
        for found in &inside.found {
            let elsewhere = reach.but_for_copies(elsewhere, found, Some(part(&inside.text, found)));
            if self.judge_hidden(found, &elsewhere, outcome) {
                acts.push(Act::Mask(*found));
            }
        }
        let mut is_whole = false;
        for found in &inside.deeper {
            is_whole |= self.judge_hidden(found, &reach.but_for_copies(elsewhere, found, None), outcome);
        }
        if acts.is_empty() && !is_whole {
            return None;
        }
        acts.sort_by_key(|act| (act.found().start, Reverse(act.found().end)));
        let mut masked = String::with_capacity(inside.text.len());
        let (mut rest, mut at) = (acts.as_slice(), 0);
        while let Some((cluster, others)) = cluster(rest) {
            rest = others;
            if let Some((range, with, _)) = resolve(cluster, &inside.text, outcome) {
                masked.push_str(inside.text.get(at..range.start).unwrap_or_default());
                masked.push_str(&with);
                at = range.end;
            }
        }
        masked.push_str(inside.text.get(at..).unwrap_or_default());
        let recoded = if is_whole { None } else { again(part(text, found), &inside.text, &masked) };
        Some(Act::Recode(*found, recoded))
    }

    /// What rules say about something that is not written as it is, so that nothing but a mask can take its place.
    pub(super) fn verdict(&self, found: &Found, elsewhere: &[usize], tell: &mut dyn FnMut(Hit)) -> Verdict {
        self.tell_of_idle(found, elsewhere, tell);
        let Some(rule) = self.rule_for(found.by, elsewhere) else { return Verdict::Passes };
        let (action, verdict) = match rule.action {
            DlpAction::Block => (DlpAction::Block, Verdict::Blocked),
            DlpAction::Log => (DlpAction::Log, Verdict::Passes),
            DlpAction::Hash | DlpAction::Mask | DlpAction::Partial | DlpAction::Tokenize => (DlpAction::Mask, Verdict::Masked),
        };
        tell(Hit { deed: Deed::Rule(action), ..Hit::new(rule, found) });
        verdict
    }

    /// Tells of rules that would act and do not: in shadow mode, or by an exception.
    fn tell_of_idle(&self, found: &Found, elsewhere: &[usize], tell: &mut dyn FnMut(Hit)) {
        for rule in self.shadows_for(found.by, elsewhere) {
            tell(Hit { deed: Deed::Shadowed, ..Hit::new(rule, found) });
        }
        if let Some(rule) = self.excused_rule(found.by, elsewhere) {
            tell(Hit { deed: Deed::Excused, ..Hit::new(rule, found) });
        }
    }

    /// The same for a whole message. Whether a mask takes its place.
    fn judge_hidden(&self, found: &Found, elsewhere: &[usize], outcome: &mut Outcome) -> bool {
        let verdict = self.verdict(found, elsewhere, &mut |hit| outcome.findings.push(hit));
        outcome.blocked |= verdict == Verdict::Blocked;
        verdict == Verdict::Masked
    }

    /// A header cannot be edited: what would be, blocks. It stands in no field, or nobody knows in which: rules act whatever theirs are.
    fn judge_headers(&self, survey: &Survey, known: &Known, outcome: &mut Outcome) {
        for header in &survey.headers {
            for (_, sighting, token) in known.outside_tokens(&header.text, survey.in_header(header)) {
                let found = &sighting.found;
                if let Sense::Inside(index) = sighting.sense {
                    let inside = survey.insides.get(index).into_iter();
                    for found in inside.flat_map(|inside| inside.found.iter().chain(&inside.deeper)) {
                        outcome.blocked |= self.judge_hidden(found, &[], outcome);
                    }
                    continue;
                }
                if let Some(token) = token {
                    outcome.header_differs |= self.restores(&token.purpose).next().is_some();
                } else if sighting.sense != Sense::OnlyToken
                    && let Some(rule) = self.judge_match(found, &[], &mut outcome.findings)
                {
                    if is_noted_later(rule.action) {
                        outcome.findings.push(Hit::new(rule, found));
                    }
                    outcome.blocked |= rule.action != DlpAction::Log;
                }
            }
        }
        outcome.blocked |= outcome.header_differs;
    }

    /// The rule that acts on a match; those that do not are noted beside it. What becomes a token is noted when it does.
    fn judge_match(&self, found: &Found, elsewhere: &[usize], findings: &mut Vec<Hit>) -> Option<&Rule> {
        self.tell_of_idle(found, elsewhere, &mut |hit| findings.push(hit));
        let rule = self.rule_for(found.by, elsewhere)?;
        if !is_noted_later(rule.action) {
            findings.push(Hit::new(rule, found));
        }
        Some(rule)
    }
}

/// Whether it is only known what becomes of a value once it is known what it overlaps.
fn is_noted_later(action: DlpAction) -> bool {
    matches!(action, DlpAction::Tokenize | DlpAction::Partial | DlpAction::Hash)
}

/// Whether something takes the place of a value.
fn masks(action: DlpAction) -> bool {
    match action {
        DlpAction::Block | DlpAction::Log => false,
        DlpAction::Hash | DlpAction::Mask | DlpAction::Partial | DlpAction::Tokenize => true,
    }
}

/// What a number becomes, so that it stays a number: its reader may take nothing else.
fn number(text: &str, edit: &Edit) -> Option<RawJson> {
    let digits = !edit.with.is_empty() && edit.with.bytes().all(|byte| byte.is_ascii_digit());
    let (before, after) = (text.get(..edit.range.start)?, text.get(edit.range.end..)?);
    if digits { RawJson::parse(&format!("{before}{}{after}", edit.with), Limits::NONE).ok() } else { None }
}

impl Hit {
    pub(super) fn new(rule: &Rule, found: &Found) -> Self {
        Self { rule: Arc::clone(&rule.name), kind: found.kind, deed: Deed::Rule(rule.action), by: found.by }
    }

    fn returned(restored: &Restored, found: &Found) -> Self {
        Self { rule: Arc::clone(&restored.rule), kind: found.kind, deed: Deed::Rule(DlpAction::Tokenize), by: found.by }
    }
}

impl Outcome {
    /// Writes the edits into the message. `false` when that would leave an object with two equal keys.
    pub(super) fn apply(&self, message: &mut Message) -> bool {
        for edit in &self.edits {
            let (document, edits) = if edit.is_restored { message.restore() } else { message.split() };
            match &edit.number {
                Some(number) => edits.replace(document, edit.node, number.clone()),
                None => edits.replace_text(document, edit.node, edit.range.clone(), &edit.with),
            }
        }
        !self.edits.iter().any(|edit| edit.site == Site::Key) || !message.would_duplicate()
    }
}

impl std::fmt::Debug for Edit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SECURITY: what takes the place may be a restored value.
        f.debug_struct("Edit").field("node", &self.node).field("range", &self.range).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
