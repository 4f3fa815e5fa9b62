//! What travels outward: one message or a stream of them, by the same function in every layer.
//!
//! - **One function for both shapes**: [`McpResponse::map_messages`], or [`McpResponse::then_messages`] where it has to wait for
//!   something; a layer cannot forget the streaming case.
//! - **Back-pressure is free**: nothing is pulled until the client's socket has room, nothing is held beyond one message, but for what may go on in the
//!   next (`holding.rs`).
//! - **Cancel is drop**: dropping the body drops the stream, which drops the upstream request. A stream of a
//!   session that its client may come back for is kept instead (`polling.rs`).
//! - **A refusal in mid-stream** ends the stream; the edge writes it as the final message.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderValue, StatusCode};

use super::changes::Telling;
use super::holding::{Hold, Holding};
use super::{Changes, Channel, Kept, Polling, Rejection};
use crate::places::Place;
use crate::protocol::{ListKind, Message, RequestId, Shape};

/// What goes back to the client.
#[derive(Debug)]
pub struct McpResponse {
    /// The answer.
    pub body: ResponseBody,
    /// A session id to tell: the upstream's on the way from it, the gateway's own after decode has replaced it.
    pub session: Option<HeaderValue>,
    /// The two ends of a stream of a session, where the server may leave it and come back.
    pub polling: Option<Arc<Polling>>,
}

/// The answer itself.
pub enum ResponseBody {
    /// A notification was taken: 202, no body.
    Accepted,
    /// A session was ended: 200, no body.
    Ended,
    /// One message. The status is 200, or what a modern server gave with its JSON-RPC error (400, 404): clients decide on their
    /// fallback to a legacy revision by it.
    Json(StatusCode, ServerMessage),
    /// The stream of an HTTP+SSE session that was opened. What is told on it was judged with other calls; nothing of it is the server's.
    Opened(Box<Channel>),
    /// The rest of a stream that the client has come back for. It belongs to another call, whose layers it has behind it: no layer of
    /// this one touches it.
    Resumed(Box<Kept>),
    /// Notifications, then the response.
    Stream(MessageStream),
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "Accepted",
            Self::Ended => "Ended",
            Self::Json(..) => "Json",
            Self::Opened(_) => "Opened",
            Self::Resumed(_) => "Resumed",
            Self::Stream(_) => "Stream",
        })
    }
}

/// Messages of a streamed reply.
pub type MessageStream = Pin<Box<dyn Stream<Item = Result<ServerMessage, Rejection>> + Send>>;

/// One message from a server, and how to answer it if it is a question.
#[derive(Debug)]
pub struct ServerMessage {
    /// The message. On the heap, for every layer hands it on.
    pub message: Box<Message>,
    /// Takes the answer to a request that the server makes of the client; `None` for everything else.
    pub responder: Option<Arc<dyn Responder>>,
    /// Its part of the memory for large replies, until the client has taken it.
    pub memory: Option<Place>,
}

/// Takes an answer to a request that a server has made, by the server's own id.
pub trait Responder: fmt::Debug + Send + Sync {
    /// Sends a JSON-RPC error back to the server, in the background.
    fn refuse(&self, id: &RequestId, code: i64, message: &'static str);

    /// Sends an empty result back to the server, in the background.
    fn acknowledge(&self, id: &RequestId);
}

impl ServerMessage {
    /// A message that is not a question, or that nobody will answer.
    pub fn new(message: Message) -> Self {
        Self { message: Box::new(message), responder: None, memory: None }
    }

    /// Tells the server that nobody answers its question. If it is none, or nobody takes answers, nothing happens.
    pub fn refuse(&self, code: i64, text: &'static str) {
        if let Some((responder, id)) = self.responder.as_ref().zip(self.message.id()) {
            responder.refuse(id, code, text);
        }
    }

    /// Gives the server a sign of life; false if nobody takes answers.
    pub fn acknowledge(&self) -> bool {
        let asked = self.responder.as_ref().zip(self.message.id());
        asked.inspect(|(responder, id)| responder.acknowledge(id)).is_some()
    }

    /// Whether this is the response that ends the exchange.
    pub fn is_final(&self) -> bool {
        self.message.shape() == Shape::Response
    }
}

impl McpResponse {
    /// An answer with one message and status 200.
    pub fn json(message: Message) -> Self {
        Self { body: ResponseBody::Json(StatusCode::OK, ServerMessage::new(message)), session: None, polling: None }
    }

    /// The rest of a stream.
    pub fn resumed(kept: Box<Kept>) -> Self {
        Self { body: ResponseBody::Resumed(kept), session: None, polling: None }
    }

