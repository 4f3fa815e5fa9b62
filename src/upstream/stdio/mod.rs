//! Servers that are processes of ours: MCP over their standard input and output, one message a line, in both eras.
//!
//! A message comes here as it would go over HTTP, behind the same stations, and what comes back passes them as well. What HTTP has and a
//! pipe has not is made up here: a reply is one message or a stream, by what comes first; a session is a number on one run of a process;
//! a client that goes away is a cancellation.
//!
//! | file | what |
//! | --- | --- |
//! | `processes.rs` | which processes there are, and when one is started again |
//! | `process.rs`, `supervise.rs` | one of them, from its start to its end |
//! | `spawner.rs`, `launch.rs` | how it is started, and what is taken from it first |
//! | `pipes.rs`, `lines.rs`, `stderr.rs` | what it says |
//! | `handshake.rs`, `session.rs` | what legacy clients are told of it |

mod handshake;
mod launch;
pub mod lines;
mod pipes;
mod process;
mod processes;
mod session;
mod spawner;
mod stderr;
mod supervise;

use std::fmt;
use std::io;
use std::sync::Arc;

use http::StatusCode;

pub use launch::Launch;

use self::process::Process;
use self::processes::Processes;
use self::session::Session;
use self::spawner::Spawner;
use super::cut::{Cut, Cuts, Ends};
use super::memory::ReplyMemory;
use super::paired::{Audience, Reading, cancelled};
use super::transport::Shared;
use crate::chain::{Carried, Exchange, McpRequest, McpResponse, Reason, Rejection, ResponseBody};
use crate::config::{Server, Stdio as Settings};
use crate::layers::audit::Recorded;
use crate::layers::authn::Principal;
use crate::places::{Place, Share};
use crate::protocol::{Access, ClientMessage, Message, Method, RequestId, Shape, code};

/// The client for one server.
#[derive(Clone)]
pub struct Stdio(Arc<Inner>);

struct Inner {
    server: Arc<Server>,
    processes: Arc<Processes>,
    memory: ReplyMemory,
    cuts: Cuts,
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdio").field("server", &self.0.server.name).finish_non_exhaustive()
    }
}

impl Stdio {
    /// For `server`. Nothing is started before the first call.
    pub(super) fn new(server: Arc<Server>, settings: &Arc<Settings>, shared: &Shared) -> io::Result<Self> {
        let spawner = Spawner::new(Arc::clone(settings), &shared.launcher)?;
        let cuts = Cuts::new();
        let stop = cuts.of_calls().token;
        let processes = Processes::new(Arc::clone(&server), Arc::clone(settings), spawner, shared.clone(), stop);
        Ok(Self(Arc::new(Inner { server, processes, memory: shared.memory.clone(), cuts })))
    }

    pub(super) fn name(&self) -> &str {
        &self.0.server.name
    }

    pub(super) fn close(&self) {
        self.0.processes.close();
    }

    pub(super) fn expire(&self) {
        self.0.processes.expire();
    }

    pub(super) fn cuts(&self) -> &Cuts {
        &self.0.cuts
    }

    pub(super) async fn send(&self, request: McpRequest<Recorded>) -> Result<McpResponse, Rejection> {
        let method = request.access.method;
        self.0.cuts.within(&self.0.server, method, |ends, cut| self.exchange(request, ends, cut)).await
    }

    async fn exchange(&self, request: McpRequest<Recorded>, ends: Ends, cut: Cut) -> Result<McpResponse, Rejection> {
        let McpRequest { carried, evidence } = request;
        let Carried { message, access, exchange, memory, context: _, claim: _, opens: _ } = *carried;
        let principal = evidence.permit().principal();
        let reading = self.reading(&access, &exchange, principal, ends, cut);
        match message {
            ClientMessage::Rpc(message) if access.method == Method::Initialize => {
                self.shake(&message, &exchange, principal).await
            }
            ClientMessage::Rpc(message) => self.say((message, memory), &access, &exchange, principal, reading).await,
            ClientMessage::EndSession => {
                // The process stays, for others or for the next session; what this one has open ends.
                let (process, session) = self.session(&exchange, principal)?;
                process.paired.end_session(session.number);
                Ok(McpResponse { body: ResponseBody::Ended, session: None, polling: None })
            }
            ClientMessage::OpenStream => {
                let (process, session) = self.session(&exchange, principal)?;
                process.paired.open_push(session.number)?.reply(reading).await
            }
        }
    }

    /// A session, on a process that has shaken hands or does so now.
    async fn shake(&self, message: &Message, exchange: &Exchange, principal: &Principal) -> Result<McpResponse, Rejection> {
        let id = message.id().ok_or(Reason::Internal("a request without id"))?;
        let key = self.0.processes.key(principal, exchange.version);
        let process = self.0.processes.get(&key, Some(message))?;
        let said = process.serving().await?;
        let answer = handshake::answer(said, id).ok_or(Reason::UpstreamFailed("handshake"))?;
        let served = answer.message.result().is_some();
        let session = Session { version: exchange.version, run: process.run, number: process.new_session() };
        let body = ResponseBody::Json(StatusCode::OK, answer);
        Ok(McpResponse { body, session: session.to_header().filter(|_| served), polling: None })
    }

