//! What detectors find in a message, before anybody has said what of it is a token. Pure.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::detectors::{self, Detector, DetectorSet, Match};
use super::echo::Patience;
use super::formats;
use super::rules::Applicable;
use crate::policy::DlpAction;
use crate::protocol::json::{NodeId, Site, Value};
use crate::protocol::{Message, visit_texts};
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
    pub(super) found: Match,
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

    /// Whether nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.sightings.is_empty() && self.headers.is_empty()
    }

    /// What the vault has to be asked, each value once.
    pub(super) fn questions(&self, message: &Message, rules: &Applicable<'_>, draw: Draw) -> Result<Vec<Ask>, TooMany> {
        // SECURITY: where something may have been missed the message does not pass.
        if self.patience.is_over() {
            return Err(TooMany);
        }
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
            self.look(text.text, &mut matches, &mut survey.sightings, &mut survey.patience);
            if survey.sightings.len() > before {
                survey.places.push(Place { node: text.id, site: text.site, sightings: before..survey.sightings.len() });
            }
        });
        survey
    }

    /// Looks at a text outside the body.
    pub(super) fn survey_header(&self, text: String, survey: &mut Survey) {
        let mut sightings = Vec::new();
        self.look(&text, &mut Vec::new(), &mut sightings, &mut survey.patience);
        if !sightings.is_empty() {
            survey.headers.push(Header { text, sightings });
        }
    }

    fn look(&self, text: &str, matches: &mut Vec<Match>, sightings: &mut Vec<Sighting>, patience: &mut Patience) {
        let before = sightings.len();
        detectors::find(text, self.looked_for(), matches);
        sightings.extend(matches.drain(..).map(|found| Sighting { found, only_token: false, echo: None }));
        self.find_returned(text, patience, |span, index| {
            if let Some(restored) = self.returned(index) {
                let (detector, Range { start, end }) = (restored.detector, span);
                let found = Match { detector, kind: detector.name(), start, end };
                sightings.push(Sighting { found, only_token: false, echo: Some(index) });
            }
        });
        if self.restores_any() {
            self.look_for_tokens(text, sightings);
        }
        if let Some(new) = sightings.get_mut(before..).filter(|_| self.restores_any() || self.returns_any()) {
            new.sort_by_key(|sighting| (sighting.found.start, Reverse(sighting.found.end)));
        }
    }

    /// Forms in which no detector knows a token again, since nobody could tell it from other text but by asking.
    fn look_for_tokens(&self, text: &str, sightings: &mut Vec<Sighting>) {
        let token = |detector: Detector, span: Range<usize>| Sighting {
            found: Match { detector, kind: detector.name(), start: span.start, end: span.end },
            only_token: true,
            echo: None,
        };
        if self.may_be_token(Detector::Secrets) {
            formats::opaque(text, |span| sightings.push(token(Detector::Secrets, span)));
        }
        if self.may_be_token(Detector::UsSsn) && formats::is_bare_number(text) {
            sightings.push(token(Detector::UsSsn, 0..text.len()));
        }
    }

    fn question(
        &self,
        text: &str,
        sighting: &Sighting,
        draw: Draw,
        asks: &mut HashMap<(String, Option<ValueOf>), Ask>,
    ) -> Result<(), TooMany> {
        let Match { detector, kind, .. } = sighting.found;
        if !self.may_be_token(detector) || sighting.echo.is_some() {
            return Ok(());
        }
        let text = part(text, &sighting.found);
        let rule = self.rule_for(detector).filter(|rule| rule.action == DlpAction::Tokenize && !sighting.only_token);
        let value = rule.map(|rule| (Arc::clone(&rule.purpose), kind, formats::normal(detector, text)));
        let token = token_in(detector, text);
        if asks.len() >= MOST && !asks.contains_key(&(token.clone(), value.clone())) {
            return Err(TooMany);
        }
        asks.entry((token.clone(), value.clone())).or_insert_with(|| {
            let wanted = value.map(|(purpose, kind, normal)| {
                let value = Secret::new(formats::kept(detector, text));
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
    fn token(&self, text: &str, found: &Match) -> Option<&Arc<Token>> {
        if self.tokens.is_empty() { None } else { self.tokens.get(&token_in(found.detector, part(text, found))) }
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
    pub(super) fn token_for(&self, purpose: &Arc<str>, text: &str, found: &Match) -> Option<&Arc<Token>> {
        self.values.get(&(Arc::clone(purpose), found.kind, formats::normal(found.detector, part(text, found))))
    }
}

/// The text of a string, a key or a number.
pub(super) fn text_of(value: Value<'_>) -> &str {
    value.as_str().unwrap_or_else(|| value.raw())
}

pub(super) fn part<'t>(text: &'t str, found: &Match) -> &'t str {
    text.get(found.start..found.end).unwrap_or_default()
}

fn token_in(detector: Detector, text: &str) -> String {
    match detector {
        // A token of a secret has one spelling, and what is a secret is none.
        Detector::Secrets => text.to_owned(),
        Detector::Card | Detector::Email | Detector::Iban | Detector::UsSsn => canonical_token(text),
    }
}

/// Detectors by which tokens of these kinds are found again.
pub(super) fn finding(tokens: DetectorSet) -> DetectorSet {
    // A token of a secret has a form of its own.
    Detector::ALL.iter().copied().filter(|detector| *detector != Detector::Secrets && tokens.contains(*detector)).collect()
}
