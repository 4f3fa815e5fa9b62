//! A connection on which requests go one way and replies come another: they are paired by their ids here, before the chain sees them.
//!
//! Every request goes out under an id of ours, and so does the token by which its progress is told; what comes back gets the client's
//! own again. So two clients on one connection may use the same ids, and neither can name what belongs to the other.
//!
//! What comes belongs to the call whose id or token it names. What names none belongs to whoever has the connection for themselves
//! ([`Audience::One`]): the newest call, or else the stream on which the server pushes. Where others share it ([`Audience::Many`])
//! nobody is told, and a question of the server is refused, for nobody knows whom it concerns. It passes no layer then, and is recorded by
//! itself.

mod call;
mod inbox;
mod open;
mod table;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

pub(super) use call::{OpenCall, Reading};
use inbox::{Backlog, LISTS};
use open::{Kind, Names, Open};
use table::Table;

use super::questions::{Questions, Then};
use crate::chain::{Reason, Responder, ServerMessage};
use crate::master_key::random_bytes;
use crate::protocol::json::{Limits, RawJson, Value};
use crate::protocol::{Access, Asked, EnvelopeError, Message, Method, RequestId, Shape, Side, code};

/// Where a message of a subscription says to which it belongs. MCP 2026-07-28, "Subscriptions".
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Notifications that say nothing but that a list is another one now.
const LIST_CHANGES: [&str; LISTS] =
    ["notifications/prompts/list_changed", "notifications/resources/list_changed", "notifications/tools/list_changed"];

/// Who hears what names no call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// One caller, whose connection it is.
    One,
    /// Nobody: callers share the connection.
    Many,
}

/// What is open on one connection.
pub(super) struct Paired {
    table: Mutex<Table>,
    audience: Audience,
    /// Largest message.
    largest: usize,
    /// What all calls together may leave unread.
    backlog: Backlog,
    /// Answers the server's questions.
    questions: Questions,
    /// Records a question that nobody hears, by a word for its method and one for the reason, and then does the last.
    unheard: Box<dyn Fn(&'static str, &'static str, Then) + Send + Sync>,
    /// Tells the server that nobody waits for this request any more.
    abandon: Box<dyn Fn(i64) + Send + Sync>,
    left: Notify,
}

/// A message that could not be given to anybody, by a word for the operator. Nobody else has noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault(pub(super) &'static str);

impl fmt::Debug for Paired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paired").field("audience", &self.audience).field("open", &self.len()).finish_non_exhaustive()
    }
}

impl Paired {
    /// For a connection; messages are at most `largest` bytes. `questions` sends answers to the server, `unheard` records what it asks and
    /// nobody hears, and `abandon` is told the id of every request that nobody waits for any more.
    pub(super) fn new(
        audience: Audience,
        largest: usize,
        questions: Questions,
        unheard: impl Fn(&'static str, &'static str, Then) + Send + Sync + 'static,
        abandon: impl Fn(i64) + Send + Sync + 'static,
    ) -> Arc<Self> {
        // SECURITY: nobody can guess the id under which another's call is open, so that no text in a broken reply names it. Below 2^53,
        // which every reader keeps exactly.
        let random = random_bytes::<6>().unwrap_or_default();
        let first = random.iter().fold(1, |sum: i64, byte| sum << 8 | i64::from(*byte));
        Arc::new(Self {
            table: Mutex::new(Table::starting_at(first)),
            audience,
            largest,
            backlog: Backlog::new(largest),
            questions,
            unheard: Box::new(unheard),
            abandon: Box::new(abandon),
            left: Notify::new(),
        })
    }

    /// Opens a call of `session`: what is to be sent, and what comes back for it.
    pub(super) fn open(
        self: &Arc<Self>,
        message: &mut Message,
        access: &Access,
        session: Option<u64>,
    ) -> Result<(Bytes, OpenCall), Reason> {
        let id = message.id().cloned().ok_or(Reason::Internal("a request without id"))?;
        let names = Names { id: Some(id), token: progress_token(message).and_then(RequestId::read) };
        let kind = if access.method == Method::Listen { Kind::Listen } else { Kind::Call };
        let call = self.add(kind, names, session)?;
        rename(message, call.wire());
        Ok((message.encode(), call))
    }

    /// Opens the stream on which the server of `session` says what belongs to no request.
    pub(super) fn open_push(self: &Arc<Self>, session: u64) -> Result<OpenCall, Reason> {
        self.add(Kind::Push, Names::default(), Some(session))
    }

    fn add(self: &Arc<Self>, kind: Kind, names: Names, session: Option<u64>) -> Result<OpenCall, Reason> {
        let (open, reader) = Open::new(kind, names, session);
        let wire = self.table.lock().add(open)?;
        Ok(OpenCall::new(Arc::clone(self), wire, reader))
    }

