//! Everything that is open on one connection, by the id under which the server knows it.

use std::collections::{BTreeMap, VecDeque};

use tokio::time::Instant;

use super::inbox::Backlog;
use super::open::{Kind, Names, Open};
use crate::chain::{Reason, ServerMessage};
use crate::protocol::RequestId;

/// Questions of the server of which it is remembered where they were asked.
const MOST_ASKED: usize = 64;

/// How much of a broken message is looked through, at its begin and at its end.
const SEARCHED: usize = 4 << 10;

/// See the module.
pub(super) struct Table {
    first: i64,
    next: i64,
    /// The newest last.
    open: BTreeMap<i64, Open>,
    asked: VecDeque<(RequestId, i64)>,
    ended: Option<Reason>,
    /// When anything last began or ended.
    changed: Instant,
}

impl Table {
    pub(super) fn starting_at(first: i64) -> Self {
        Self { first, next: first, open: BTreeMap::new(), asked: VecDeque::new(), ended: None, changed: Instant::now() }
    }

    /// The id under which it is open now.
    pub(super) fn add(&mut self, open: Open) -> Result<i64, Reason> {
        match &self.ended {
            None => {}
            // It has failed others; of this one the server has not heard.
            Some(Reason::UpstreamFailed(_)) => return Err(Reason::UpstreamFailed("not_sent")),
            Some(reason) => return Err(reason.clone()),
        }
        let wire = self.next;
        self.next += 1;
        self.touch();
        self.open.insert(wire, open);
        Ok(wire)
    }

    pub(super) fn take(&mut self, wire: i64) -> Option<Open> {
        self.open.remove(&wire)
    }

    pub(super) fn fail(&mut self, wire: i64, reason: Reason) {
        if let Some(open) = self.open.remove(&wire) {
            open.fail(reason);
        }
    }

    pub(super) fn end(&mut self, reason: &Reason) {
        self.ended.get_or_insert_with(|| reason.clone());
        for (_, open) in std::mem::take(&mut self.open) {
            // The stream on which a server pushes ends as if the server had closed it.
            if open.kind != Kind::Push {
                open.fail(reason.clone());
            }
        }
    }

    pub(super) fn end_session(&mut self, session: u64) {
        self.open.retain(|_, open| open.kind != Kind::Push || open.session != Some(session));
    }

    pub(super) fn touch(&mut self) {
        self.changed = Instant::now();
    }

    pub(super) fn idle_since(&self) -> Option<Instant> {
        self.open.is_empty().then_some(self.changed)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    pub(super) fn names(&self, wire: i64) -> Option<Names> {
        self.open.get(&wire).map(|open| open.names.clone())
    }

    /// False if there is no room for it; whoever is gone has all room.
    pub(super) fn tell(&self, wire: i64, message: ServerMessage, backlog: &Backlog) -> bool {
        self.open.get(&wire).is_none_or(|open| open.tell(message, backlog))
    }

    /// Whether anything was ever open under this id.
    pub(super) fn has_been_open(&self, wire: i64) -> bool {
        (self.first..self.next).contains(&wire)
    }

    pub(super) fn is_listening(&self, wire: i64) -> bool {
        self.open.get(&wire).is_some_and(|open| open.kind == Kind::Listen)
    }

    pub(super) fn is_told_progress(&self, wire: i64) -> bool {
        self.open.get(&wire).is_some_and(|open| open.names.token.is_some())
    }

    /// The call that a client of `session` knows by this id.
    pub(super) fn of_client(&self, session: Option<u64>, id: &RequestId) -> Option<i64> {
        let known = |open: &Open| open.session == session && open.names.id.as_ref() == Some(id);
        self.open.iter().rev().find(|(_, open)| known(open)).map(|(wire, _)| *wire)
    }

    /// The only call, if there is one and no more.
    pub(super) fn only_call(&self) -> Option<i64> {
        let mut calls = self.open.iter().filter(|(_, open)| open.kind != Kind::Push);
        calls.next().filter(|_| calls.next().is_none()).map(|(wire, _)| *wire)
    }

    /// The newest call, or else the newest stream on which the server pushes.
    pub(super) fn newest(&self) -> Option<i64> {
        let newest = |kind| self.open.iter().rev().find(|(_, open)| open.kind == kind).map(|(wire, _)| *wire);
        newest(Kind::Call).or_else(|| newest(Kind::Push))
    }

    /// The streams of pushes that have not yet to read that the list of that number has changed.
    pub(super) fn unaware_pushes(&self, list: usize) -> Vec<i64> {
        let unaware = |open: &Open| open.kind == Kind::Push && !open.knows_change(list);
        self.open.iter().filter(|(_, open)| unaware(open)).map(|(wire, _)| *wire).collect()
    }

    /// False if there is no room for it.
    pub(super) fn tell_change(&self, wire: i64, list: usize, message: ServerMessage, backlog: &Backlog) -> bool {
        self.open.get(&wire).is_none_or(|open| open.tell_change(list, message, backlog))
    }

    /// Remembers that the server asks there; false where there is nobody in a session, whom alone it may ask.
    pub(super) fn ask(&mut self, id: Option<&RequestId>, wire: i64) -> bool {
        let asked = id.filter(|_| self.open.get(&wire).is_some_and(|open| open.session.is_some()));
        let Some(id) = asked else { return false };
        if self.asked.len() >= MOST_ASKED {
            self.asked.pop_front();
        }
        self.asked.push_back((id.clone(), wire));
        true
    }

    /// Where the server has asked this.
    pub(super) fn asker(&mut self, id: &RequestId) -> Option<i64> {
        let place = self.asked.iter().position(|(asked, _)| asked == id)?;
        let (_, wire) = self.asked.remove(place)?;
        self.open.contains_key(&wire).then_some(wire)
    }

    /// What is open under a number that stands in these bytes.
    pub(super) fn named_in(&self, bytes: &[u8]) -> Option<i64> {
        let head = bytes.get(..SEARCHED).unwrap_or(bytes);
        let tail = bytes.len().checked_sub(SEARCHED).and_then(|start| bytes.get(start..)).unwrap_or_default();
        let numbers = [head, tail].into_iter().flat_map(|part| part.split(|byte| !byte.is_ascii_digit()));
        let mut wires = numbers.filter_map(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        wires.find(|wire| self.open.get(wire).is_some_and(|open| open.kind != Kind::Push))
    }
}
