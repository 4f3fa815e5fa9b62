//! Revisions up to 2025-11-25: one session at the gateway, its stream of pushed messages, and a new one where the gateway has lost it.
//!
//! A gateway that was started again knows no session. Its client is told 404 and has to shake hands again; a desktop client cannot, for to
//! it this process is the server and never went away. So the handshake is kept and made again, and with it what the client has set up:
//! subscriptions and the log level. MCP 2025-11-25, "Session Management".

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod, StatusCode};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::timeout;

use super::failure::Failure;
use super::gateway::{Ask, Gateway};
use super::outbox::Outbox;
use super::questions::Questions;
use super::reply::{InSession, Reader};
use crate::protocol::json::{Limits, RawJson, Value};
use crate::protocol::{Message, RequestId, Side};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Longest session id.
const LONGEST: usize = 1024;

/// Subscriptions that are made again in a new session.
const MAX_LASTING: usize = 1000;

/// How long the end of a session may take when this process ends.
const GOODBYE: Duration = Duration::from_secs(2);

/// What a client says when it has the answer to its handshake.
const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The one session of a client.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) gateway: Arc<Gateway>,
    pub(super) outbox: Outbox,
    questions: Questions,
    state: Mutex<State>,
    /// One renewal at a time.
    renewal: tokio::sync::Mutex<()>,
    /// The last session whose client has said that it is ready.
    ready: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    /// Counts sessions; 0 before the first.
    number: u64,
    /// What its requests say of it.
    headers: HeaderMap,
    /// The `initialize` of the client, and the revision that was agreed on.
    handshake: Option<(Arc<Message>, String)>,
    /// Requests whose effect outlives them, by what they are about.
    lasting: BTreeMap<String, Bytes>,
}

impl Session {
    pub(super) fn new(gateway: Arc<Gateway>, outbox: Outbox) -> Self {
        let (questions, state, renewal) = (Questions::default(), Mutex::default(), tokio::sync::Mutex::default());
        Self { gateway, outbox, questions, state, renewal, ready: watch::Sender::default() }
    }

    /// The number of the session there is now; 0 before the first.
    pub(super) fn number(&self) -> u64 {
        self.state.lock().number
    }

    /// Tells the number of each session whose client is ready.
    pub(super) fn ready(&self) -> watch::Receiver<u64> {
        self.ready.subscribe()
    }

    /// The response to a request; in a new session, if there is need of one.
    pub(super) async fn request(&self, message: &Message, id: &RequestId) -> Result<Message, Failure> {
        if message.method() == Some("initialize") {
            return self.begin(message, id).await;
        }
        let number = self.number();
        let response = match self.exchange(message.original().clone(), id).await {
            // It was not carried out: the gateway looks for the session first.
            Err(Failure::SessionGone) => {
                self.renew(number).await?;
                self.exchange(message.original().clone(), id).await?
            }
            other => other?,
        };
        if response.result().is_some() {
            self.remember(message);
        }
        Ok(response)
    }

