//! The station where bytes become a message: `Incoming<Principal>` in, `McpRequest<Principal>` out.
//!
//! Knows transports so that no later layer has to: media types, body limits, the two eras and their headers, and legacy sessions,
//! whose ids it exchanges on the way in and mints on the way out.

use std::sync::Arc;

use futures_util::StreamExt as _;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method as HttpMethod};

use super::body::{self, BodyMemory};
use super::headers::{self, Era, SESSION_ID};
use super::progress::{self, About, Asking};
use super::tasks::{Showing, Tasks};
use super::{http_sse, questions, resumption, states, trace_context};
use crate::chain::{
    Carried, Channel, Claim, Exchange, Incoming, McpRequest, McpResponse, Middleware, Mirrored, Next, Outlet, Reason, Rejection,
    ReplyTo, RequestContext, ResponseBody, What, end_of_stage,
};
use crate::config;
use crate::layers::authn::Principal;
use crate::places::Share;
use crate::protocol::json::Limits;
use crate::protocol::{
    Access, AccessError, Answerable, ClientMessage, Message, Method, ProtocolVersion, RequestId, Shape, Side, Target, code,
};
use crate::session::{Question, Session, SessionError, Sessions, reference};

/// Reads messages.
#[derive(Debug)]
pub struct Decode {
    limits: config::Limits,
    memory: BodyMemory,
    sessions: Arc<Sessions>,
}

/// A message, and how it stands in its session.
struct Decoded {
    message: ClientMessage,
    access: Access,
    version: ProtocolVersion,
    session: Option<Session>,
    /// What the server has asked, if this is an answer.
    question: Option<Question>,
    /// The server's state, where the client has shown one.
    state: Option<String>,
    /// The caller's tasks, as far as this can be about them.
    tasks: Tasks,
    /// The stream that the client has come back for.
    claim: Option<Claim>,
    /// The stream of the session that it opens, and what is yet to be put in the table.
    opens: Option<(Box<Channel>, HeaderValue, Outlet)>,
    /// The progress token of a request.
    token: Option<RequestId>,
    /// What a notification is about.
    about: About,
}

impl Decoded {
    /// What concerns a session as such, and has no body.
    fn of_session(message: ClientMessage, access: Access, session: Session, tasks: Tasks) -> Self {
        let version = session.version;
        let (about, session) = (About::Open, Some(session));
        Self {
            message,
            access,
            version,
            session,
            question: None,
            state: None,
            tasks,
            claim: None,
            token: None,
            about,
            opens: None,
        }
    }
}

impl Middleware for Decode {
    type In = Incoming<Principal>;
    type Out = McpRequest<Principal>;

