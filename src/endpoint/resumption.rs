//! Streams that clients come back for: kept with their session, claimed by the id of an event.

use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio_util::sync::CancellationToken;

use super::headers::SESSION_ID;
use crate::chain::{Claim, Keeper, Kept, McpResponse, Reason, ReplyTo, ResponseBody};
use crate::protocol::{Method, ProtocolVersion};
use crate::session::{Sessions, StreamName};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How long a stream waits for its client. It holds a place at its server, and the room that its call has.
const LIFE: Duration = Duration::from_mins(2);

/// A place in a session.
#[derive(Debug)]
struct Place {
    sessions: Weak<Sessions>,
    session: HeaderValue,
    name: StreamName,
}

impl Keeper for Place {
    fn event_id(&self, event: u64) -> String {
        format!("{}.{event}", self.name)
    }

    fn keep(&self, kept: Box<Kept>) {
        let Some(sessions) = self.sessions.upgrade() else { return };
        let (taken, polling) = (CancellationToken::new(), Arc::clone(&kept.polling));
        let (watched, session, name) = (taken.clone(), self.session.clone(), self.name);
        let weak = Weak::clone(&self.sessions);
        let forget = move || {
            if let Some(sessions) = weak.upgrade() {
                sessions.forget_kept(&session, name, &watched);
            }
        };
        if polling.watch(LIFE, taken.clone(), forget) {
            sessions.keep(&self.session, self.name, kept, taken);
        }
    }
}

/// Lets a stream of this session outlive its connection. Only from 2025-11-25 on do clients expect an event without a message; for the
/// others the server is polled by us.
pub(super) fn let_keep(response: &McpResponse, sessions: &Arc<Sessions>, session: &HeaderValue, answers: &ReplyTo) {
    let polling = response.polling.as_ref().filter(|_| matches!(response.body, ResponseBody::Stream(_)));
    let Some(polling) = polling.filter(|_| answers.version == ProtocolVersion::V2025_11_25) else { return };
    // A copy: what the HTTP library hands out keeps its whole read buffer alive.
    let copy = HeaderValue::from_bytes(session.as_bytes()).ok();
    if let Some((session, name)) = copy.zip(sessions.name_stream(session, answers.method == Method::Push)) {
        polling.kept_by(Arc::new(Place { sessions: Arc::downgrade(sessions), session, name }));
    }
}

/// The stream that a GET comes back for, if it does. It stays where it is until the request has passed the chain.
///
/// Whoever is too late for a stream of pushes gets a new one, as from a server that keeps nothing: clients that are refused here do not
/// ask again, and would hear nothing for the rest of their session.
pub(super) fn claim(sessions: &Arc<Sessions>, headers: &HeaderMap) -> Result<Option<Claim>, Reason> {
    let mut events = headers.get_all(&LAST_EVENT_ID).iter();
    let session = headers.get(&SESSION_ID).ok_or(Reason::MissingSession)?;
    let Some(event) = events.next() else {
        sessions.forget_pushes(session);
        return Ok(None);
    };
    let named = event.to_str().ok().filter(|_| events.next().is_none()).and_then(|id| id.split_once('.'));
    let named = named.and_then(|(stream, event)| Some((stream.parse::<StreamName>().ok()?, event.parse().ok()?)));
    let (stream, event) = named.ok_or(Reason::UnknownEvent)?;
    if !sessions.has_kept(session, stream, event) {
        if !stream.pushes {
            return Err(Reason::UnknownEvent);
        }
        sessions.forget_pushes(session);
        return Ok(None);
    }
    let (sessions, session) = (Arc::clone(sessions), session.clone());
    Ok(Some(Claim::new(move || sessions.take_kept(&session, stream, event))))
}