    /// Hands on a notification.
    pub(super) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        let number = self.number();
        let is_ready = message.method() == Some("notifications/initialized");
        match self.post(message.original().clone()).await {
            Ok(()) if is_ready => drop(self.ready.send_replace(number)),
            // The new session has been told so.
            Err(Failure::SessionGone) if is_ready => self.renew(number).await?,
            Err(Failure::SessionGone) => {
                self.renew(number).await?;
                self.post(message.original().clone()).await?;
            }
            other => other?,
        }
        Ok(())
    }

    /// Hands on the answer to a question of the server's, if it is still one.
    pub(super) async fn answer(&self, mut message: Message) -> Result<(), Failure> {
        let number = self.number();
        let theirs = message.id().and_then(|ours| self.questions.answer(number, ours));
        let Some((theirs, place)) = theirs.zip(message.id_place()) else {
            tracing::info!("an answer to no open question is dropped");
            return Ok(());
        };
        let (document, edits) = message.split();
        edits.replace(document, place, RawJson::id(&theirs));
        self.post(message.encode()).await
    }

    /// Says goodbye, if there is anybody to say it to.
    pub(super) async fn end(&self) {
        let headers = self.headers();
        if headers.contains_key(SESSION_ID) {
            let ask = Ask { method: HttpMethod::DELETE, headers, body: Bytes::new() };
            if !matches!(timeout(GOODBYE, self.gateway.send(&ask)).await, Ok(Ok(_))) {
                tracing::info!("the gateway did not hear that the session is over; it will expire");
            }
        }
    }

    /// Begins a session anew in place of the one of that number, unless somebody has already.
    pub(super) async fn renew(&self, number: u64) -> Result<(), Failure> {
        let _one = self.renewal.lock().await;
        if self.number() != number {
            return Ok(());
        }
        let (handshake, agreed) = {
            let state = self.state.lock();
            state.handshake.clone().ok_or(Failure::SessionGone)?
        };
        tracing::warn!("the gateway does not know the session any more; beginning another");
        let id = handshake.id().ok_or(Failure::SessionGone)?;
        let answer = self.gateway.send(&post(HeaderMap::new(), handshake.original().clone())).await?;
        let headers = answer.headers.clone();
        let response = self.reader(&HeaderMap::new(), number).response(answer, id).await?;
        let refused = response.error().map(|error| error.get("message").and_then(Value::as_str).unwrap_or("refused").to_owned());
        if let Some(refused) = refused {
            return Err(Failure::NotRenewed(refused));
        }
        let version = agreed_version(&response).filter(|version| *version == agreed);
        let version = version.ok_or_else(|| Failure::NotRenewed("the server now speaks another revision".to_owned()))?;
        let next = self.adopt(&headers, &handshake, version)?;
        self.post(Bytes::from_static(INITIALIZED)).await?;
        self.set_up_again().await;
        self.tell_the_client(next, &response).await;
        // Last: whoever waits for it may drop what has begun the renewal.
        self.ready.send_replace(next);
        Ok(())
    }

    /// For what this session has beside requests and responses.
    pub(super) fn reader<'a>(&'a self, headers: &'a HeaderMap, number: u64) -> Reader<'a> {
        let session = InSession { number, questions: &self.questions, headers };
        Reader { gateway: &self.gateway, outbox: &self.outbox, session: Some(session) }
    }

    /// What requests of the session say of it.
    pub(super) fn headers(&self) -> HeaderMap {
        self.state.lock().headers.clone()
    }

    /// The client's own handshake.
    async fn begin(&self, message: &Message, id: &RequestId) -> Result<Message, Failure> {
        let answer = self.gateway.send(&post(HeaderMap::new(), message.original().clone())).await?;
        let headers = answer.headers.clone();
        let response = self.reader(&HeaderMap::new(), self.number()).response(answer, id).await?;
        if let Some(version) = agreed_version(&response) {
            let limits = Limits { string: usize::MAX, ..Limits::default() };
            let handshake = Message::parse(message.original().clone(), limits, Side::Client)?;
            self.adopt(&headers, &Arc::new(handshake), version)?;
        }
        Ok(response)
    }

    /// Takes the session that a handshake has led to; its number.
    fn adopt(&self, reply: &HeaderMap, handshake: &Arc<Message>, version: String) -> Result<u64, Failure> {
        let mut headers = HeaderMap::new();
        let mut ids = reply.get_all(SESSION_ID).iter();
        if let Some(id) = ids.next() {
            let id = HeaderValue::from_bytes(id.as_bytes()).ok().filter(|id| ids.next().is_none() && id.len() <= LONGEST);
            headers.insert(SESSION_ID, id.ok_or(Failure::Unexpected("a session id that cannot be one"))?);
        }
        headers.insert(PROTOCOL_VERSION, HeaderValue::from_str(&version).map_err(|_unprintable| Failure::NoHeader)?);
        let mut state = self.state.lock();
        state.number += 1;
        state.headers = headers;
        state.handshake = Some((Arc::clone(handshake), version));
        Ok(state.number)
    }

    async fn exchange(&self, body: Bytes, id: &RequestId) -> Result<Message, Failure> {
        let (number, headers) = {
            let state = self.state.lock();
            (state.number, state.headers.clone())
        };
        let answer = self.gateway.send(&post(headers.clone(), body)).await?;
        self.reader(&headers, number).response(answer, id).await
    }

    /// Posts what has no response.
    async fn post(&self, body: Bytes) -> Result<(), Failure> {
        let headers = self.headers();
        let in_session = headers.contains_key(SESSION_ID);
        let answer = self.gateway.send(&post(headers, body)).await?;
        match answer.status {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND if in_session => Err(Failure::SessionGone),
            _ => Err(self.gateway.refusal(answer).await),
        }
    }

    /// Notes what a new session would have to be told again.
    fn remember(&self, message: &Message) {
        let uri = message.param("uri").and_then(Value::as_str);
        let (key, lasts) = match (message.method(), uri) {
            (Some("resources/subscribe"), Some(uri)) => (format!("resource {uri}"), true),
            (Some("resources/unsubscribe"), Some(uri)) => (format!("resource {uri}"), false),
            (Some("logging/setLevel"), _) => ("level".to_owned(), true),
            _ => return,
        };
        let mut state = self.state.lock();
        state.lasting.remove(&key);
        if lasts && state.lasting.len() < MAX_LASTING {
            state.lasting.insert(key, message.original().clone());
        }
    }

    /// Makes the client's subscriptions again. One that fails is told in the log: its client waits for what will not come.
    async fn set_up_again(&self) {
        let lasting = self.state.lock().lasting.clone();
        for (what, body) in lasting {
            let Ok(message) = Message::parse(body, Limits::default(), Side::Client) else { continue };
            let Some(id) = message.id() else { continue };
            let made = self.exchange(message.original().clone(), id).await;
            if !made.is_ok_and(|response| response.result().is_some()) {
                tracing::warn!(what, "could not be set up again in the new session");
            }
        }
    }

    /// What has become of questions and lists.
    async fn tell_the_client(&self, number: u64, response: &Message) {
        for ours in self.questions.forget_before(number) {
            let reason = "the session in which this was asked is over";
            let cancelled = format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{ours},"reason":"{reason}"}}}}"#
            );
            self.outbox.send(Bytes::from(cancelled)).await;
        }
        for kind in ["prompts", "resources", "tools"] {
            let changes = response.result().and_then(|result| result.path(&["capabilities", kind, "listChanged"]));
            if changes.and_then(Value::as_bool) == Some(true) {
                let notification = format!(r#"{{"jsonrpc":"2.0","method":"notifications/{kind}/list_changed"}}"#);
                self.outbox.send(Bytes::from(notification)).await;
            }
        }
    }
}

fn post(headers: HeaderMap, body: Bytes) -> Ask {
    Ask { method: HttpMethod::POST, headers, body }
}

/// The revision that the response to a handshake names.
fn agreed_version(response: &Message) -> Option<String> {
    response.result()?.get("protocolVersion")?.as_str().map(str::to_owned)
}
