//! Values that are split over the messages of one stream.
//!
//! A message whose text ends in what may be the beginning of a value is held until it is known how that goes on: nothing of a value leaves
//! before it is judged, and what cannot be the beginning of one leaves at once.

use std::cmp::Reverse;

use super::joints::EDGE;
use super::judge::{Hit, Verdict};
use super::layer::{Way, record, too_many};
use super::reach::Elsewhere;
use super::stand_in;
use crate::chain::{Category, Direction, Joined, Joints, Judged, Reason, Rejection, Trail};
use crate::protocol::Message;
use crate::protocol::json::NodeId;
use crate::scan::{Effort, Found};

/// Digits of a number that begins: fewer tell nothing.
const DIGITS: usize = 4;

/// Letters of a key that begins.
const LETTERS: usize = 8;

/// What reads on from one message to the next.
pub(super) struct Carry {
    way: Way,
    trail: Trail,
    /// What was found over the ends of texts of the message at hand.
    hits: Vec<Hit>,
}

impl Carry {
    pub(super) fn new(way: Way, trail: Trail) -> Self {
        Self { way, trail, hits: Vec::new() }
    }
}

impl Joints for Carry {
    const EDGE: usize = EDGE;

    /// Rules whose fields none of the texts stands in.
    type Place = Elsewhere;

    fn place(&self, message: &Message, node: NodeId) -> Elsewhere {
        self.way.applicable().elsewhere(message, node)
    }

    fn add(place: &mut Elsewhere, another: Elsewhere) {
        place.retain(|rule| another.contains(rule));
    }

    fn judge(&mut self, joined: &Joined<'_>, elsewhere: &Elsewhere) -> Result<Judged, Rejection> {
        let (rules, Joined { text, seam, last }) = (self.way.applicable(), *joined);
        let mut judged = Judged::default();
        let mut all = Vec::new();
        let find = |text: &str| {
            let mut found = Vec::new();
            let read = rules.find(text, &rules.ruled(), &mut Effort::default(), &mut found);
            read.map(|()| found).map_err(|_unread| Reason::BlockedResult(too_many(&self.trail)))
        };
        if !rules.ruled().is_empty() {
            all = find(text)?;
        }
        // Again without what came before the last message: a letter there would be a part of the value.
        if !rules.ruled().is_empty() && last > 0 {
            let again = find(text.get(last..).unwrap_or_default())?;
            all.extend(again.into_iter().map(|found| Found { start: found.start + last, end: found.end + last, ..found }));
            all.sort_by_key(|found| (found.start, Reverse(found.end)));
        }
        for found in all {
            // Nothing of what was dealt with is dealt with again.
            let is_new = found.start >= judged.done && found.start < seam && found.end > seam;
            if is_new {
                match rules.verdict(&found, elsewhere, &mut |hit| self.hits.push(hit)) {
                    Verdict::Blocked => return Err(Reason::BlockedResult(Category::SensitiveData).into()),
                    Verdict::Masked => judged.replaced.push((found.start..found.end, stand_in::placeholder(&found))),
                    Verdict::Passes => continue,
                }
            }
            // What lies in one text has been judged there.
            judged.done = judged.done.max(found.end);
        }
        Ok(judged)
    }

    fn begins(&self, text: &str) -> Option<usize> {
        let rules = self.way.applicable();
        if rules.ruled().is_empty() { None } else { begins(text, |word| rules.begins(word)) }
    }

    fn settle(&mut self, passes: bool) {
        let hits = std::mem::take(&mut self.hits);
        record(&hits, Direction::Response, passes, &self.trail, &self.way.applicable());
    }
}

/// Where the beginning of a value may stand at the end of a text: a number, a word that nobody speaks or that begins as keys do (`is_key`), or a
/// key's first line.
fn begins(text: &str, is_key: impl Fn(&str) -> bool) -> Option<usize> {
    if let Some(at) = text.rfind("-----BEGIN ").filter(|at| !text.get(*at..).unwrap_or_default().contains("-----END")) {
        return Some(at);
    }
    let behind = |is_part: &dyn Fn(char) -> bool| text.trim_end_matches(is_part).len();
    let separates = |letter: char| matches!(letter, ' ' | '-' | '.' | '/');
    let number = behind(&|letter| letter.is_ascii_digit() || separates(letter));
    let number = text.len() - text.get(number..).unwrap_or_default().trim_start_matches(separates).len();
    let digits = text.get(number..).unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
    let word =
        behind(&|letter| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '/' | '+' | '=' | ':' | '@' | '%'));
    let letters = text.get(word..).unwrap_or_default();
    let is_long = letters.len() >= LETTERS;
    let is_odd = letters.contains(['@', '_']) || letters.bytes().any(|byte| byte.is_ascii_digit()) || is_mixed(letters);
    match (digits >= DIGITS, (is_long && is_odd) || is_key(letters)) {
        (true, true) => Some(number.min(word)),
        (true, false) => Some(number),
        (false, true) => Some(word),
        (false, false) => None,
    }
}

/// Capitals within a word.
fn is_mixed(word: &str) -> bool {
    word.bytes().zip(word.bytes().skip(1)).any(|(one, next)| one.is_ascii_lowercase() && next.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_the_beginning_of_a_value_is_open() {
        for (text, open) in [
            ("card 4111 1111 ", "4111 1111 "),
            ("key AKIAIO", "AKIAIO"),
            ("READING THE CONFIGURATION", ""),
            ("key ghp_16C7e42F", "ghp_16C7e42F"),
            ("ada.lovelace@corp", "ada.lovelace@corp"),
            ("-----BEGIN PRIVATE KEY-----\nMIIE", "-----BEGIN PRIVATE KEY-----\nMIIE"),
            ("step 3 of 10", ""),
            ("Fetching records", ""),
            ("reading the configuration.", ""),
            ("", ""),
        ] {
            let at = begins(text, |word| word.contains("AKIA")).unwrap_or(text.len());
            assert_eq!(text.get(at..), Some(open), "{text}");
        }
    }
}
