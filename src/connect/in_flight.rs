//! Requests that have no answer yet: how many there may be, and how their client takes one back.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::gateway::CONNECTIONS;
use crate::protocol::RequestId;

/// Requests at once. What else has connections: the push stream, notifications and answers.
const MAX_OPEN: usize = CONNECTIONS / 2;

/// Those of one client.
#[derive(Clone, Debug, Default)]
pub(super) struct InFlight(Arc<Mutex<Vec<Open>>>);

#[derive(Debug)]
struct Open {
    id: RequestId,
    in_session: bool,
    taken_back: CancellationToken,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    all: InFlight,
    pub(super) id: RequestId,
    pub(super) taken_back: CancellationToken,
}

/// Why a request is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    #[error("a request of that id is open")]
    Twice,
    #[error("{MAX_OPEN} requests are open; wait for one to end")]
    TooMany,
}

impl InFlight {
    /// Takes a request, which belongs to a session or to none.
    pub(super) fn begin(&self, id: &RequestId, in_session: bool) -> Result<Ticket, Refused> {
        let mut open = self.0.lock();
        if open.iter().any(|known| known.id == *id) {
            return Err(Refused::Twice);
        }
        if open.len() >= MAX_OPEN {
            return Err(Refused::TooMany);
        }
        let taken_back = CancellationToken::new();
        open.push(Open { id: id.clone(), in_session, taken_back: taken_back.clone() });
        Ok(Ticket { all: self.clone(), id: id.clone(), taken_back })
    }

    /// What takes back the request of that id, and whether it belongs to a session.
    pub(super) fn find(&self, id: &RequestId) -> Option<(CancellationToken, bool)> {
        let open = self.0.lock();
        let found = open.iter().find(|known| known.id == *id)?;
        Some((found.taken_back.clone(), found.in_session))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.all.0.lock().retain(|known| known.id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::{Document, Limits};

    fn id(json: &str) -> RequestId {
        let document = Document::parse(Bytes::copy_from_slice(json.as_bytes()), Limits::default()).unwrap();
        RequestId::read(document.root()).unwrap()
    }

    #[test]
    fn an_id_is_used_once_while_it_is_open() {
        let all = InFlight::default();
        let ticket = all.begin(&id("1"), true).unwrap();
        assert_eq!(all.begin(&id("1"), false).unwrap_err(), Refused::Twice);
        let other = all.begin(&id(r#""1""#), false).unwrap();
        all.find(&id("1")).unwrap().0.cancel();
        assert!(ticket.taken_back.is_cancelled() && !other.taken_back.is_cancelled());
        drop(ticket);
        assert!(all.find(&id("1")).is_none());
        all.begin(&id("1"), true).unwrap();
    }

    #[test]
    fn their_number_is_bounded() {
        let all = InFlight::default();
        let tickets: Vec<_> = (0..MAX_OPEN).map(|number| all.begin(&id(&number.to_string()), true).unwrap()).collect();
        assert_eq!(all.begin(&id("1000"), true).unwrap_err(), Refused::TooMany);
        drop(tickets);
        all.begin(&id("1000"), true).unwrap();
    }
}
