//! Texts that go on from one message of a stream to the next.
//!
//! What a server tells bit by bit, in progress and log messages, a client puts together again. So the end of each text is kept, and read together
//! with the beginning of the next in the same place. A message whose text ends in what may be the beginning of something is held until it is known
//! how that goes on; what cannot be one leaves at once.
//!
//! SECURITY: bounded: so much of each end ([`Joints::EDGE`]), so many places ([`FLOWS`]), so many messages held ([`HELD`]). Beyond the last the
//! oldest leaves; it is still read together with what follows.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use super::{Hold, Rejection, ServerMessage};
use crate::protocol::json::{NodeId, Value};
use crate::protocol::{Message, Shape, content_texts};

/// Most places of texts that are followed.
const FLOWS: usize = 8;

/// Most messages that are held at once.
const HELD: usize = 64;

/// Where notifications tell people something; names, places and times elsewhere are whole.
const TOLD: [&str; 6] = ["content", "data", "delta", "message", "statusMessage", "text"];

/// Who reads what stands over the ends of two texts.
pub trait Joints: Send + 'static {
    /// So many bytes of both ends are read together.
    const EDGE: usize;

    /// What has to be known of the place of a text.
    type Place: Send;

    /// What is to be known of this text of a message.
    fn place(&self, message: &Message, node: NodeId) -> Self::Place;

    /// Adds the place of a text to that of what it goes on from.
    fn add(place: &mut Self::Place, another: Self::Place);

    /// Judges what stands over the end of texts; of the first, which has none before it, too: what was dealt with there is not read again. Of interest is what begins before the seam and ends behind it: the rest was judged with its own
    /// message.
    ///
    /// # Errors
    /// The stream has to end.
    fn judge(&mut self, joined: &Joined<'_>, place: &Self::Place) -> Result<Judged, Rejection>;

    /// Where at the end of a text something begins that may go on in the next.
    fn begins(&self, text: &str) -> Option<usize>;

    /// All texts of a message have been judged, and whether it passes.
    fn settle(&mut self, passes: bool);
}

/// The end of what was said, and the beginning of what follows.
#[derive(Clone, Copy, Debug)]
pub struct Joined<'t> {
    /// Both.
    pub text: &'t str,
    /// Where the one ends.
    pub seam: usize,
    /// Where that begins of it which the message before the last has said.
    pub last: usize,
}

/// What becomes of it.
#[derive(Debug, Default)]
pub struct Judged {
    /// What has to be replaced, and by what, in its order.
    pub replaced: Vec<(Range<usize>, String)>,
    /// So far everything was dealt with, and is not read again.
    pub done: usize,
}

/// One stream of messages, read across them.
pub struct Flows<J: Joints> {
    joints: J,
    places: Vec<Flow<J::Place>>,
    held: VecDeque<Held>,
    serial: u64,
}

/// Texts in the same place of messages of the same kind.
struct Flow<P> {
    key: Key,
    /// Of all that the tail came from; `None` where it is empty.
    place: Option<P>,
    tail: String,
    /// Where in it something may begin; else its end.
    open: usize,
    /// What of the tail came with which message, in order.
    parts: Vec<Part>,
}

/// Method and member.
type Key = (String, String);

struct Part {
    message: u64,
    node: NodeId,
    /// Where it begins in its own text.
    start: usize,
    length: usize,
}

struct Held {
    serial: u64,
    message: ServerMessage,
}

impl<J: Joints> fmt::Debug for Flows<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: what is kept may be a part of what nobody may read.
        f.debug_struct("Flows").field("held", &self.held.len()).finish_non_exhaustive()
    }
}

impl<J: Joints> Flows<J> {
    /// Of a stream that begins.
    pub fn new(joints: J) -> Self {
        Self { joints, places: Vec::new(), held: VecDeque::new(), serial: 0 }
    }

    /// Reads one text of the last message; the answer goes on with everything before.
    fn read(&mut self, key: &Key, node: NodeId, is_final: bool) -> Result<(), Rejection> {
        let Some(message) = self.held.back().map(|held| &held.message.message) else { return Ok(()) };
        let Some(text) = message.value(node).as_str().map(str::to_owned) else { return Ok(()) };
        if !is_final && !self.places.iter().any(|flow| flow.key == *key) {
            if self.places.len() == FLOWS {
                self.places.remove(0);
            }
            self.places.push(Flow { key: key.clone(), place: None, tail: String::new(), open: 0, parts: Vec::new() });
        }
        let mut flows = std::mem::take(&mut self.places);
        let mut read = Ok(());
        for flow in flows.iter_mut().filter(|flow| is_final || flow.key == *key) {
            read = read.and_then(|()| self.goes_on(flow, node, &text));
        }
        self.places = flows;
        read
    }