    async fn handle(&self, request: Self::In, next: Next<Self::Out>) -> Result<McpResponse, Rejection> {
        let Incoming { head, body, context, evidence: principal } = request;
        let mut memory = None;
        let decoded = match head.method {
            HttpMethod::POST => {
                if context.route.legacy_sse {
                    http_sse::check_post(&head.headers)?;
                } else {
                    headers::check_media(&head.headers)?;
                }
                let room = (&self.memory, &Share::of(&principal));
                let read = body::read(&head.headers, body, self.limits.body, self.limits.body_timeout, room).await;
                let (bytes, place) = read.map_err(|(reason, detail)| {
                    context.trail.with(|decision| decision.detail = detail);
                    reason
                })?;
                memory = place;
                let limits = Limits { depth: self.limits.depth, nodes: self.limits.nodes, string: self.limits.string };
                let message = Message::parse(bytes, limits, Side::Client)
                    .map_err(|error| Reason::Malformed(error.code(), error.to_string()))?;
                self.decode(&head, message, &principal, &context)?
            }
            HttpMethod::GET if http_sse::opens(&head, &context.route) => {
                self.open_session(&head.headers, &principal, &context).await?
            }
            HttpMethod::DELETE if !context.route.legacy_sse => self.end_session(&head.headers, &principal, &context)?,
            HttpMethod::GET => self.open_stream(&head.headers, &principal, &context)?,
            _ => return Err(Reason::MethodNotAllowed.into()),
        };
        let reply_to =
            ReplyTo { id: decoded.message.rpc().and_then(own_id), version: decoded.version, method: decoded.access.method };
        describe(&decoded, &principal, &context);
        context.trail.with(|decision| decision.reply_to = Some(reply_to.clone()));
        context.trail.pass("decode");
        let mirrored = mirrored(&head, decoded.version).map_err(|reason| Rejection::new(reason).answering(&reply_to))?;
        let trace = trace_context::settle(&head.headers, decoded.message.rpc(), &context);
        let [handshake, ending] = [Method::Initialize, Method::EndSession].map(|method| decoded.access.method == method);
        let declares = if handshake { declared(&decoded) } else { Answerable::NOTHING };
        let (answerable, in_session, turn) =
            (answerable(&decoded), decoded.session.is_some(), http_sse::turn(decoded.session.as_ref()));
        let asks = decoded.message.rpc().filter(|_| decoded.access.answers || !answerable.is_empty());
        let bond = asks.and_then(|message| states::bond(message, &decoded.access, &principal, &context));
        let (tasks, showing) = decoded.tasks.split(&decoded.access, decoded.version);
        let answered = decoded.question.clone().zip(decoded.message.rpc().and_then(|message| message.id().cloned()));
        let (opens, opened) = decoded.opens.map_or((None, None), |(channel, id, outlet)| (Some(channel), Some((id, outlet))));
        let asking = Asking::begin(&context, decoded.session.as_ref(), reply_to.id.clone(), decoded.token);
        if ending {
            // First here: what the server then cuts off is no failure of its own.
            decoded.session.iter().for_each(|session| session.live.end(&Reason::SessionEnded));
        }
        let carried = Box::new(Carried {
            exchange: Exchange {
                version: decoded.version,
                session: decoded.session.and_then(|session| session.upstream),
                answerable,
                question: decoded.question.map(|question| question.id),
                moot: matches!(decoded.about, About::Nothing),
                progress: decoded.about.question(),
                state: decoded.state,
                tasks,
                mirrored,
                trace,
            },
            claim: decoded.claim,
            opens,
            memory,
            message: decoded.message,
            access: decoded.access,
            context: context.clone(),
        });
        end_of_stage().await;
        http_sse::wait(turn.as_deref()).await;
        let result = next.run(McpRequest { carried, evidence: principal.clone() }).await;
        if gone(&result) || ending {
            head.headers.get(&SESSION_ID).inspect(|id| self.sessions.end(id));
        }
        if let (Err(_), Some((question, ours)), Some(id)) = (&result, answered, head.headers.get(&SESSION_ID)) {
            self.sessions.restore(id, &ours, question);
        }
        let response = result.and_then(|response| states::seal(response, &self.sessions, bond, context.received));
        let response = response.and_then(|response| match &showing {
            Some(showing) => Showing::all(showing, response),
            None => Ok(response),
        });
        let response = response.and_then(|response| match head.headers.get(&SESSION_ID).filter(|_| in_session) {
            Some(id) => {
                if !context.route.legacy_sse {
                    resumption::let_keep(&response, &self.sessions, id, &reply_to);
                }
                questions::relay(response, &self.sessions, id, showing)
            }
            None => Ok(response),
        });
        let response = asking.answered(response, context.trail.clone()).map_err(|rejection| rejection.answering(&reply_to))?;
        if let Some((id, outlet)) = opened {
            self.sessions.open(&id, &principal, &context.route.resource, outlet).map_err(no_session)?;
        }
        let known = head.headers.get(&SESSION_ID).filter(|_| in_session);
        let response = self.exchange_session(response, (handshake, known), &principal, &context, (reply_to.version, declares));
        response.map(|response| answering(response, reply_to.clone())).map_err(|rejection| rejection.answering(&reply_to))
    }
}

impl Decode {
    /// A station with these limits.
    pub fn new(limits: config::Limits, memory: BodyMemory, sessions: Arc<Sessions>) -> Self {
        Self { limits, memory, sessions }
    }

