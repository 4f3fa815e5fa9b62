//! `yett connect`: an MCP server on standard input and output whose other side is a gateway's route.
//!
//! ```text
//! client ─ lines ─▶ strict parse ─▶ in a session: session.rs ─┐           ┌▶ gateway.rs: HTTP, TLS, credential
//!                                   2026-07-28:   modern.rs ──┴▶ reply.rs ┤
//! client ◀─ outbox.rs: one line each ◀────────────────────────────────────┘  push.rs: what belongs to no request
//! ```
//!
//! For clients that start their servers as programs. It decides nothing: whatever a message may do is the gateway's to say. Guarantees:
//! standard output carries protocol and nothing else; no message is sent twice, save where the gateway has said that it did nothing with
//! the first; the credential goes to the gateway that was named and nowhere else; requests, lines, messages and questions are bounded.
//!
//! Order: what a client writes one after the other may overtake itself on several connections. Notifications and answers go one after the
//! other, and a request waits for those, and for the handshake, that were written before it.

mod credential;
mod failure;
mod gateway;
mod in_flight;
mod kept;
mod lines;
mod modern;
mod outbox;
mod push;
mod questions;
mod reply;
mod session;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use credential::{Credential, CredentialError, Source, is_token};
pub use kept::Kept;

use failure::Failure;
use gateway::Gateway;
use in_flight::{InFlight, Ticket};
use lines::{Line, Lines};
use modern::Modern;
use outbox::Outbox;
use session::Session;

use crate::protocol::json::Limits;
use crate::protocol::{Message, RequestId, Shape, Side, code};
use crate::upstream::ConnectError;

/// Notifications and answers that wait for those before them.
const QUEUE: usize = 64;

/// How long one of them may take.
const DELIVERY: Duration = Duration::from_secs(30);

/// How long a client may take to read what is left for it.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is connected, and how.
#[derive(Debug)]
pub struct Settings {
    /// The gateway's route.
    pub url: Uri,
    /// CAs to trust in place of the system's, as PEM text.
    pub authorities: Option<Vec<u8>>,
    /// What the gateway is shown.
    pub credential: Credential,
    /// The largest message either way, in bytes.
    pub max_message: usize,
}

/// Connects one client to one gateway.
#[derive(Debug)]
pub struct Bridge {
    client: Arc<Client>,
    tasks: TaskTracker,
    to_client: mpsc::Receiver<Bytes>,
    queue: (mpsc::Sender<Queued>, mpsc::Receiver<Queued>),
}

/// What the tasks of a bridge share.
#[derive(Debug)]
struct Client {
    gateway: Arc<Gateway>,
    outbox: Outbox,
    session: Session,
    modern: Modern,
    in_flight: InFlight,
    max_message: usize,
    /// How many have gone through the queue.
    delivered: watch::Sender<u64>,
}

/// What goes one after the other.
#[derive(Debug)]
enum Queued {
    /// An answer to a question of the server's.
    Answer(Message),
    /// A request is taken back: the server is told, and then nobody waits for it any more.
    Cancelled(Message, CancellationToken),
    /// A handshake: what was written after it waits until it is answered.
    Handshake(oneshot::Receiver<()>),
    /// Any other notification.
    Notification(Message),
}

impl Bridge {
    /// For a client that has not spoken yet. Nothing is sent before it does.
    pub fn new(settings: Settings) -> Result<Self, ConnectError> {
        let Settings { url, authorities, credential, max_message } = settings;
        let tasks = TaskTracker::new();
        let gateway = Gateway::new(&url, authorities.as_deref(), credential, max_message, tasks.clone())?;
        let (gateway, (outbox, to_client)) = (Arc::new(gateway), Outbox::new());
        let client = Client {
            session: Session::new(Arc::clone(&gateway), outbox.clone()),
            modern: Modern::new(Arc::clone(&gateway), outbox.clone()),
            gateway,
            outbox,
            in_flight: InFlight::default(),
            max_message,
            delivered: watch::Sender::default(),
        };
        Ok(Self { client: Arc::new(client), tasks, to_client, queue: mpsc::channel(QUEUE) })
    }

    /// Carries messages until the client closes its end, or `stop`; then ends what is under way, and the session.
    pub async fn run(
        self,
        input: impl AsyncRead + Unpin,
        output: impl AsyncWrite + Send + Unpin + 'static,
        stop: CancellationToken,
    ) -> io::Result<()> {
        let Self { client, tasks, to_client, queue: (queue, queued) } = self;
        let ended = stop.child_token();
        let written = ended.clone();
        let writing = tasks.spawn(async move {
            let outcome = outbox::write_all(to_client, output).await;
            // A client that reads no more is gone.
            written.cancel();
            outcome
        });
        let delivering = Arc::clone(&client);
        tasks.spawn(ended.clone().run_until_cancelled_owned(async move { delivering.deliver(queued).await }));
        let pushing = Arc::clone(&client);
        tasks.spawn(ended.clone().run_until_cancelled_owned(async move { push::keep_open(&pushing.session).await }));

        let reader = Incoming { client: &client, tasks: &tasks, ended: &ended, queue, queued: 0 };
        let outcome = ended.run_until_cancelled(reader.read(input)).await.unwrap_or(Ok(()));
        ended.cancel();
        client.session.end().await;
        client.gateway.close();
        tasks.close();
        // The writer ends when nobody can write any more.
        drop(client);
        if timeout(FAREWELL, writing).await.is_err() {
            tracing::warn!("the client does not read what is left for it");
        }
        outcome
    }
}

