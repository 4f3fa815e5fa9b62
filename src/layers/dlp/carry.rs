//! Values that are split over the messages of one stream. Pure.
//!
//! What a server tells bit by bit, in progress and log messages, a client puts together again. So the end of each text is kept, and read
//! together with the beginning of the next in the same place. A message whose text ends in what may be the beginning of a value is held until
//! it is known how that goes on: nothing of a value leaves before it is judged, and what cannot be the beginning of one leaves at once.
//!
//! SECURITY: bounded: so much of each end ([`EDGE`]), so many places ([`FLOWS`]), so many messages held ([`HELD`]). Beyond the last the oldest
//! leaves; it is still read together with what follows, of which the rest of a value is masked.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::ops::Range;

use super::joints::EDGE;
use super::judge::{Hit, Verdict};
use super::reach::Elsewhere;
use super::rules::Applicable;
use super::stand_in;
use crate::chain::ServerMessage;
use crate::protocol::json::{NodeId, Value};
use crate::protocol::{Message, Shape, content_texts};
use crate::scan::{Effort, Found, Unread};

/// Most places of texts that are followed.
const FLOWS: usize = 8;

/// Most messages that are held at once.
const HELD: usize = 64;

/// Where notifications tell people something; names, places and times elsewhere are whole.
const TOLD: [&str; 6] = ["content", "data", "delta", "message", "statusMessage", "text"];

/// Digits of a number that begins: fewer tell nothing.
const DIGITS: usize = 4;

/// Letters of a key that begins.
const LETTERS: usize = 8;

/// The ends of texts, and what waits for how they go on.
#[derive(Debug, Default)]
pub(super) struct Carry {
    flows: Vec<Flow>,
    held: VecDeque<Held>,
    serial: u64,
}

/// Texts in the same place of messages of the same kind.
struct Flow {
    key: (String, String),
    tail: String,
    /// Where in it the beginning of a value may stand; else its end.
    open: usize,
    /// What of the tail came with which message, in order.
    parts: Vec<Part>,
    /// Rules whose fields none of these stands in.
    elsewhere: Elsewhere,
}

#[derive(Debug)]
struct Part {
    message: u64,
    node: NodeId,
    /// Where it begins in its own text.
    start: usize,
    length: usize,
}

#[derive(Debug)]
struct Held {
    serial: u64,
    message: ServerMessage,
}

/// A match over two messages that must not pass, or one that nobody could look for.
#[derive(Debug)]
pub(super) enum Withheld {
    Blocked,
    Unread,
}

impl From<Unread> for Withheld {
    fn from(_: Unread) -> Self {
        Self::Unread
    }
}

impl std::fmt::Debug for Flow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SECURITY: the tail may be a part of a value.
        f.debug_struct("Flow").field("key", &self.key).finish_non_exhaustive()
    }
}