    /// Takes one message of the server.
    pub(super) fn receive(&self, bytes: &Bytes) -> Result<(), Fault> {
        let message = match self.parse(bytes.clone()) {
            Ok(message) => message,
            Err(error) => {
                let word = if error.is_too_large() { "too_large" } else { "not_a_message" };
                self.broken(bytes, word);
                return Err(Fault(word));
            }
        };
        match message.shape() {
            Shape::Response => self.answered(message),
            Shape::Notification => {
                self.told(message);
                Ok(())
            }
            Shape::Request => {
                self.asked(message);
                Ok(())
            }
        }
    }

    /// Something that is no message. Whose reply it was to be is told, if it names one that is open: they need not wait for the end of
    /// their patience. Read sloppily, which harms nobody: the server could fail its own calls in any case.
    pub(super) fn broken(&self, bytes: &[u8], word: &'static str) {
        let mut table = self.table.lock();
        if let Some(wire) = table.named_in(bytes) {
            table.fail(wire, Reason::UpstreamFailed(word));
        }
    }

    /// Gives up the call that a client has cancelled, and tells under which id the server knows it.
    pub(super) fn cancel(&self, session: Option<u64>, id: &RequestId) -> Option<i64> {
        let mut table = self.table.lock();
        let wire = table.of_client(session, id)?;
        table.fail(wire, Reason::StreamOver);
        Some(wire)
    }

    /// The connection is over: so is every call, and no other begins.
    pub(super) fn end(&self, reason: &Reason) {
        self.table.lock().end(reason);
    }

    /// Ends the streams of a session that is over.
    pub(super) fn end_session(&self, session: u64) {
        self.table.lock().end_session(session);
    }

    /// How many calls and streams are open.
    pub(super) fn len(&self) -> usize {
        self.table.lock().len()
    }

    /// Since when nothing is open, if that is so.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.table.lock().idle_since()
    }

    /// Waits until nothing is open.
    pub(super) async fn drained(&self) {
        loop {
            let mut left = std::pin::pin!(self.left.notified());
            // Before the look, so that nobody leaves unnoticed.
            left.as_mut().enable();
            if self.idle_since().is_some() {
                return;
            }
            left.await;
        }
    }

    /// Waits until nothing has been open for so long.
    pub(super) async fn idle_for(&self, time: Duration) {
        loop {
            self.drained().await;
            let Some(since) = self.idle_since() else { continue };
            if since.elapsed() >= time {
                return;
            }
            sleep_until(since + time).await;
        }
    }

    /// Somebody waits no more.
    fn left(&self) {
        self.table.lock().touch();
        self.left.notify_waiters();
    }

    fn parse(&self, bytes: Bytes) -> Result<Message, EnvelopeError> {
        // One string of a reply may be as long as the reply: file contents come so.
        Message::parse(bytes, Limits { string: self.largest, ..Limits::default() }, Side::Server)
    }

    fn answered(&self, message: Message) -> Result<(), Fault> {
        let (wire, open) = {
            let mut table = self.table.lock();
            let wire = match message.id() {
                Some(id) => id.as_json().parse().ok().filter(|wire| table.has_been_open(*wire)).ok_or(Fault("foreign_id"))?,
                // An error without an id answers what the server could not read; it is known what that was if nothing else is open.
                None => table.only_call().ok_or(Fault("no_id"))?,
            };
            // Whoever has gone away is not told, and that is no fault of the server.
            let Some(open) = table.take(wire) else { return Ok(()) };
            (wire, open)
        };
        match self.for_client(message, wire, &open.names) {
            Some(message) => open.give(message, &self.backlog),
            None => open.fail(Reason::UpstreamFailed("not_a_message")),
        }
        Ok(())
    }

    fn told(&self, message: Message) {
        let wire = {
            let mut table = self.table.lock();
            match message.method() {
                Some("notifications/progress") => {
                    // What comes late concerns nobody any more.
                    let token = message.param("progressToken").and_then(Value::as_i64);
                    let Some(wire) = token.filter(|wire| table.is_told_progress(*wire)) else { return };
                    Some(wire)
                }
                Some("notifications/cancelled") => {
                    let Some(id) = message.param("requestId").and_then(RequestId::read) else { return };
                    if let Some(wire) = id.as_json().parse().ok().filter(|wire| table.is_listening(*wire)) {
                        // How a server ends a subscription that has no connection of its own to close.
                        return table.fail(wire, Reason::StreamOver);
                    }
                    table.asker(&id)
                }
                _ => subscription(&message).filter(|wire| table.is_listening(*wire)),
            }
        };
        match (wire.or_else(|| self.whom_it_concerns()), self.audience) {
            (Some(wire), _) => drop(self.hand_over(wire, message, None)),
            (None, Audience::Many) => self.tell_change(&message),
            (None, Audience::One) => {}
        }
    }

    fn asked(&self, message: Message) {
        let (Some(id), word) = (message.id().cloned(), Asked::word(message.method())) else { return };
        let responder = self.questions.responder();
        let wire = self.whom_it_concerns().filter(|wire| self.table.lock().ask(message.id(), *wire));
        let why = match (wire, self.audience) {
            (Some(wire), _) if self.hand_over(wire, message, Some(Arc::clone(&responder))) => return,
            (Some(_), _) => "backlog",
            (None, Audience::Many) => "shared_process",
            (None, Audience::One) => "nobody_waits",
        };
        if word == "ping" {
            // Asks for nothing but a sign of life, which is ours to give.
            return responder.acknowledge(&id);
        }
        // SECURITY: it has passed no layer, and so stands in no record of theirs.
        let refuse = move || responder.refuse(&id, code::METHOD_NOT_FOUND, "nobody can take this request");
        (self.unheard)(word, why, Box::new(refuse));
    }

    /// Whom what names no call concerns.
    fn whom_it_concerns(&self) -> Option<i64> {
        match self.audience {
            Audience::One => self.table.lock().newest(),
            Audience::Many => None,
        }
    }

    /// Gives a message to whoever waits there; false if nobody gets it.
    fn hand_over(&self, wire: i64, message: Message, responder: Option<Arc<dyn Responder>>) -> bool {
        let Some(names) = self.table.lock().names(wire) else { return false };
        // Without the lock: a message may be large.
        let Some(mut message) = self.for_client(message, wire, &names) else { return false };
        message.responder = responder;
        self.give(wire, |table| table.tell(wire, message, &self.backlog))
    }

    /// Gives something to whoever waits there, or ends it where there is no room.
    fn give(&self, wire: i64, tell: impl FnOnce(&Table) -> bool) -> bool {
        let overflown = {
            let mut table = self.table.lock();
            if tell(&table) { None } else { table.take(wire) }
        };
        // SECURITY: whoever reads slowly, or whose call is flooded, costs nobody else anything.
        let Some(open) = overflown else { return true };
        let is_request = open.kind != Kind::Push;
        open.fail(Reason::UpstreamFailed("backlog"));
        if is_request {
            (self.abandon)(wire);
        }
        false
    }

    /// The message with the client's own id and token in it. Read anew: what layers see is what they would see of a server that had no
    /// other clients, and what they record as edits are edits of theirs.
    fn for_client(&self, mut message: Message, wire: i64, names: &Names) -> Option<ServerMessage> {
        give_back(&mut message, wire, names);
        let message = if message.edit_count() == 0 { message } else { self.parse(message.encode()).ok()? };
        Some(ServerMessage::new(message))
    }

    /// Tells everybody who listens that a list has changed, if the message says so. It says nothing but that; in our words, so that it
    /// really says nothing else. Whoever has yet to read the same is not told again: a server that changes without end ends nobody's stream.
    fn tell_change(&self, message: &Message) {
        let known = LIST_CHANGES.iter().enumerate().find(|(_, known)| message.method() == Some(**known));
        let Some((list, method)) = known else { return };
        let text = Bytes::from(format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#));
        let unaware = self.table.lock().unaware_pushes(list);
        for wire in unaware {
            let Ok(message) = self.parse(text.clone()) else { return };
            self.give(wire, |table| table.tell_change(wire, list, ServerMessage::new(message), &self.backlog));
        }
    }

    /// Nobody waits for this any more.
    fn leave(&self, wire: i64) {
        let open = self.table.lock().take(wire);
        if open.is_some_and(|open| open.kind != Kind::Push) {
            (self.abandon)(wire);
        }
    }
}