/// The side of the client that is read.
struct Incoming<'a> {
    client: &'a Arc<Client>,
    tasks: &'a TaskTracker,
    ended: &'a CancellationToken,
    queue: mpsc::Sender<Queued>,
    /// How many were put into the queue.
    queued: u64,
}

impl Incoming<'_> {
    async fn read(mut self, mut input: impl AsyncRead + Unpin) -> io::Result<()> {
        let mut lines = Lines::new(self.client.max_message);
        while input.read_buf(lines.room()).await? > 0 {
            while let Some(line) = lines.next_line() {
                self.take(line).await;
            }
        }
        Ok(())
    }

    async fn take(&mut self, line: Line) {
        let Line::Text(text) = line else {
            let text = format!("The message is larger than {} bytes; `--max-message` sets the limit", self.client.max_message);
            return self.client.outbox.send(failure::error(None, code::INVALID_REQUEST, &text)).await;
        };
        let limits = Limits { string: self.client.max_message, ..Limits::default() };
        let message = match Message::parse(text, limits, Side::Client) {
            Ok(message) => message,
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the client wrote a line that is not a message");
                return self.client.outbox.send(failure::error(None, error.code(), &error.to_string())).await;
            }
        };
        match (message.shape(), message.id().cloned()) {
            (Shape::Request, Some(id)) => self.request(message, id).await,
            (Shape::Notification, _) if message.method() == Some("notifications/cancelled") => self.take_back(message).await,
            (Shape::Notification, _) => self.put(Queued::Notification(message)).await,
            (Shape::Response, Some(_)) => self.put(Queued::Answer(message)).await,
            (Shape::Request | Shape::Response, None) => {}
        }
    }

    async fn request(&mut self, message: Message, id: RequestId) {
        let in_session = modern::version(&message).is_none();
        let ticket = match self.client.in_flight.begin(&id, in_session) {
            Ok(ticket) => ticket,
            Err(refused) => {
                return self.client.outbox.send(failure::error(Some(&id), code::INVALID_REQUEST, &refused.to_string())).await;
            }
        };
        let after = self.queued;
        let (answered, until) = oneshot::channel();
        if in_session && message.method() == Some("initialize") {
            self.put(Queued::Handshake(until)).await;
        }
        let client = Arc::clone(self.client);
        self.tasks.spawn(self.ended.clone().run_until_cancelled_owned(async move {
            client.answer(&message, ticket, after).await;
            drop(answered);
        }));
    }

    /// Takes a request back. Where there is no session, dropping its reply says so to the gateway.
    async fn take_back(&mut self, message: Message) {
        let named = message.param("requestId").and_then(RequestId::read);
        match named.and_then(|id| self.client.in_flight.find(&id)) {
            Some((taken_back, true)) => self.put(Queued::Cancelled(message, taken_back)).await,
            Some((taken_back, false)) => taken_back.cancel(),
            // Its answer is out already.
            None => {}
        }
    }

    async fn put(&mut self, queued: Queued) {
        self.queued += 1;
        // Only at the end nobody takes it.
        let _ = self.queue.send(queued).await;
    }
}

impl Client {
    /// Answers a request, once everything has been delivered that was written before it.
    async fn answer(&self, message: &Message, ticket: Ticket, after: u64) {
        let mut delivered = self.delivered.subscribe();
        let work = async {
            let _ = delivered.wait_for(|count| *count >= after).await;
            match modern::version(message) {
                Some(_) => self.modern.request(message, &ticket.id).await,
                None => self.session.request(message, &ticket.id).await,
            }
        };
        // A request that was taken back is not answered.
        let Some(outcome) = ticket.taken_back.run_until_cancelled(work).await else { return };
        let id = ticket.id.clone();
        // Before the answer is out: its client may use the id again at once.
        drop(ticket);
        let response = match outcome.and_then(|response| failure::with_id(response, &id)) {
            Ok(response) => response,
            Err(failure) => {
                tracing::warn!("no answer to `{}`: {}", message.method().unwrap_or_default(), failure.to_string_with_causes());
                failure.response(&id)
            }
        };
        self.outbox.send(response).await;
    }

    /// Delivers what has to stay in order.
    async fn deliver(&self, mut queued: mpsc::Receiver<Queued>) {
        while let Some(next) = queued.recv().await {
            let delivery = async {
                match next {
                    Queued::Answer(message) => self.session.answer(message).await,
                    Queued::Cancelled(message, taken_back) => {
                        let told = self.session.notify(&message).await;
                        taken_back.cancel();
                        told
                    }
                    Queued::Handshake(answered) => {
                        let _ = answered.await;
                        Ok(())
                    }
                    Queued::Notification(message) => self.notify(&message).await,
                }
            };
            match timeout(DELIVERY, delivery).await {
                Ok(Ok(())) => {}
                Ok(Err(failure)) => tracing::warn!("not delivered: {}", failure.to_string_with_causes()),
                Err(_elapsed) => tracing::warn!("not delivered within {} s", DELIVERY.as_secs()),
            }
            self.delivered.send_modify(|count| *count += 1);
        }
    }

    async fn notify(&self, message: &Message) -> Result<(), Failure> {
        if modern::version(message).is_some() {
            self.modern.notify(message).await
        } else if self.session.number() > 0 {
            self.session.notify(message).await
        } else {
            tracing::info!("a notification outside of a session is dropped");
            Ok(())
        }
    }
}
