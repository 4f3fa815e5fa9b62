//! Rules for some fields only: which of what was found is none of their business. Pure.
//!
//! Where something stands is asked only once something was found and some rule has `fields`; then each message is walked through once.
//!
//! SECURITY: a rule is left out only of what is known to stand outside of its fields. It acts where nobody can say where that is (a header, a
//! request's id, an error, JSON in a text that does not parse), and on whatever says again what was found in a field.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use bytes::Bytes;

use super::formats::{Form, normal};
use super::rules::{Applicable, Rule};
use super::survey::{Sense, Sighting, Survey, part, text_of};
use crate::policy::{Along, FieldPath};
use crate::protocol::Message;
use crate::protocol::json::{Document, Kind, Limits, NodeId, Value};
use crate::scan::Found;

/// The numbers of rules that do not act, since their fields lie elsewhere.
pub(super) type Elsewhere = Vec<usize>;

/// For everything that was found in a message, the rules whose fields lie elsewhere.
#[derive(Debug, Default)]
pub(super) struct Reach {
    /// By place and sighting; what is not here is everybody's business.
    by_path: Vec<Vec<Elsewhere>>,
    /// What a rule has in its fields, by its number and that of the detector: values in their normal form.
    inside: HashMap<(usize, u16), HashSet<String>>,
}

/// How far the paths of each rule have come.
struct Front<'r> {
    rules: Vec<(usize, Vec<(&'r FieldPath, Along)>)>,
}

impl Reach {
    /// By path alone.
    pub(super) fn at(&self, place: usize, sighting: usize) -> &[usize] {
        self.by_path.get(place).and_then(|all| all.get(sighting)).map_or(&[], Vec::as_slice)
    }

    /// Of rules whose fields lie elsewhere those that have not found the same in their fields. `value`: what was found, where that is known;
    /// what is written in another way, or in pieces, is the same when anything is.
    pub(super) fn but_for_copies(&self, elsewhere: &[usize], found: &Found, value: Option<&str>) -> Elsewhere {
        let is_other = |rule: &&usize| {
            let Some(values) = self.inside.get(&(**rule, found.by)) else { return true };
            value.is_some_and(|value| !values.contains(&normal(Form::of(found.kind), value)))
        };
        elsewhere.iter().filter(is_other).copied().collect()
    }

    /// The same of something that was sighted in `text`.
    pub(super) fn elsewhere(&self, elsewhere: &[usize], sighting: &Sighting, text: &str) -> Elsewhere {
        if elsewhere.is_empty() {
            return Elsewhere::new();
        }
        let value = (sighting.sense == Sense::Plain).then(|| part(text, &sighting.found));
        self.but_for_copies(elsewhere, &sighting.found, value)
    }

    fn note(&mut self, rule: &Rule, found: &Found, value: Option<&str>) {
        if rule.looks_for(found.by) {
            let known = self.inside.entry((rule.number, found.by)).or_default();
            known.extend(value.map(|value| normal(Form::of(found.kind), value)));
        }
    }
}

impl Applicable<'_> {
    /// Says of everything that was found which rules have their fields elsewhere.
    pub(super) fn reach(&self, message: &Message, survey: &Survey) -> Reach {
        let mut reach = Reach::default();
        let Some(front) = self.front().filter(|_| !survey.places.is_empty()) else { return reach };
        let places = survey.places.iter().map(|place| message.value(place.node).span());
        let mut told: Vec<Option<Vec<Elsewhere>>> = vec![None; survey.places.len()];
        each(message, &front, places, &mut |number, value, front| {
            let Some((place, told)) = survey.places.get(number).zip(told.get_mut(number)) else { return };
            let new = front.of_text(value, survey.sightings(place), survey);
            match told {
                Some(known) => known.iter_mut().zip(new).for_each(|(known, new)| known.retain(|rule| new.contains(rule))),
                None => *told = Some(new),
            }
        });
        reach.by_path = told.into_iter().map(Option::unwrap_or_default).collect();
        if reach.by_path.iter().flatten().any(|elsewhere| !elsewhere.is_empty()) {
            self.note_inside(message, survey, &mut reach);
        }
        reach
    }

    /// The rules whose fields lie elsewhere than a text of a message.
    pub(super) fn elsewhere(&self, message: &Message, node: NodeId) -> Elsewhere {
        let Some(front) = self.front() else { return Elsewhere::new() };
        let mut told: Option<Elsewhere> = None;
        each(message, &front, [message.value(node).span()].into_iter(), &mut |_, value, front| {
            let new = front.elsewhere(begins_as_json(text_of(value)));
            match &mut told {
                Some(known) => known.retain(|rule| new.contains(rule)),
                None => told = Some(new),
            }
        });
        told.unwrap_or_default()
    }

    /// Before any step; `None` where no rule has fields.
    fn front(&self) -> Option<Front<'_>> {
        let started = |rule: &Rule| -> Vec<_> { rule.fields.iter().map(FieldPath::start).collect() };
        let rules: Vec<_> =
            self.for_fields().map(|rule| (rule.number, rule.fields.iter().zip(started(rule)).collect())).collect();
        (!rules.is_empty()).then_some(Front { rules })
    }

    fn note_inside(&self, message: &Message, survey: &Survey, reach: &mut Reach) {
        for (number, place) in survey.places.iter().enumerate() {
            let text = text_of(message.value(place.node));
            for (at, sighting) in survey.sightings(place).iter().enumerate() {
                let elsewhere = reach.at(number, at).to_vec();
                for rule in self.for_fields().filter(|rule| !elsewhere.contains(&rule.number)) {
                    let found = &sighting.found;
                    match sighting.sense {
                        Sense::Plain => reach.note(rule, found, Some(part(text, found))),
                        Sense::Decoded | Sense::Part { .. } => reach.note(rule, found, None),
                        Sense::Inside(index) => {
                            let Some(inside) = survey.insides.get(index) else { continue };
                            inside.found.iter().for_each(|found| reach.note(rule, found, Some(part(&inside.text, found))));
                            inside.deeper.iter().for_each(|found| reach.note(rule, found, None));
                        }
                        Sense::Echo(_) | Sense::OnlyToken => {}
                    }
                }
            }
        }
    }
}