    /// Any other message.
    async fn say(
        &self,
        (mut message, memory): (Message, Option<Place>),
        access: &Access,
        exchange: &Exchange,
        principal: &Principal,
        reading: Reading,
    ) -> Result<McpResponse, Rejection> {
        let (process, session) = if exchange.version.has_sessions() {
            let (process, session) = self.session(exchange, principal)?;
            (process, Some(session.number))
        } else {
            let key = self.0.processes.key(principal, exchange.version);
            (self.0.processes.get(&key, None)?, None)
        };
        let shared = self.0.processes.audience() == Audience::Many;
        match (access.shape, message.id()) {
            (Shape::Request, Some(id)) if shared && handshake::concerns_others(access.method) => {
                handshake::not_offered(id).ok_or_else(|| Rejection::internal("error"))
            }
            (Shape::Request, _) => {
                let (line, call) = process.paired.open(&mut message, access, session)?;
                process.write(line).await?;
                // What was read is held until it is handed over, and no longer: the reply may take its time.
                drop((message, memory));
                call.reply(reading).await
            }
            (Shape::Notification | Shape::Response, _) => {
                if let Some(line) = heard(&process, &message, access, session, shared) {
                    process.write(line).await?;
                }
                Ok(McpResponse::accepted())
            }
        }
    }

    /// The process behind a session, and where the session is on it.
    fn session(&self, exchange: &Exchange, principal: &Principal) -> Result<(Arc<Process>, Session), Reason> {
        let session = exchange.session.as_ref().and_then(Session::from_header).ok_or(Reason::SessionNotFound)?;
        let key = self.0.processes.key(principal, session.version);
        let process = self.0.processes.find(&key, session.run).ok_or(Reason::SessionNotFound)?;
        Ok((process, session))
    }

    fn reading(&self, access: &Access, exchange: &Exchange, principal: &Principal, ends: Ends, cut: Cut) -> Reading {
        let (limits, pushes) = (&self.0.server.limits, access.method == Method::Push);
        let status: fn(&Message) -> StatusCode = if exchange.version.has_sessions() {
            |_: &Message| StatusCode::OK
        } else if access.method == Method::Discover {
            discovery_status
        } else {
            status
        };
        Reading {
            pushes,
            ends,
            most: limits.stream_bytes,
            // A server may have nothing to say for as long as the stream lives.
            idle: if pushes { limits.stream_life } else { limits.idle_timeout },
            cut,
            memory: self.0.memory.growing(Share::of(principal)),
            status,
        }
    }
}

/// What a process hears of a message that is not answered.
#[expect(clippy::wildcard_enum_match_arm, reason = "few messages concern more than their own session")]
fn heard(process: &Process, message: &Message, access: &Access, session: Option<u64>, shared: bool) -> Option<bytes::Bytes> {
    match access.method {
        // It was told already, by us.
        Method::Initialized => None,
        Method::Cancelled => {
            let named = message.param("requestId").and_then(RequestId::read)?;
            process.paired.cancel(session, &named).map(cancelled)
        }
        // Of roots that nobody has told it, and of questions that nobody has let through.
        Method::Progress | Method::RootsListChanged if shared => None,
        _ => Some(message.encode()),
    }
}

/// The HTTP status of a response. MCP 2026-07-28, "Error Codes".
fn status(message: &Message) -> StatusCode {
    const SPECIFIED: std::ops::RangeInclusive<i64> = -32099..=-32020;
    match code_of(message) {
        Some(code::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Some(code) if SPECIFIED.contains(&code) => StatusCode::BAD_REQUEST,
        Some(_) | None => StatusCode::OK,
    }
}

/// The same of `server/discover`: a server that does not know it is of the other era, and its client goes on to `initialize` when it is
/// told so in this way. MCP 2026-07-28, "Versioning".
fn discovery_status(message: &Message) -> StatusCode {
    code_of(message).map_or(StatusCode::OK, |_| StatusCode::BAD_REQUEST)
}

fn code_of(message: &Message) -> Option<i64> {
    message.error()?.get("code")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    #[test]
    fn errors_have_the_status_by_which_clients_decide_what_to_try_next() {
        let message = |member: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":1,{member}}}"#);
            Message::parse(text.into(), Limits::default(), Side::Server).unwrap()
        };
        let error = |code: i64| message(&format!(r#""error":{{"code":{code},"message":"no"}}"#));
        for (code, usual, discovery) in
            [(-32601, 404, 400), (-32602, 200, 400), (-32020, 400, 400), (-32022, 400, 400), (7, 200, 400)]
        {
            assert_eq!(status(&error(code)).as_u16(), usual, "{code}");
            assert_eq!(discovery_status(&error(code)).as_u16(), discovery, "{code}");
        }
        let result = message(r#""result":{}"#);
        assert_eq!((status(&result).as_u16(), discovery_status(&result).as_u16()), (200, 200));
    }
}