    fn decode(
        &self,
        head: &Parts,
        message: Message,
        principal: &Principal,
        context: &RequestContext,
    ) -> Result<Decoded, Rejection> {
        let era = headers::era(&head.headers, &message);
        // From here on a refusal can name the request it answers.
        let provisional = ReplyTo {
            id: own_id(&message),
            version: match &era {
                Ok(Era::Modern(_)) | Err(_) if !context.route.legacy_sse => ProtocolVersion::V2026_07_28,
                Ok(Era::Modern(_) | Era::Legacy | Era::Handshake(_)) | Err(_) => ProtocolVersion::V2025_11_25,
            },
            method: message.method().map_or(Method::Other, Method::from_name),
        };
        self.judge(head, message, &era, principal, context).map_err(|reason| Rejection::new(reason).answering(&provisional))
    }

    fn judge(
        &self,
        head: &Parts,
        message: Message,
        era: &Result<Era, Reason>,
        principal: &Principal,
        context: &RequestContext,
    ) -> Result<Decoded, Reason> {
        let headers = &head.headers;
        let (version, session) = if context.route.legacy_sse {
            let mut session = self.session(headers, principal, context)?;
            http_sse::accept(&head.extensions, &mut session, &message, (principal, context.received))?;
            (http_sse::revision(era, &session)?, Some(session))
        } else {
            match era.clone()? {
                // A session id on a handshake is ignored: ids are ours to choose.
                Era::Handshake(version) | Era::Modern(version) => (version, None),
                Era::Legacy => {
                    let session = self.session(headers, principal, context)?;
                    (session.version, Some(session))
                }
            }
        };
        // Before a question is taken as answered: what is refused here has answered nothing.
        let tasks = Tasks::read(&self.sessions, &message, version, principal, context)?;
        let answered = session.as_ref().and_then(|_| questions::answered(&self.sessions, headers, &message));
        let (access, question) = match answered {
            Some(question) => {
                tasks.answered(&message, question.asked);
                (Access::answer(question.asked), Some(question))
            }
            None => (Access::of(&message, version, |shown| tasks.open(shown)).map_err(unreadable)?, None),
        };
        if matches!(era, Ok(Era::Modern(_))) {
            headers::check_mirrored(headers, &message, &access)?;
        }
        let state = states::open(self.sessions.states(), &message, &access, principal, context)?;
        let token = progress::token(&message)?;
        let about =
            session.as_ref().map_or(About::Open, |session| progress::about(&self.sessions, headers, session, &message, &access));
        if matches!(about, About::Nothing) {
            context.trail.with(|decision| decision.detail = Some("not_open"));
        }
        Ok(Decoded {
            message: ClientMessage::Rpc(message),
            access,
            version,
            session,
            question,
            state,
            tasks,
            claim: None,
            token,
            about,
            opens: None,
        })
    }

    fn end_session(&self, headers: &HeaderMap, principal: &Principal, context: &RequestContext) -> Result<Decoded, Reason> {
        refuse_modern(headers)?;
        let session = self.session(headers, principal, context)?;
        Ok(Decoded::of_session(ClientMessage::EndSession, Access::end_session(), session, Tasks::none()))
    }

    /// The stream on which the server of a session says what belongs to no request. Nobody without a session has one: a client of
    /// 2024-11-05, which opens a stream first of all, learns by the 405 that this is not its transport.
    fn open_stream(&self, headers: &HeaderMap, principal: &Principal, context: &RequestContext) -> Result<Decoded, Reason> {
        refuse_modern(headers)?;
        if !headers.contains_key(&SESSION_ID) {
            return Err(Reason::MethodNotAllowed);
        }
        headers::check_accepts_events(headers)?;
        let session = self.session(headers, principal, context)?;
        let claim = resumption::claim(&self.sessions, headers)?;
        let tasks = Tasks::of(&self.sessions, session.version, principal, context);
        Ok(Decoded { claim, ..Decoded::of_session(ClientMessage::OpenStream, Access::push(), session, tasks) })
    }