    /// The stream of a session.
    pub fn opened(channel: Box<Channel>) -> Self {
        Self { body: ResponseBody::Opened(channel), session: None, polling: None }
    }

    /// An answer to a notification.
    pub fn accepted() -> Self {
        Self { body: ResponseBody::Accepted, session: None, polling: None }
    }

    /// Applies `f` to the single reply, or to each message of a stream as it passes. `Ok(None)` drops a message; the response
    /// itself cannot be dropped, since a client would wait for it for ever: that ends the exchange with an internal error.
    /// The stream ends at the first error.
    pub fn map_messages<F>(self, mut f: F) -> Result<Self, Rejection>
    where
        F: FnMut(ServerMessage) -> Result<Option<ServerMessage>, Rejection> + Send + 'static,
    {
        let Self { body, session, polling } = self;
        let body = match body {
            ResponseBody::Accepted | ResponseBody::Ended | ResponseBody::Opened(_) | ResponseBody::Resumed(_) => body,
            ResponseBody::Json(status, message) => match f(message)? {
                Some(message) => ResponseBody::Json(status, message),
                None => return Err(Rejection::internal("a layer dropped the response")),
            },
            ResponseBody::Stream(inner) => ResponseBody::Stream(Box::pin(Mapped { inner, f: Some(f) })),
        };
        Ok(Self { body, session, polling })
    }

    /// Has its stream, if it is one, wait with what `hold` says.
    #[must_use]
    pub fn holding(self, hold: impl Hold) -> Self {
        self.with_stream(|inner| Box::pin(Holding::new(inner, hold)))
    }

    fn with_stream(self, wrap: impl FnOnce(MessageStream) -> MessageStream) -> Self {
        let Self { body, session, polling } = self;
        let body = match body {
            ResponseBody::Stream(inner) => ResponseBody::Stream(wrap(inner)),
            ResponseBody::Accepted
            | ResponseBody::Ended
            | ResponseBody::Json(..)
            | ResponseBody::Opened(_)
            | ResponseBody::Resumed(_) => body,
        };
        Self { body, session, polling }
    }

    /// Whether it lies open: something may come of it yet.
    pub fn is_open(&self) -> bool {
        match &self.body {
            ResponseBody::Opened(_) | ResponseBody::Resumed(_) | ResponseBody::Stream(_) => true,
            ResponseBody::Accepted | ResponseBody::Ended | ResponseBody::Json(..) => false,
        }
    }

    /// Has its stream, if it is one, tell of `changes` between the messages of the server, as `say` writes them.
    #[must_use]
    pub fn telling<F>(self, changes: Changes, say: F) -> Self
    where
        F: Fn(ListKind) -> Option<ServerMessage> + Send + 'static,
    {
        self.with_stream(|inner| Box::pin(Telling { inner, changes, say, ended: false }))
    }

    /// As [`McpResponse::map_messages`], with a function that waits: the next message is not pulled before it is done with this one, and whoever drops the reply
    /// drops it where it stands. A box a message, so only for layers that have something to wait for.
    pub async fn then_messages<F, W>(self, mut f: F) -> Result<Self, Rejection>
    where
        F: FnMut(ServerMessage) -> W + Send + 'static,
        W: Future<Output = Result<Option<ServerMessage>, Rejection>> + Send + 'static,
    {
        let Self { body, session, polling } = self;
        let body = match body {
            ResponseBody::Accepted | ResponseBody::Ended | ResponseBody::Opened(_) | ResponseBody::Resumed(_) => body,
            ResponseBody::Json(status, message) => match f(message).await? {
                Some(message) => ResponseBody::Json(status, message),
                None => return Err(Rejection::internal("a layer dropped the response")),
            },
            ResponseBody::Stream(inner) => ResponseBody::Stream(Box::pin(stream::unfold(Some((inner, f)), next_of))),
        };
        Ok(Self { body, session, polling })
    }
}

/// The next message that `f` lets pass, and what is left; nothing is left after an error.
async fn next_of<F, W>(
    state: Option<(MessageStream, F)>,
) -> Option<(Result<ServerMessage, Rejection>, Option<(MessageStream, F)>)>
where
    F: FnMut(ServerMessage) -> W,
    W: Future<Output = Result<Option<ServerMessage>, Rejection>>,
{
    let (mut inner, mut f) = state?;
    loop {
        let message = match inner.next().await? {
            Ok(message) => message,
            Err(rejection) => return Some((Err(rejection), None)),
        };
        let is_final = message.is_final();
        match f(message).await {
            Ok(Some(message)) => return Some((Ok(message), Some((inner, f)))),
            Ok(None) if is_final => return Some((Err(Rejection::internal("a layer dropped the response")), None)),
            Ok(None) => {}
            Err(rejection) => return Some((Err(rejection), None)),
        }
    }
}

/// A stream with a function applied to each message.
struct Mapped<F> {
    inner: MessageStream,
    /// `None` after the end, or after an error.
    f: Option<F>,
}

// The function is never pinned.
impl<F> Unpin for Mapped<F> {}

impl<F> Stream for Mapped<F>
where
    F: FnMut(ServerMessage) -> Result<Option<ServerMessage>, Rejection> + Send,
{
    type Item = Result<ServerMessage, Rejection>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(f) = this.f.as_mut() else {
                return Poll::Ready(None);
            };
            let item = match this.inner.as_mut().poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(item) => item,
            };
            let mapped = match item {
                None => {
                    this.f = None;
                    return Poll::Ready(None);
                }
                Some(Err(rejection)) => Err(rejection),
                Some(Ok(message)) => {
                    let is_final = message.is_final();
                    match f(message) {
                        Ok(None) if is_final => Err(Rejection::internal("a layer dropped the response")),
                        Ok(None) => continue,
                        Ok(Some(message)) => Ok(message),
                        Err(rejection) => Err(rejection),
                    }
                }
            };
            if mapped.is_err() {
                this.f = None;
            }
            return Poll::Ready(Some(mapped));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use bytes::Bytes;
    use futures_util::FutureExt as _;

