//! One call, or one stream, that is open on a connection.

use super::inbox::{Backlog, Inbox, Reader, inbox};
use crate::chain::{Reason, ServerMessage};
use crate::protocol::RequestId;

/// What is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A request that is answered.
    Call,
    /// A `subscriptions/listen`.
    Listen,
    /// The stream of a session on which its server pushes: no request of the connection.
    Push,
}

/// What the client calls it.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) id: Option<RequestId>,
    /// By what the client wants to be told of its progress.
    pub(super) token: Option<RequestId>,
}

/// See the module.
pub(super) struct Open {
    pub(super) kind: Kind,
    pub(super) names: Names,
    pub(super) session: Option<u64>,
    inbox: Inbox,
}

impl Open {
    pub(super) fn new(kind: Kind, names: Names, session: Option<u64>) -> (Self, Reader) {
        let (inbox, reader) = inbox();
        (Self { kind, names, session, inbox }, reader)
    }

    /// The response, which ends it.
    pub(super) fn give(self, message: ServerMessage, backlog: &Backlog) {
        self.inbox.give(message, backlog);
    }

    /// Another message. False if there is no room for it.
    pub(super) fn tell(&self, message: ServerMessage, backlog: &Backlog) -> bool {
        self.inbox.tell(message, backlog)
    }

    /// Whether it has yet to read that the list of that number has changed.
    pub(super) fn knows_change(&self, list: usize) -> bool {
        self.inbox.knows_change(list)
    }

    /// A message that the list of that number has changed. False if there is no room for it.
    pub(super) fn tell_change(&self, list: usize, message: ServerMessage, backlog: &Backlog) -> bool {
        self.inbox.tell_change(list, message, backlog)
    }

    /// It ends without a response.
    pub(super) fn fail(self, reason: Reason) {
        self.inbox.fail(reason);
    }
}