    /// A session of HTTP+SSE, which begins with its stream.
    async fn open_session(
        &self,
        headers: &HeaderMap,
        principal: &Principal,
        context: &RequestContext,
    ) -> Result<Decoded, Rejection> {
        refuse_modern(headers)?;
        headers::check_accepts_events(headers)?;
        // A part of what is kept for a slow reader lies in the HTTP library, and in the kernel.
        let opened = http_sse::open(&self.sessions, &context.route, self.limits.stream_buffer / 2, principal).await?;
        let (id, channel, outlet) = opened;
        context.trail.with(|decision| decision.session = Some(reference(&id)));
        Ok(Decoded {
            message: ClientMessage::OpenStream,
            access: Access::push(),
            version: ProtocolVersion::V2024_11_05,
            session: None,
            question: None,
            state: None,
            tasks: Tasks::none(),
            claim: None,
            token: None,
            about: About::Open,
            opens: Some((channel, id, outlet)),
        })
    }

    /// The caller's own session, by the one header that names it.
    fn session(&self, headers: &HeaderMap, principal: &Principal, context: &RequestContext) -> Result<Session, Reason> {
        let mut ids = headers.get_all(&SESSION_ID).iter();
        let id = ids.next().ok_or(Reason::MissingSession)?;
        if ids.next().is_some() {
            return Err(Reason::SessionNotFound);
        }
        let session = self.sessions.find(id, principal, &context.route.resource);
        // Of this transport: what is said in one of HTTP+SSE belongs on its stream.
        let session = session.filter(|session| session.outlet.is_some() == context.route.legacy_sse);
        let session = session.ok_or(Reason::SessionNotFound)?;
        context.trail.with(|decision| decision.session = Some(Arc::clone(&session.reference)));
        Ok(session)
    }

    /// On the way out: the upstream's session id becomes ours, when the handshake has succeeded.
    fn exchange_session(
        &self,
        mut response: McpResponse,
        (handshake, known): (bool, Option<&HeaderValue>),
        principal: &Principal,
        context: &RequestContext,
        (asked, declares): (ProtocolVersion, Answerable),
    ) -> Result<McpResponse, Rejection> {
        let upstream = response.session.take();
        if !handshake || !succeeded(&response.body) {
            return Ok(response);
        }
        let version = agreed_version(&response.body).unwrap_or(asked);
        let id = if let Some(id) = known {
            self.sessions.begin(id, (version, declares), upstream);
            id.clone()
        } else {
            let resource = &context.route.resource;
            self.sessions.mint(principal, resource, (version, declares), upstream).map_err(no_session)?
        };
        context.trail.with(|decision| decision.session = Some(reference(&id)));
        if let ResponseBody::Stream(stream) = response.body {
            // The client goes on only once it has this message, so the session learns of the revision in time.
            let (sessions, id) = (Arc::clone(&self.sessions), id.clone());
            response.body = ResponseBody::Stream(Box::pin(stream.inspect(move |item| {
                if let Some(version) = item.as_ref().ok().and_then(|reply| agreed_in(&reply.message)) {
                    sessions.agree(&id, version);
                }
            })));
        }
        response.session = Some(id).filter(|_| known.is_none());
        Ok(response)
    }
}

fn no_session(error: SessionError) -> Reason {
    tracing::warn!(error = &error as &dyn std::error::Error, "no session for a client");
    Reason::Overloaded
}

/// The id by which a message can be answered. That of an answer is another side's.
fn own_id(message: &Message) -> Option<RequestId> {
    message.id().filter(|_| message.shape() == Shape::Request).cloned()
}

/// What a client that shakes hands says it can be asked.
fn declared(decoded: &Decoded) -> Answerable {
    Answerable::of(decoded.message.rpc().and_then(|message| message.param("capabilities")))
}

/// HTTP methods that the stateless revision does not have.
fn refuse_modern(headers: &HeaderMap) -> Result<(), Reason> {
    let version = headers.get(&headers::PROTOCOL_VERSION).and_then(|value| value.to_str().ok());
    let modern = version.and_then(ProtocolVersion::from_date).is_some_and(|version| !version.has_sessions());
    if modern { Err(Reason::MethodNotAllowed) } else { Ok(()) }
}

/// What the client says it can be asked: in this request, or when its session began.
fn answerable(decoded: &Decoded) -> Answerable {
    if let Some(session) = &decoded.session {
        return session.answerable;
    }
    let meta = decoded.message.rpc().filter(|_| !decoded.version.has_sessions()).and_then(|message| message.param("_meta"));
    Answerable::of(meta.and_then(|meta| meta.get(headers::META_CAPABILITIES)))
}

