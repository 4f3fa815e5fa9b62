//! What detectors find in a message, before anybody has said what of it is a token. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::echo::Patience;
use super::formats::{self, Form};
use super::hidden::Inside;
use super::rules::{Applicable, Rule};
use crate::policy::DlpAction;
use crate::protocol::json::{NodeId, Site, Text, Value};
use crate::protocol::{Message, visit_texts};
use crate::scan::readings::Room;
use crate::scan::{Class, Effort, Found};
use crate::secret::Secret;
use crate::vault::{Answer, Ask, Token, Wanted, canonical_token};

/// Most values of one message that are looked up or get tokens.
const MOST: usize = 1_000;

/// The least in which something may be written in another way.
const SHORTEST: usize = 8;

/// A message with more values than are looked up, or with more that almost is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Draws a token; see [`Wanted::draw`].
pub(super) type Draw = fn(kind: &'static str, normal: &str) -> Option<String>;

/// What was found, and where.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) places: Vec<Place>,
    pub(super) sightings: Vec<Sighting>,
    /// Texts outside the body.
    pub(super) headers: Vec<Header>,
    /// Texts that are encoded in others.
    pub(super) insides: Vec<Inside>,
    /// For what this call has restored.
    patience: Patience,
    /// For what detectors look at.
    pub(super) effort: Effort,
    /// For what is decoded.
    pub(super) room: Room,
    /// A text was not read to its end.
    unread: bool,
    /// Whether everything that is encoded was decoded.
    pub(super) all_shown: bool,
}

/// A text of the body in which something was found.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) node: NodeId,
    pub(super) site: Site,
    sightings: Range<usize>,
}

/// A mirrored header.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) text: String,
    sightings: Range<usize>,
}

/// One thing that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) found: Found,
    pub(super) sense: Sense,
}

/// How it stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sense {
    /// As it is.
    Plain,
    /// Nobody has to care for it unless it is a token.
    OnlyToken,
    /// It was restored in this call: the number of what it is.
    Echo(usize),
    /// Written in another way.
    Decoded,
    /// In something that is encoded as a whole: which of [`Survey::insides`].
    Inside(usize),
    /// Over several texts.
    Part {
        /// The part that stands for all.
        is_first: bool,
    },
}

/// What the vault says about a survey.
#[derive(Debug, Default)]
pub(super) struct Known {
    tokens: HashMap<String, Arc<Token>>,
    values: HashMap<ValueOf, Arc<Token>>,
}

/// Purpose, kind, and the value in its normal form.
type ValueOf = (Arc<str>, &'static str, String);

impl Default for Survey {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            sightings: Vec::new(),
            headers: Vec::new(),
            insides: Vec::new(),
            patience: Patience::default(),
            effort: Effort::default(),
            room: Room::default(),
            unread: false,
            all_shown: true,
        }
    }
}

impl Survey {
    pub(super) fn sightings(&self, place: &Place) -> &[Sighting] {
        self.sightings.get(place.sightings.clone()).unwrap_or_default()
    }

    pub(super) fn in_header(&self, header: &Header) -> &[Sighting] {
        self.sightings.get(header.sightings.clone()).unwrap_or_default()
    }

    /// SECURITY: where something may have been missed the message does not pass.
    pub(super) fn complete(&self) -> Result<(), TooMany> {
        if self.patience.is_over() || self.unread { Err(TooMany) } else { Ok(()) }
    }

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.sightings.is_empty() && self.headers.is_empty()
    }

    /// What the vault has to be asked, each value once.
    pub(super) fn questions(&self, message: &Message, rules: &Applicable<'_>, draw: Draw) -> Result<Vec<Ask>, TooMany> {
        self.complete()?;
        let (mut asks, reach) = (HashMap::new(), rules.reach(message, self));
        for (number, place) in self.places.iter().enumerate() {
            let text = text_of(message.value(place.node));
            for (at, sighting) in self.sightings(place).iter().enumerate() {
                let elsewhere = reach.elsewhere(reach.at(number, at), sighting, text);
                rules.question(text, (sighting, &elsewhere), draw, &mut asks)?;
            }
        }
        for header in &self.headers {
            for sighting in self.in_header(header).iter().filter(|sighting| sighting.sense.may_be_token()) {
                // What cannot be written there gets no token.
                let sighting = Sighting { sense: Sense::OnlyToken, ..*sighting };
                rules.question(&header.text, (&sighting, &[]), draw, &mut asks)?;
            }
        }
        Ok(asks.into_values().collect())
    }
}

