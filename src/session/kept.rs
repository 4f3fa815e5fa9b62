//! Streams of a session that wait for their clients. Few: each holds a place at its server.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::chain::Kept;
use crate::places::{Fair, Lane, Place, Share};

/// In one session, and in all.
const PER_SESSION: usize = 8;
const IN_ALL: usize = 512;

/// A stream of a session, as the ids of its events name it: `7` is the reply to a request, `p7` what a server pushes. The two differ in
/// what becomes of a client that comes back too late: a reply is lost, and pushes go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamName {
    number: u64,
    /// Whether it is one of pushes.
    pub pushes: bool,
}

/// Room for kept streams, of all sessions together, shared fairly by all callers: whoever keeps many must not cost others their replies.
pub(super) struct Room(Arc<Lane>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Lane::new(Fair::new(IN_ALL, 0), Duration::ZERO, <_>::default())))
    }
}

/// Those of one session.
#[derive(Default)]
pub(super) struct KeptStreams {
    waiting: BTreeMap<StreamName, Waiting>,
    numbered: u64,
}

/// One that waits.
pub(super) struct Waiting {
    name: StreamName,
    stream: Box<Kept>,
    _room: Place,
    /// Whoever watches over it need not any longer.
    _taken: DropGuard,
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.pushes { "p" } else { "" }, self.number)
    }
}

impl FromStr for StreamName {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, pushes) = text.strip_prefix('p').map_or((text, false), |number| (number, true));
        Ok(Self { number: number.parse()?, pushes })
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("stream", &self.stream).finish_non_exhaustive()
    }
}

impl Waiting {
    /// Nobody comes back for it.
    pub(super) fn close(self) {
        (*self.stream).close();
    }
}

impl Room {
    /// Takes a stream, or drops it where there is no room in that share.
    pub(super) fn enter(&self, name: StreamName, share: Share, stream: Box<Kept>, taken: CancellationToken) -> Option<Waiting> {
        let taken = taken.drop_guard();
        // Nobody waits for room: what is to be kept is kept at once, or lost.
        let room = self.0.enter(share, 1).now_or_never()?.ok()?;
        Some(Waiting { name, stream, _room: room, _taken: taken })
    }
}

impl KeptStreams {
    /// A name for a stream.
    pub(super) fn name(&mut self, pushes: bool) -> StreamName {
        self.numbered += 1;
        StreamName { number: self.numbered, pushes }
    }

    /// Keeps one; gives back what has to go for it.
    pub(super) fn keep(&mut self, waiting: Waiting) -> Vec<Waiting> {
        // A client that comes back for pushes comes back for those it heard last.
        let mut gone = if waiting.name.pushes { self.forget_pushes() } else { Vec::new() };
        gone.extend(self.waiting.insert(waiting.name, waiting));
        while self.waiting.len() > PER_SESSION {
            gone.extend(self.waiting.pop_first().map(|(_, oldest)| oldest));
        }
        gone
    }

    /// Whether one goes on after that event.
    pub(super) fn goes_on(&self, name: StreamName, after: u64) -> bool {
        self.waiting.get(&name).is_some_and(|waiting| waiting.stream.sent.after(after).is_some())
    }

    /// Takes one that does.
    pub(super) fn take(&mut self, name: StreamName, after: u64) -> Option<Box<Kept>> {
        if !self.goes_on(name, after) {
            return None;
        }
        let Waiting { mut stream, .. } = self.waiting.remove(&name)?;
        stream.after = after;
        Some(stream)
    }

    /// Takes one away.
    pub(super) fn forget(&mut self, name: StreamName) -> Option<Waiting> {
        self.waiting.remove(&name)
    }

    /// Takes those of pushes away.
    pub(super) fn forget_pushes(&mut self) -> Vec<Waiting> {
        self.waiting.extract_if(.., |name, _| name.pushes).map(|(_, waiting)| waiting).collect()
    }

    /// Nobody comes back for any of them.
    pub(super) fn close(self) {
        self.waiting.into_values().for_each(Waiting::close);
    }
}