/// Whether the upstream has forgotten the session, so that ours is void too.
fn gone(result: &Result<McpResponse, Rejection>) -> bool {
    result.as_ref().is_err_and(|rejection| *rejection.reason() == Reason::SessionNotFound)
}

fn succeeded(body: &ResponseBody) -> bool {
    match body {
        ResponseBody::Json(_, reply) => reply.message.result().is_some(),
        // An `initialize` answered by a stream: whether it succeeds is not known when the headers leave.
        ResponseBody::Stream(_) => true,
        ResponseBody::Accepted | ResponseBody::Ended | ResponseBody::Opened(_) | ResponseBody::Resumed(_) => false,
    }
}

fn agreed_version(body: &ResponseBody) -> Option<ProtocolVersion> {
    let ResponseBody::Json(_, reply) = body else {
        return None;
    };
    agreed_in(&reply.message)
}

/// The revision that the response to a handshake names.
fn agreed_in(message: &Message) -> Option<ProtocolVersion> {
    let version = message.result()?.get("protocolVersion")?.as_str()?;
    ProtocolVersion::from_date(version).filter(|version| version.has_sessions())
}

/// Gives a refusal in mid-stream the request it answers.
fn answering(response: McpResponse, reply_to: ReplyTo) -> McpResponse {
    let McpResponse { body, session, polling } = response;
    let body = match body {
        ResponseBody::Stream(stream) => {
            ResponseBody::Stream(Box::pin(stream.map(move |item| item.map_err(|rejection| rejection.answering(&reply_to)))))
        }
        ResponseBody::Accepted
        | ResponseBody::Ended
        | ResponseBody::Json(..)
        | ResponseBody::Opened(_)
        | ResponseBody::Resumed(_) => body,
    };
    McpResponse { body, session, polling }
}

fn unreadable(error: AccessError) -> Reason {
    match error {
        AccessError::Task => Reason::InvalidParams("this cannot be asked for as a task"),
        AccessError::UnknownTask => Reason::UnknownTask,
        AccessError::UnexpectedInput => Reason::InvalidParams("no question of this server is open"),
        AccessError::CaseVariant | AccessError::Target(_) | AccessError::Id | AccessError::UnexpectedAnswer => {
            Reason::Malformed(code::INVALID_REQUEST, error.to_string())
        }
    }
}

/// Writes into the trail what was asked, in terms fit for the log.
fn describe(decoded: &Decoded, principal: &Principal, context: &RequestContext) {
    let commit = |part, bytes: &[u8]| principal.pseudonym().committer.commit(context.call.as_bytes(), part, bytes);
    let original = decoded.message.rpc().map(Message::original);
    let name = decoded.access.public_name();
    let target = match &decoded.access.target {
        Target::Prompt(text) | Target::Resource(text) | Target::Tool(text) | Target::Method(text) if name.is_none() => {
            Some(commit("target", text.as_bytes()))
        }
        Target::Answer(_)
        | Target::Listen { .. }
        | Target::Method(_)
        | Target::None
        | Target::Prompt(_)
        | Target::Resource(_)
        | Target::Session
        | Target::Task(_)
        | Target::Tool(_) => None,
    };
    let what = What {
        method: decoded.access.method,
        name: name.map(Into::into),
        target,
        server: context.route.server.as_ref().map(|server| server.name.as_str().into()),
        version: decoded.version,
        args: original.map(|bytes| commit("args", bytes)),
        size: original.map_or(0, bytes::Bytes::len),
        captured: None,
        number: decoded.message.rpc().and_then(|message| message.id()?.as_json().parse().ok()),
        expects_reply: decoded.access.shape == Shape::Request,
    };
    context.trail.with(|decision| decision.what = Some(what));
}

/// `Mcp-Param-*` headers, in revisions that have them.
fn mirrored(head: &Parts, version: ProtocolVersion) -> Result<Vec<Mirrored>, Reason> {
    if version.has_mirrored_headers() { headers::mirrored(&head.headers) } else { Ok(Vec::new()) }
}