impl Applicable<'_> {
    /// Looks at every text of a message.
    pub(super) fn survey(&self, message: &Message) -> Survey {
        let mut survey = Survey::default();
        if self.is_empty() {
            return survey;
        }
        let (over_seams, read) = self.look_over_seams(message, &mut survey);
        survey.unread |= !read;
        let mut matches = Vec::new();
        visit_texts(message, |Text { id, text, site }| {
            let before = survey.sightings.len();
            if let Some(parts) = over_seams.get(&id) {
                survey.sightings.extend(parts);
            }
            self.look(text, site, before, &mut matches, &mut survey);
            if survey.sightings.len() > before {
                survey.places.push(Place { node: id, site, sightings: before..survey.sightings.len() });
            }
        });
        survey
    }

    /// Looks at a text outside the body.
    pub(super) fn survey_header(&self, text: String, survey: &mut Survey) {
        let before = survey.sightings.len();
        self.look(&text, Site::String, before, &mut Vec::new(), survey);
        if survey.sightings.len() > before {
            survey.headers.push(Header { text, sightings: before..survey.sightings.len() });
        }
    }

    /// Adds what is found in one text to what is known of it, from `before` on, by where it begins, the longer first.
    fn look(&self, text: &str, site: Site, before: usize, matches: &mut Vec<Found>, survey: &mut Survey) {
        let read = self.find(text, &self.looked_for(), &mut survey.effort, matches);
        survey.unread |= read.is_err();
        survey.sightings.extend(matches.drain(..).map(|found| Sighting { found, sense: Sense::Plain }));
        let plain = survey.sightings.len();
        // What is shorter stands for nothing, and most keys are.
        if site != Site::Number && text.len() >= SHORTEST {
            survey.unread |= !self.look_further(text, matches, survey);
        }
        let Survey { sightings, patience, .. } = survey;
        self.find_returned(text, patience, |span, index| {
            if let Some(restored) = self.returned(index) {
                sightings.push(Sighting { found: nobodys(restored.kind, span), sense: Sense::Echo(index) });
            }
        });
        if self.restores_any() {
            self.look_for_tokens(text, sightings);
        }
        let is_sorted = sightings.len() == plain && !sightings.get(before).is_some_and(is_part);
        if !is_sorted {
            let mut new = sightings.split_off(before);
            let is_decoded = |sighting: &Sighting| sighting.sense == Sense::Decoded;
            new.sort_by_key(|sighting| {
                let Found { start, end, by, .. } = sighting.found;
                (start, Reverse(end), by, is_decoded(sighting))
            });
            // What stands beside something escaped is seen twice.
            new.dedup_by(|later, earlier| is_decoded(later) && later.found == earlier.found);
            sightings.append(&mut new);
        }
    }

    /// Forms in which no detector knows a token again, since nobody could tell it from other text but by asking.
    fn look_for_tokens(&self, text: &str, sightings: &mut Vec<Sighting>) {
        let token = |kind, span| Sighting { found: nobodys(kind, span), sense: Sense::OnlyToken };
        if self.may_be_token(Form::Opaque) {
            formats::opaque(text, |span| sightings.push(token("secrets", span)));
        }
        if self.may_be_token(Form::UsSsn) && formats::is_bare_number(text) {
            sightings.push(token("us_ssn", 0..text.len()));
        }
    }

    fn question(
        &self,
        text: &str,
        (sighting, elsewhere): (&Sighting, &[usize]),
        draw: Draw,
        asks: &mut HashMap<(String, Option<ValueOf>), Ask>,
    ) -> Result<(), TooMany> {
        let Found { by, kind, .. } = sighting.found;
        let form = Form::of(kind);
        if !self.may_be_token(form) || !sighting.sense.may_be_token() {
            return Ok(());
        }
        let text = part(text, &sighting.found);
        let makes = |rule: &&Rule| rule.action == DlpAction::Tokenize && sighting.sense == Sense::Plain;
        let rule = self.rule_for(by, elsewhere).filter(makes);
        let value = rule.map(|rule| (Arc::clone(&rule.purpose), kind, formats::normal(form, text)));
        let token = token_in(form, text);
        if asks.len() >= MOST && !asks.contains_key(&(token.clone(), value.clone())) {
            return Err(TooMany);
        }
        asks.entry((token.clone(), value.clone())).or_insert_with(|| {
            let wanted = value.map(|(purpose, kind, normal)| {
                let value = Secret::new(formats::kept(form, text));
                Wanted { purpose, kind, normal, value, draw }
            });
            Ask { token, wanted }
        });
        Ok(())
    }
}