/// Our id in place of the client's, and the same as the token by which its progress is told.
fn rename(message: &mut Message, wire: i64) {
    let places = [message.id_place(), progress_token(message).map(Value::id)];
    let (document, edits) = message.split();
    for place in places.into_iter().flatten() {
        edits.replace(document, place, RawJson::integer(wire));
    }
}

/// The client's own id and token in place of ours.
fn give_back(message: &mut Message, wire: i64, names: &Names) {
    let ours = |value: &Value<'_>| value.as_i64() == Some(wire);
    let id = message.id_place().filter(|_| message.shape() == Shape::Response);
    let token = message.param("progressToken").filter(ours).map(Value::id);
    let meta = message.param("_meta").or_else(|| message.result()?.get("_meta"));
    let subscription = meta.and_then(|meta| meta.get(SUBSCRIPTION)).filter(ours).map(Value::id);
    let (document, edits) = message.split();
    for (place, name) in [(id, &names.id), (token, &names.token), (subscription, &names.id)] {
        if let Some((place, name)) = place.zip(name.as_ref()) {
            edits.replace(document, place, RawJson::id(name));
        }
    }
}

/// Tells the server that nobody waits for a request.
pub(super) fn cancelled(wire: i64) -> Bytes {
    format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{wire},"reason":"nobody waits"}}}}"#)
        .into()
}

fn progress_token(message: &Message) -> Option<Value<'_>> {
    message.param("_meta")?.get("progressToken")
}

/// The id of the subscription that a message says it belongs to.
fn subscription(message: &Message) -> Option<i64> {
    message.param("_meta")?.get(SUBSCRIPTION)?.as_i64()
}

#[cfg(test)]
mod tests;
