//! HTTP+SSE, the transport of 2024-11-05, at `/mcp/<server>/sse`: a GET opens a stream whose first event names where to POST; a POST is
//! answered by 202, and what answers its message leaves on the stream.
//!
//! Every POST is a call of its own: authenticated, judged and recorded like any other. Until its message is read and found to be of the
//! caller's own session it is refused by HTTP status; from there on everything is said on the stream. A message is paired with what
//! answers it by the call itself, so that layers see request and reply and not two exchanges.
//!
//! What the server says without being asked has no request of the client's here. It is asked for on behalf of the client with the head
//! of one of its POSTs, as a GET that passes the whole chain (`answer.rs`).

mod answer;
mod body;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderValue, Method};
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

pub(super) use body::ChannelBody;

use super::headers::{self, Era, SESSION_ID};
use super::sse::{self, EventFields};
use crate::chain::{Channel, Outlet, PushTurn, Reason, Rejection, Route, Shown, Turn};
use crate::layers::authn::Principal;
use crate::places::Share;
use crate::protocol::{Message, ProtocolVersion, Shape, code};
use crate::session::{Greeting, Session, Sessions};

/// What stands before the id of a session in the URI to POST to.
const QUERY: &str = "sessionId=";

/// A message whose answer leaves on a stream.
#[derive(Debug)]
pub(super) struct Accepted {
    outlet: Outlet,
    /// Its place among the requests of the session.
    place: Option<OwnedSemaphorePermit>,
    /// Whether the server is to be asked for what it pushes.
    pushes: Option<PushTurn>,
}

/// Takes the word of the station that reads messages to the edge, which answers while the message goes on.
#[derive(Clone, Debug)]
struct Notice(Arc<Mutex<Option<oneshot::Sender<Accepted>>>>);

impl Notice {
    fn new() -> (Self, oneshot::Receiver<Accepted>) {
        let (sender, receiver) = oneshot::channel();
        (Self(Arc::new(Mutex::new(Some(sender)))), receiver)
    }
}

/// What the head of a POST must have: a session, or a client of Streamable HTTP learns by 405 that this is not its transport.
pub(super) fn check_post(headers: &HeaderMap) -> Result<(), Reason> {
    if headers.contains_key(&SESSION_ID) { headers::check_content(headers) } else { Err(Reason::MethodNotAllowed) }
}

/// Whether this GET opens a session; one that names a session asks for its pushes, and is our own.
pub(super) fn opens(head: &Parts, route: &Route) -> bool {
    route.legacy_sse && !head.headers.contains_key(&SESSION_ID)
}

/// Puts the session that the URI names where every other transport has it. A header of the client's means nothing here.
fn name_session(head: &mut Parts) {
    head.headers.remove(&SESSION_ID);
    let Some(query) = head.uri.query().filter(|_| head.method == Method::POST) else { return };
    // A query of another form is an id that nobody has.
    if let Ok(id) = HeaderValue::from_str(query.strip_prefix(QUERY).unwrap_or(query)) {
        head.headers.insert(SESSION_ID, id);
    }
}

/// The stream for a GET, whose first event says where to POST. Its session is in the table only once [`register`] has put it there.
pub(super) async fn open(
    sessions: &Arc<Sessions>,
    route: &Route,
    bytes: usize,
    principal: &Principal,
) -> Result<(HeaderValue, Box<Channel>, Outlet), Rejection> {
    let id = Sessions::draw().map_err(|_random| Rejection::internal("session id"))?;
    let (channel, outlet) = Channel::open(bytes, shown(principal), (sessions.unsaid().clone(), Share::of(principal)));
    let (table, ended) = (Arc::downgrade(sessions), id.clone());
    let channel = channel.at_end(move |because| {
        if let Some(sessions) = table.upgrade() {
            sessions.end_because(&ended, &because);
        }
    });
    let first = endpoint_event(route, &id);
    outlet.say(first, None).await.map_err(|_closed| Rejection::internal("session stream"))?;
    Ok((id, Box::new(channel), outlet))
}

/// Where to POST: on this origin, whatever name the client knows it by.
fn endpoint_event(route: &Route, id: &HeaderValue) -> Bytes {
    let after_scheme = route.resource.find("://").map_or(0, |scheme| scheme + 3);
    let path = route.resource.get(after_scheme..).and_then(|rest| rest.get(rest.find('/')?..)).unwrap_or_default();
    let uri = format!("{path}/sse?{QUERY}{}", id.to_str().unwrap_or_default());
    let mut event = BytesMut::new();
    sse::encode_event_with(&mut event, EventFields { event: Some("endpoint"), ..EventFields::default() }, uri.as_bytes());
    event.freeze()
}