impl Sense {
    /// Whether the vault is asked about it. What is encoded is masked, whatever it is: neither a token nor what stands for one could be
    /// written there.
    fn may_be_token(self) -> bool {
        match self {
            Self::OnlyToken | Self::Plain => true,
            Self::Decoded | Self::Echo(_) | Self::Inside(_) | Self::Part { .. } => false,
        }
    }
}

fn is_part(sighting: &Sighting) -> bool {
    matches!(sighting.sense, Sense::Part { .. })
}

impl Known {
    /// Of what was asked and what was answered, in the same order.
    pub(super) fn new(asks: Vec<Ask>, answers: Vec<Answer>) -> Self {
        let mut known = Self::default();
        for (ask, answer) in asks.into_iter().zip(answers) {
            match (answer, ask.wanted) {
                (Answer::Token(token), _) => {
                    known.tokens.insert(ask.token, token);
                }
                (Answer::Value(token), Some(wanted)) => {
                    known.values.insert((wanted.purpose, wanted.kind, wanted.normal), token);
                }
                (Answer::Value(_) | Answer::Unknown, _) => {}
            }
        }
        known
    }

    /// The token that a part of a text is.
    fn token(&self, text: &str, found: &Found) -> Option<&Arc<Token>> {
        if self.tokens.is_empty() { None } else { self.tokens.get(&token_in(Form::of(found.kind), part(text, found))) }
    }

    /// What was found in a text, each with its number and the token that it is, but for what lies inside a token: groups of one may look like a number
    /// of another kind, and are nobody's data either. Sightings come by where they begin, the longer first.
    pub(super) fn outside_tokens<'k>(
        &'k self,
        text: &str,
        sightings: &'k [Sighting],
    ) -> impl Iterator<Item = (usize, &'k Sighting, Option<&'k Arc<Token>>)> {
        let mut end_of_token = 0;
        sightings.iter().enumerate().filter_map(move |(number, sighting)| {
            if sighting.found.end <= end_of_token {
                return None;
            }
            let token = self.token(text, &sighting.found);
            if token.is_some() {
                end_of_token = sighting.found.end;
            }
            Some((number, sighting, token))
        })
    }

    /// The token of the value that a part of a text is.
    pub(super) fn token_for(&self, purpose: &Arc<str>, text: &str, found: &Found) -> Option<&Arc<Token>> {
        self.values.get(&(Arc::clone(purpose), found.kind, formats::normal(Form::of(found.kind), part(text, found))))
    }
}

/// The text of a string, a key or a number.
pub(super) fn text_of(value: Value<'_>) -> &str {
    value.as_str().unwrap_or_else(|| value.raw())
}

pub(super) fn part<'t>(text: &'t str, found: &Found) -> &'t str {
    text.get(found.start..found.end).unwrap_or_default()
}

fn token_in(form: Form, text: &str) -> String {
    match form {
        // A token without form has one spelling, and what is a secret is none.
        Form::Opaque => text.to_owned(),
        Form::Card | Form::Email | Form::Iban | Form::UsSsn => canonical_token(text),
    }
}

/// What no detector has found.
fn nobodys(kind: &'static str, span: Range<usize>) -> Found {
    Found { by: u16::MAX, class: Class::Own, kind, start: span.start, end: span.end }
}