    use super::*;
    use crate::chain::Reason;
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    fn message(text: String) -> ServerMessage {
        ServerMessage::new(Message::parse(Bytes::from(text), Limits::default(), Side::Server).unwrap())
    }

    fn note(level: &str) -> ServerMessage {
        message(format!(r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"{level}"}}}}"#))
    }

    fn last() -> ServerMessage {
        message(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#.to_owned())
    }

    /// A reply of these messages, and how many were pulled.
    fn reply(messages: Vec<ServerMessage>) -> (McpResponse, Arc<AtomicUsize>) {
        let pulled = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&pulled);
        let inner = stream::iter(messages).map(move |message| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(message)
        });
        (McpResponse { body: ResponseBody::Stream(Box::pin(inner)), session: None, polling: None }, pulled)
    }

    async fn levels(response: McpResponse) -> Vec<String> {
        let ResponseBody::Stream(stream) = response.body else { panic!("no stream") };
        let word = |item: Result<ServerMessage, Rejection>| match item {
            Ok(message) if message.is_final() => "final".to_owned(),
            Ok(message) => message.message.param("level").unwrap().as_str().unwrap().to_owned(),
            Err(rejection) => rejection.reason().word().to_owned(),
        };
        stream.map(word).collect().await
    }

    #[tokio::test]
    async fn a_function_that_waits_sees_each_message_and_ends_the_stream_at_its_first_error() {
        let judge = |message: ServerMessage| async move {
            tokio::task::yield_now().await;
            match message.message.param("level").and_then(crate::protocol::json::Value::as_str) {
                Some("drop") => Ok(None),
                Some("refuse") => Err(Reason::StoreUnavailable.into()),
                Some(_) | None => Ok(Some(message)),
            }
        };
        let (all, _) = reply(vec![note("a"), note("drop"), note("b"), last()]);
        assert_eq!(levels(all.then_messages(judge).await.unwrap()).await, ["a", "b", "final"]);
        let (refused, pulled) = reply(vec![note("a"), note("refuse"), note("b"), last()]);
        assert_eq!(levels(refused.then_messages(judge).await.unwrap()).await, ["a", "store_unavailable"]);
        assert_eq!(pulled.load(Ordering::Relaxed), 2, "nothing is pulled after the end");
        let (dropped, _) = reply(vec![last()]);
        let none = dropped.then_messages(|_| async { Ok(None) }).await.unwrap();
        assert_eq!(levels(none).await, ["internal"], "a client would wait for it for ever");
    }

    #[tokio::test]
    async fn no_message_is_pulled_while_one_is_waited_for() {
        let (waits, pulled) = reply(vec![note("a"), note("b"), last()]);
        let response = waits.then_messages(|_| std::future::pending()).await.unwrap();
        let ResponseBody::Stream(mut stream) = response.body else { panic!("no stream") };
        for _ in 0..3 {
            assert!(stream.next().now_or_never().is_none());
        }
        assert_eq!(pulled.load(Ordering::Relaxed), 1);
    }
}