/// From here on what answers `message` leaves on the stream of its session, and its POST is answered.
pub(super) fn accept(
    extensions: &Extensions,
    session: &mut Session,
    message: &Message,
    (principal, received): (&Principal, Timestamp),
) -> Result<(), Reason> {
    let outlet = session.outlet.clone().filter(|outlet| !outlet.is_lost()).ok_or(Reason::SessionNotFound)?;
    let place = match message.shape() {
        Shape::Request => Some(outlet.enter().ok_or(Reason::Overloaded)?),
        // These have no answer that could wait, and free what waits.
        Shape::Notification | Shape::Response => None,
    };
    outlet.is_shown(shown(principal), received);
    // Before the POST is answered: only then does the client send the next.
    session.turn = Some(Arc::new(outlet.turn(place.is_none())));
    let pushes = if session.begun { outlet.ask_for_pushes() } else { None };
    let notice = extensions.get::<Notice>().and_then(|notice| notice.0.lock().take());
    // Without a receiver the client is gone, and what answers the message is dropped with the future that it runs in.
    let _unheard = notice.map(|notice| notice.send(Accepted { outlet, place, pushes }));
    Ok(())
}

/// The turn of a message in its session, and the handshake if it is that, to be held until it is settled here and at the server.
pub(super) fn turn(session: Option<&Session>) -> (Option<Arc<Turn>>, Option<Arc<Greeting>>) {
    session.map_or((None, None), |session| (session.turn.clone(), session.greeting.clone()))
}

/// Lets a message go on when its turn has come.
pub(super) async fn wait(turn: Option<&Turn>) {
    if let Some(turn) = turn {
        turn.come().await;
    }
}

/// The revision of a message in a session that has begun, or begins with it.
pub(super) fn revision(era: &Result<Era, Reason>, session: &mut Session) -> Result<ProtocolVersion, Reason> {
    let out_of_turn = |what: &str| Err(Reason::Malformed(code::INVALID_REQUEST, what.to_owned()));
    match era {
        Ok(Era::Handshake(_)) if session.begun => out_of_turn("the session has begun already"),
        Ok(Era::Handshake(version)) => {
            session.greeting = session.live.greet().map(Arc::new);
            if session.greeting.is_some() { Ok(*version) } else { out_of_turn("the session is beginning already") }
        }
        Ok(Era::Legacy) if session.begun => Ok(session.version),
        Ok(Era::Legacy) => out_of_turn("a session begins with `initialize`"),
        // A client that probes for the stateless revision is told what a server that has never heard of it would say.
        Ok(Era::Modern(_)) | Err(_) => Err(Reason::UnknownMethod),
    }
}

/// The credential of a request.
fn shown(principal: &Principal) -> Shown {
    let (until, principal) = (principal.expires(), principal.clone());
    Shown { until, holds: Arc::new(move |now| principal.holds(now)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(resource: &str) -> Route {
        let (resource, metadata_url) = (resource.to_owned(), String::new());
        Route { resource, metadata_url, server: None, audiences: Vec::new(), legacy_sse: true }
    }

    #[test]
    fn clients_post_to_the_origin_that_they_know() {
        let id = HeaderValue::from_static("abc");
        let named = |resource| endpoint_event(&route(resource), &id);
        assert_eq!(named("https://mcp.example.com/mcp/crm"), "event: endpoint\ndata: /mcp/crm/sse?sessionId=abc\n\n");
        assert_eq!(named("https://example.com/gw/mcp/crm"), "event: endpoint\ndata: /gw/mcp/crm/sse?sessionId=abc\n\n");
    }

    #[test]
    fn a_session_is_named_by_the_query_and_nothing_else() {
        let named = |method: &str, uri: &str| {
            let request = http::Request::builder().method(method).uri(uri).header(SESSION_ID, "forged");
            let mut head = request.body(()).unwrap().into_parts().0;
            name_session(&mut head);
            head.headers.get(&SESSION_ID).map(|id| id.to_str().unwrap().to_owned())
        };
        assert_eq!(named("POST", "/mcp/crm/sse?sessionId=abc").as_deref(), Some("abc"));
        assert_eq!(named("POST", "/mcp/crm/sse?sessionId=abc&x=y").as_deref(), Some("abc&x=y"), "no id of ours");
        assert_eq!(named("POST", "/mcp/crm/sse?x=y&sessionId=abc").as_deref(), Some("x=y&sessionId=abc"), "no id of ours");
        assert_eq!(named("POST", "/mcp/crm/sse"), None);
        assert_eq!(named("GET", "/mcp/crm/sse?sessionId=abc"), None, "a GET opens a stream of its own");
    }
}