    fn goes_on(&mut self, flow: &mut Flow<J::Place>, node: NodeId, text: &str) -> Result<(), Rejection> {
        let seam = flow.tail.len();
        let head = text.get(..text.floor_char_boundary(J::EDGE)).unwrap_or_default();
        let mut joined = std::mem::take(&mut flow.tail);
        joined.push_str(head);
        let last = seam - flow.parts.last().map_or(0, |part| part.length);
        let Some(message) = self.held.back().map(|held| &held.message.message) else { return Ok(()) };
        let here = self.joints.place(message, node);
        let place = match flow.place.take().filter(|_| !flow.parts.is_empty()) {
            Some(mut place) => {
                J::add(&mut place, here);
                place
            }
            None => here,
        };
        flow.parts.push(Part { message: self.serial, node, start: 0, length: head.len() });
        let judged = self.joints.judge(&Joined { text: &joined, seam, last }, &place)?;
        for (range, with) in judged.replaced {
            self.replace(flow, &range, with);
        }
        flow.place = Some(place);
        flow.keep(&joined, text, judged.done, J::EDGE);
        flow.open = self.joints.begins(&flow.tail).unwrap_or(flow.tail.len());
        Ok(())
    }

    /// Puts `with` in the first part of a stretch that has not left, and nothing in the place of the others.
    fn replace(&mut self, flow: &Flow<J::Place>, range: &Range<usize>, mut with: String) {
        let mut at = 0;
        for part in &flow.parts {
            let (from, to) = (range.start.max(at), range.end.min(at + part.length));
            if from < to
                && let Some(held) = self.held.iter_mut().find(|held| held.serial == part.message)
            {
                let own = from - at + part.start..to - at + part.start;
                let (document, edits) = held.message.message.split();
                edits.replace_text(document, part.node, own, &with);
                with.clear();
            }
            at += part.length;
        }
    }
}

impl<J: Joints> Hold for Flows<J> {
    fn pass(&mut self, message: ServerMessage, out: &mut VecDeque<ServerMessage>) -> Result<(), Rejection> {
        self.serial += 1;
        let places = places(&message.message);
        let is_final = message.is_final();
        // Somebody waits for its answer.
        let waits = message.message.shape() == Shape::Request;
        self.held.push_back(Held { serial: self.serial, message });
        let judged = places.into_iter().try_for_each(|(key, node)| self.read(&key, node, is_final));
        self.joints.settle(judged.is_ok());
        judged?;
        if is_final {
            self.release(out);
            return Ok(());
        }
        let flows = &self.places;
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

    fn release(&mut self, out: &mut VecDeque<ServerMessage>) {
        out.extend(self.held.drain(..).map(|held| held.message));
    }

    fn holds(&self) -> bool {
        !self.held.is_empty()
    }
}

impl<P> Flow<P> {
    /// Keeps the end of what was read: no more than `edge`, and nothing before `done`.
    fn keep(&mut self, joined: &str, text: &str, done: usize, edge: usize) {
        if text.floor_char_boundary(edge) < text.len() {
            // The middle of a long text lies between: only its own end goes on.
            let start = text.ceil_char_boundary(text.len() - edge);
            text.get(start..).unwrap_or_default().clone_into(&mut self.tail);
            if let Some(last) = self.parts.pop() {
                self.parts = vec![Part { start, length: self.tail.len(), ..last }];
            }
            return;
        }
        let cut = joined.ceil_char_boundary(done.max(joined.len().saturating_sub(edge)));
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

    /// The parts of what may be the beginning of something.
    fn open(&self) -> impl Iterator<Item = &Part> {
        let mut at = 0;
        self.parts.iter().filter(move |part| {
            at += part.length;
            at > self.open
        })
    }
}

/// The texts of a message that go on from message to message, with the places they stand in.
fn places(message: &Message) -> Vec<(Key, NodeId)> {
    if message.shape() == Shape::Response {
        return content_texts(message).take(1).map(|text| (Key::default(), text.id())).collect();
    }
    let Some(method) = message.method().filter(|_| message.shape() == Shape::Notification) else { return Vec::new() };
    let Some(params) = message.params() else { return Vec::new() };
    let own = params.members().filter_map(|(key, value)| Some((key.as_str()?, value))).filter(|(key, _)| TOLD.contains(key));
    // A log message may be an object.
    let data = params.get("data").into_iter().flat_map(Value::members).filter_map(|(key, value)| Some((key.as_str()?, value)));
    let texts = own.chain(data).filter(|(_, value)| value.as_str().is_some());
    texts.take(FLOWS).map(|(key, value)| ((method.to_owned(), key.to_owned()), value.id())).collect()
}