/// Shows each of `texts`, by where it stands in the message, to `visit`: its number, itself, and how far the paths have come there. Once for
/// each place from where a path may begin; what lies below none of these is not shown.
fn each<'m>(
    message: &'m Message,
    front: &Front<'_>,
    texts: impl Iterator<Item = Range<usize>>,
    visit: &mut dyn FnMut(usize, Value<'m>, &Front<'_>),
) {
    let wanted: BTreeMap<usize, usize> = texts.enumerate().map(|(number, span)| (span.start, number)).collect();
    let (params, result) = (message.params(), message.result());
    let member = |of: Option<Value<'m>>, path: &[&str]| of.and_then(|value| value.path(path));
    // What a call, or a prompt, is given; a completion of one; what a task has come to.
    let inner = [
        member(params, &["arguments"]),
        member(params, &["context", "arguments"]),
        member(params, &["result"]),
        member(result, &["result"]),
    ];
    for root in [params, result].into_iter().chain(inner).flatten() {
        walk(root, front, &wanted, visit);
    }
    // The argument whose value is to be completed.
    let name = member(params, &["argument", "name"]).and_then(Value::as_str);
    if let Some((name, value)) = name.zip(member(params, &["argument", "value"])) {
        walk(value, &front.step(Some(name)), &wanted, visit);
    }
}

fn walk<'m>(
    value: Value<'m>,
    front: &Front<'_>,
    wanted: &BTreeMap<usize, usize>,
    visit: &mut dyn FnMut(usize, Value<'m>, &Front<'_>),
) {
    let holds = |span: Range<usize>| wanted.range(span).next().is_some();
    match value.kind() {
        Kind::Object => {
            for (key, member) in value.members() {
                let whole = key.span().start..member.span().end;
                if holds(whole) {
                    let front = front.step(key.as_str());
                    for value in [key, member] {
                        walk(value, &front, wanted, visit);
                    }
                }
            }
        }
        Kind::Array => {
            let mut below = None;
            for item in value.items().filter(|item| holds(item.span())) {
                walk(item, below.get_or_insert_with(|| front.step(None)), wanted, visit);
            }
        }
        Kind::Bool | Kind::Null | Kind::Number | Kind::String => {
            for number in wanted.range(value.span()).map(|(_, number)| *number) {
                visit(number, value, front);
            }
        }
    }
}

impl<'r> Front<'r> {
    fn step(&self, name: Option<&str>) -> Self {
        let step = |(path, along): &(&'r FieldPath, Along)| (*path, path.step(*along, name));
        Self { rules: self.rules.iter().map(|(rule, paths)| (*rule, paths.iter().map(step).collect())).collect() }
    }

    /// The rules whose fields lie elsewhere. `is_open`: what stands here may hold fields of its own that nobody sees.
    fn elsewhere(&self, is_open: bool) -> Elsewhere {
        let reaches = |(path, along): &(&FieldPath, Along)| path.covers(*along) || is_open && !along.is_lost();
        self.rules.iter().filter(|(_, paths)| !paths.iter().any(reaches)).map(|(rule, _)| *rule).collect()
    }

    /// The same for each thing that was found in a text. A text that is JSON has fields as well: paths go on in it.
    fn of_text(&self, value: Value<'_>, sightings: &[Sighting], survey: &Survey) -> Vec<Elsewhere> {
        let text = text_of(value);
        let of = |front: &Front<'_>, sighting: &Sighting, text: &str| front.elsewhere(is_open(sighting, text, survey));
        let is_json = value.kind() == Kind::String && !value.is_key() && begins_as_json(text);
        let document = is_json.then(|| Document::parse(Bytes::copy_from_slice(text.as_bytes()), Limits::default()).ok());
        let Some(Some(document)) = document else {
            return sightings.iter().map(|sighting| of(self, sighting, text)).collect();
        };
        let mut told: Vec<_> = sightings.iter().map(|_| self.elsewhere(true)).collect();
        let mut at: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (number, sighting) in sightings.iter().enumerate() {
            at.entry(sighting.found.start).or_default().push(number);
        }
        let wanted = at.keys().map(|start| (*start, *start)).collect();
        walk(document.root(), self, &wanted, &mut |start, inner, front| {
            for number in at.get(&start).into_iter().flatten() {
                let Some((sighting, told)) = sightings.get(*number).zip(told.get_mut(*number)) else { continue };
                // What goes on in another field stands in none.
                if sighting.found.end <= inner.span().end {
                    *told = of(front, sighting, text_of(inner));
                }
            }
        });
        told
    }
}

/// Whether something was found in what may be fields again.
fn is_open(sighting: &Sighting, text: &str, survey: &Survey) -> bool {
    let inside = match sighting.sense {
        Sense::Inside(index) => survey.insides.get(index),
        Sense::Decoded | Sense::Echo(_) | Sense::OnlyToken | Sense::Part { .. } | Sense::Plain => None,
    };
    begins_as_json(text) || inside.is_some_and(|inside| begins_as_json(&inside.text) || !inside.deeper.is_empty())
}

fn begins_as_json(text: &str) -> bool {
    text.trim_start().starts_with(['{', '['])
}
