//! The reply to one request: messages before the response go to the client as they come, the response is handed back.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::failure::Failure;
use super::gateway::{Answer, Ask, Gateway, Media};
use super::outbox::Outbox;
use super::questions::Questions;
use crate::protocol::json::{RawJson, Value};
use crate::protocol::{Message, RequestId, Shape};
use crate::upstream::Lease;
use crate::upstream::sse::{Decoder, Event};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Longest silence of a stream. The gateway says something every 15 s, if only that it lives.
const SILENCE: Duration = Duration::from_mins(2);

/// How long the end of a stream may follow its last event, for the connection to be used again.
const END: Duration = Duration::from_millis(50);

/// What is waited before a stream is taken up again, where the gateway names no time, and at the least.
const PAUSE: Duration = Duration::from_secs(1);
const LEAST: Duration = Duration::from_millis(100);

/// How often one reply is taken up again.
const MOST: u32 = 100;

/// Longest id of an event that is kept.
const LONGEST: usize = 1024;

/// Reads on behalf of one request, or of one session.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) outbox: &'a Outbox,
    /// What a session has beside requests and responses; 2026-07-28 has nothing.
    pub(super) session: Option<InSession<'a>>,
}

#[derive(Clone, Copy)]
pub(super) struct InSession<'a> {
    pub(super) number: u64,
    pub(super) questions: &'a Questions,
    /// What its requests say of it; empty before it has begun.
    pub(super) headers: &'a HeaderMap,
}

/// From where a stream is gone on with, and when.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) last: Option<HeaderValue>,
    pub(super) pause: Duration,
}

/// A stream of events.
pub(super) struct Events {
    body: Incoming,
    lease: Lease,
    decoder: Decoder,
}

impl Reader<'_> {
    /// The response to the request of that id.
    pub(super) async fn response(&self, answer: Answer, id: &RequestId) -> Result<Message, Failure> {
        let message = match (answer.status, answer.media()) {
            (StatusCode::OK, Media::Json) => self.gateway.message(answer).await?,
            (StatusCode::OK, Media::EventStream) => self.last_of(answer).await?,
            (StatusCode::NOT_FOUND, _) if self.session.is_some_and(|session| !session.headers.is_empty()) => {
                return Err(Failure::SessionGone);
            }
            (status, _) if status.is_success() => return Err(Failure::Unexpected("no response to a request")),
            _ => return Err(self.gateway.refusal(answer).await),
        };
        match (message.shape(), message.id()) {
            (Shape::Response, None) => Ok(message),
            (Shape::Response, Some(named)) if named == id => Ok(message),
            (Shape::Response, Some(_)) => Err(Failure::Unexpected("the response to another request")),
            (Shape::Notification | Shape::Request, _) => Err(Failure::Unexpected("something that is no response")),
        }
    }

    /// The response at the end of a stream, on however many connections it comes. MCP 2025-11-25, "Resumability and Redelivery".
    async fn last_of(&self, answer: Answer) -> Result<Message, Failure> {
        let (mut events, mut place, mut taken) = (Events::of(answer, self.gateway), Place::default(), 0);
        loop {
            let cut = match events.next().await {
                Ok(Some(event)) => {
                    place.note(&event);
                    if let Some(message) = self.message_in(event)? {
                        if message.shape() == Shape::Response {
                            events.finish().await;
                            return Ok(message);
                        }
                        self.relay(message).await?;
                    }
                    continue;
                }
                Ok(None) => Failure::Cut("the stream ended without a response"),
                Err(failure @ Failure::Cut(_)) => failure,
                Err(failure) => return Err(failure),
            };
            taken += 1;
            let Some((session, last)) = self.session.zip(place.last.clone()).filter(|_| taken <= MOST) else { return Err(cut) };
            tokio::time::sleep(place.pause).await;
            let answer = self.gateway.send(&resumption(session.headers, Some(last))).await?;
            if (answer.status, answer.media()) != (StatusCode::OK, Media::EventStream) {
                // SECURITY: whatever the status is, the request itself is not sent a second time.
                return Err(cut);
            }
            events = Events::of(answer, self.gateway);
        }
    }

    /// The message that an event carries, if it carries one.
    pub(super) fn message_in(&self, event: Event) -> Result<Option<Message>, Failure> {
        if event.data.is_empty() || event.event.as_deref().is_some_and(|kind| kind != "message") {
            return Ok(None);
        }
        self.gateway.parse(event.data).map(Some)
    }

    /// Hands on what is no response.
    pub(super) async fn relay(&self, mut message: Message) -> Result<(), Failure> {
        let ours = match (message.shape(), self.session) {
            (Shape::Request, None) => return Err(Failure::Unexpected("a request, which 2026-07-28 does not have")),
            (Shape::Request, Some(session)) => {
                let ours = message.id().and_then(|theirs| session.questions.ask(session.number, theirs));
                let place = message.id_place();
                if ours.is_none() {
                    tracing::warn!("the server asks more than can be open; a question is dropped");
                }
                let Some(edit) = place.zip(ours) else { return Ok(()) };
                Some(edit)
            }
            (Shape::Notification, Some(session)) if message.method() == Some("notifications/cancelled") => {
                let named = message.param("requestId");
                let theirs = named.and_then(RequestId::read);
                let ours = theirs.and_then(|theirs| session.questions.withdraw(session.number, &theirs));
                named.map(Value::id).zip(ours)
            }
            (Shape::Notification | Shape::Response, _) => None,
        };
        if let Some((place, ours)) = ours {
            let (document, edits) = message.split();
            edits.replace(document, place, RawJson::integer(ours));
        }
        self.outbox.send(message.encode()).await;
        Ok(())
    }
}

