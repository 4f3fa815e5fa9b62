//! What detectors find in a message, before anybody has said what of it is a token. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::echo::Patience;
use super::formats::{self, Form};
use super::rules::Applicable;
use crate::policy::DlpAction;
use crate::protocol::json::{NodeId, Site, Value};
use crate::protocol::{Message, visit_texts};
use crate::scan::{Class, Effort, Found};
use crate::secret::Secret;
use crate::vault::{Answer, Ask, Token, Wanted, canonical_token};

/// Most values of one message that are looked up or get tokens.
const MOST: usize = 1_000;

/// A message with more values than are looked up, or with more that almost is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

/// Draws a token; see [`Wanted::draw`].
pub(super) type Draw = fn(kind: &'static str, normal: &str) -> Option<String>;

/// What was found, and where.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) places: Vec<Place>,
    sightings: Vec<Sighting>,
    /// Texts outside the body.
    pub(super) headers: Vec<Header>,
    /// For what this call has restored.
    patience: Patience,
    /// For what detectors look at.
    effort: Effort,
    /// A text was not read to its end.
    unread: bool,
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
    pub(super) sightings: Vec<Sighting>,
}

/// One thing that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub(super) found: Found,
    /// Nobody has to care for it unless it is a token.
    pub(super) only_token: bool,
    /// It was restored in this call: the number of what it is.
    pub(super) echo: Option<usize>,
}

/// What the vault says about a survey.
#[derive(Debug, Default)]
pub(super) struct Known {
    tokens: HashMap<String, Arc<Token>>,
    values: HashMap<ValueOf, Arc<Token>>,
}

/// Purpose, kind, and the value in its normal form.
type ValueOf = (Arc<str>, &'static str, String);

impl Survey {
    pub(super) fn sightings(&self, place: &Place) -> &[Sighting] {
        self.sightings.get(place.sightings.clone()).unwrap_or_default()
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
        let mut asks = HashMap::new();
        for place in &self.places {
            let text = text_of(message.value(place.node));
            for sighting in self.sightings(place) {
                rules.question(text, sighting, draw, &mut asks)?;
            }
        }
        for header in &self.headers {
            for sighting in &header.sightings {
                // What cannot be written there gets no token.
                let sighting = Sighting { only_token: true, ..*sighting };
                rules.question(&header.text, &sighting, draw, &mut asks)?;
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
        let mut matches = Vec::new();
        visit_texts(message, |text| {
            let before = survey.sightings.len();
            let read = self.look(text.text, &mut matches, &mut survey.sightings, (&mut survey.effort, &mut survey.patience));
            survey.unread |= !read;
            if survey.sightings.len() > before {
                survey.places.push(Place { node: text.id, site: text.site, sightings: before..survey.sightings.len() });
            }
        });
        survey
    }

    /// Looks at a text outside the body.
    pub(super) fn survey_header(&self, text: String, survey: &mut Survey) {
        let mut sightings = Vec::new();
        survey.unread |= !self.look(&text, &mut Vec::new(), &mut sightings, (&mut survey.effort, &mut survey.patience));
        if !sightings.is_empty() {
            survey.headers.push(Header { text, sightings });
        }
    }

    /// Whether the text was read to its end.
    fn look(
        &self,
        text: &str,
        matches: &mut Vec<Found>,
        sightings: &mut Vec<Sighting>,
        (effort, patience): (&mut Effort, &mut Patience),
    ) -> bool {
        let before = sightings.len();
        let read = self.find(text, &self.looked_for(), effort, matches);
        sightings.extend(matches.drain(..).map(|found| Sighting { found, only_token: false, echo: None }));
        self.find_returned(text, patience, |span, index| {
            if let Some(restored) = self.returned(index) {
                sightings.push(Sighting { found: nobodys(restored.kind, span), only_token: false, echo: Some(index) });
            }
        });
        if self.restores_any() {
            self.look_for_tokens(text, sightings);
        }
        if let Some(new) = sightings.get_mut(before..).filter(|_| self.restores_any() || self.returns_any()) {
            new.sort_by_key(|sighting| (sighting.found.start, Reverse(sighting.found.end)));
        }
        read.is_ok()
    }

    /// Forms in which no detector knows a token again, since nobody could tell it from other text but by asking.
    fn look_for_tokens(&self, text: &str, sightings: &mut Vec<Sighting>) {
        let token = |kind, span| Sighting { found: nobodys(kind, span), only_token: true, echo: None };
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
        sighting: &Sighting,
        draw: Draw,
        asks: &mut HashMap<(String, Option<ValueOf>), Ask>,
    ) -> Result<(), TooMany> {
        let Found { by, kind, .. } = sighting.found;
        let form = Form::of(kind);
        if !self.may_be_token(form) || sighting.echo.is_some() {
            return Ok(());
        }
        let text = part(text, &sighting.found);
        let rule = self.rule_for(by).filter(|rule| rule.action == DlpAction::Tokenize && !sighting.only_token);
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

    /// What was found in a text, each with the token that it is, but for what lies inside a token: groups of one may look like a number
    /// of another kind, and are nobody's data either. Sightings come by where they begin, the longer first.
    pub(super) fn outside_tokens<'k>(
        &'k self,
        text: &str,
        sightings: &'k [Sighting],
    ) -> impl Iterator<Item = (&'k Sighting, Option<&'k Arc<Token>>)> {
        let mut end_of_token = 0;
        sightings.iter().filter_map(move |sighting| {
            if sighting.found.end <= end_of_token {
                return None;
            }
            let token = self.token(text, &sighting.found);
            if token.is_some() {
                end_of_token = sighting.found.end;
            }
            Some((sighting, token))
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