impl Carry {
    pub(super) fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Everything that is held.
    pub(super) fn release(&mut self) -> impl Iterator<Item = ServerMessage> + '_ {
        self.held.drain(..).map(|held| held.message)
    }

    /// Reads a message, which is clean as far as it goes, together with what came before, and adds what may leave to `out`.
    pub(super) fn pass(
        &mut self,
        rules: &Applicable<'_>,
        message: ServerMessage,
        out: &mut VecDeque<ServerMessage>,
        tell: &mut dyn FnMut(Hit),
    ) -> Result<(), Withheld> {
        self.serial += 1;
        let places = places(&message.message);
        let is_final = message.is_final();
        // Somebody waits for its answer.
        let waits = message.message.shape() == Shape::Request;
        self.held.push_back(Held { serial: self.serial, message });
        for (key, node) in places {
            self.read(rules, &key, node, is_final, tell)?;
        }
        if is_final {
            out.extend(self.release());
            return Ok(());
        }
        let flows = &self.flows;
        let is_open = |held: &Held| flows.iter().any(|flow| flow.open().any(|part| part.message == held.serial));
        let mut rest = VecDeque::new();
        for held in self.held.drain(..) {
            if waits && held.serial == self.serial || !is_open(&held) {
                out.push_back(held.message);
            } else {
                rest.push_back(held);
            }
        }
        self.held = rest;
        let surplus = self.held.len().saturating_sub(HELD);
        out.extend(self.held.drain(..surplus).map(|held| held.message));
        Ok(())
    }

    /// Reads one text of the last message; the answer goes on with everything before.
    fn read(
        &mut self,
        rules: &Applicable<'_>,
        key: &(String, String),
        node: NodeId,
        is_final: bool,
        tell: &mut dyn FnMut(Hit),
    ) -> Result<(), Withheld> {
        let Some(message) = self.held.back().map(|held| &held.message.message) else { return Ok(()) };
        let Some(text) = message.value(node).as_str().map(str::to_owned) else { return Ok(()) };
        let elsewhere = rules.elsewhere(message, node);
        if !is_final && !self.flows.iter().any(|flow| flow.key == *key) {
            if self.flows.len() == FLOWS {
                self.flows.remove(0);
            }
            self.flows.push(Flow {
                key: key.clone(),
                tail: String::new(),
                open: 0,
                parts: Vec::new(),
                elsewhere: Elsewhere::new(),
            });
        }
        let mut flows = std::mem::take(&mut self.flows);
        let mut read = Ok(());
        for flow in flows.iter_mut().filter(|flow| is_final || flow.key == *key) {
            read = read.and_then(|()| self.goes_on(rules, flow, (node, &elsewhere), &text, tell));
        }
        self.flows = flows;
        read
    }

    fn goes_on(
        &mut self,
        rules: &Applicable<'_>,
        flow: &mut Flow,
        (node, elsewhere): (NodeId, &[usize]),
        text: &str,
        tell: &mut dyn FnMut(Hit),
    ) -> Result<(), Withheld> {
        let seam = flow.tail.len();
        let head = text.get(..text.floor_char_boundary(EDGE)).unwrap_or_default();
        let mut joined = std::mem::take(&mut flow.tail);
        joined.push_str(head);
        let mut all = Vec::new();
        rules.find(&joined, &rules.ruled(), &mut Effort::default(), &mut all)?;
        // Again without what came before the last message: a letter there would be a part of the value.
        let last = seam - flow.parts.last().map_or(0, |part| part.length);
        if last > 0 {
            let mut again = Vec::new();
            rules.find(joined.get(last..).unwrap_or_default(), &rules.ruled(), &mut Effort::default(), &mut again)?;
            all.extend(again.into_iter().map(|found| Found { start: found.start + last, end: found.end + last, ..found }));
            all.sort_by_key(|found| (found.start, Reverse(found.end)));
        }
        if flow.parts.is_empty() {
            flow.elsewhere = elsewhere.to_vec();
        } else {
            flow.elsewhere.retain(|rule| elsewhere.contains(rule));
        }
        flow.parts.push(Part { message: self.serial, node, start: 0, length: head.len() });
        // Nothing of what was dealt with is dealt with again.
        let mut done = 0;
        for found in all {
            let is_new = found.start >= done && found.start < seam && found.end > seam;
            if is_new {
                match rules.verdict(&found, &flow.elsewhere, tell) {
                    Verdict::Blocked => return Err(Withheld::Blocked),
                    Verdict::Masked => self.mask(flow, &found),
                    Verdict::Passes => continue,
                }
            }
            // What lies in one text has been judged there.
            done = done.max(found.end);
        }
        flow.keep(&joined, text, done);
        flow.open = begins(&flow.tail, |word| rules.begins(word)).unwrap_or(flow.tail.len());
        Ok(())
    }

    /// Puts a placeholder in the first part of a match that has not left, and nothing in the place of the others.
    fn mask(&mut self, flow: &Flow, found: &Found) {
        let mut with = stand_in::placeholder(found);
        let mut at = 0;
        for part in &flow.parts {
            let (from, to) = (found.start.max(at), found.end.min(at + part.length));
            if from < to
                && let Some(held) = self.held.iter_mut().find(|held| held.serial == part.message)
            {
                let range: Range<usize> = from - at + part.start..to - at + part.start;
                let (document, edits) = held.message.message.split();
                edits.replace_text(document, part.node, range, &with);
                with.clear();
            }
            at += part.length;
        }
    }
}

impl Flow {
    /// Keeps the end of what was read: no more than [`EDGE`], and nothing before `done`.
    fn keep(&mut self, joined: &str, text: &str, done: usize) {
        let head = text.floor_char_boundary(EDGE);
        if head < text.len() {
            // The middle of a long text lies between: only its own end goes on.
            let start = text.ceil_char_boundary(text.len() - EDGE);
            text.get(start..).unwrap_or_default().clone_into(&mut self.tail);
            if let Some(last) = self.parts.pop() {
                self.parts = vec![Part { start, length: self.tail.len(), ..last }];
            }
            return;
        }
        let cut = joined.ceil_char_boundary(done.max(joined.len().saturating_sub(EDGE)));
        joined.get(cut..).unwrap_or_default().clone_into(&mut self.tail);
        let mut dropped = cut;
        self.parts.retain_mut(|part| {
            let gone = dropped.min(part.length);
            dropped -= gone;
            part.start += gone;
            part.length -= gone;
            part.length > 0
        });
    }

    /// The parts of what may be the beginning of a value.
    fn open(&self) -> impl Iterator<Item = &Part> {
        let mut at = 0;
        self.parts.iter().filter(move |part| {
            at += part.length;
            at > self.open
        })
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

/// The texts of a message that go on from message to message, with the places they stand in.
fn places(message: &Message) -> Vec<((String, String), NodeId)> {
    if message.shape() == Shape::Response {
        return content_texts(message).take(1).map(|text| (Default::default(), text.id())).collect();
    }
    let Some(method) = message.method().filter(|_| message.shape() == Shape::Notification) else { return Vec::new() };
    let Some(params) = message.params() else { return Vec::new() };
    let own = params.members().filter_map(|(key, value)| Some((key.as_str()?, value))).filter(|(key, _)| TOLD.contains(key));
    // A log message may be an object.
    let data = params.get("data").into_iter().flat_map(Value::members).filter_map(|(key, value)| Some((key.as_str()?, value)));
    let texts = own.chain(data).filter(|(_, value)| value.as_str().is_some());
    texts.take(FLOWS).map(|(key, value)| ((method.to_owned(), key.to_owned()), value.id())).collect()
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