/// The request for what comes after an event, or for what belongs to no request.
pub(super) fn resumption(session: &HeaderMap, last: Option<HeaderValue>) -> Ask {
    let mut headers = session.clone();
    if let Some(last) = last {
        headers.insert(LAST_EVENT_ID, last);
    }
    Ask { method: Method::GET, headers, body: Bytes::new() }
}

impl Default for Place {
    fn default() -> Self {
        Self { last: None, pause: PAUSE }
    }
}

impl Place {
    /// Notes what an event says about coming back.
    pub(super) fn note(&mut self, event: &Event) {
        if let Some(id) = &event.id {
            // An empty one takes the last back, and one that cannot stand in a header is none.
            self.last = HeaderValue::from_str(id).ok().filter(|id| !id.is_empty() && id.len() <= LONGEST);
        }
        if let Some(retry) = event.retry {
            self.pause = Duration::from_millis(retry).clamp(LEAST, Duration::from_mins(5));
        }
    }
}

impl Events {
    pub(super) fn of(answer: Answer, gateway: &Gateway) -> Self {
        Self { body: answer.body, lease: answer.lease, decoder: Decoder::new(gateway.max_message()) }
    }

    /// The next one; `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            match self.decoder.next_event() {
                Ok(Some(event)) => return Ok(Some(event)),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "an event stream cannot be read");
                    return Err(Failure::Unexpected("an event stream that cannot be read"));
                }
            }
            let frame =
                timeout(SILENCE, self.body.frame()).await.map_err(|_elapsed| Failure::Cut("nothing came for too long"))?;
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.decoder.push(&data);
                    }
                }
                Some(Err(_)) => return Err(Failure::Cut("the connection broke")),
                None if self.decoder.is_mid_event() => return Err(Failure::Cut("the connection ended within an event")),
                None => return Ok(None),
            }
        }
    }

    /// Gives the connection back, where nothing follows.
    async fn finish(mut self) {
        if let Ok(None) = timeout(END, self.body.frame()).await {
            self.lease.give_back();
        }
    }
}
