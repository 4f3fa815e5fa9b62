//! The station where bytes become a message: `Incoming<Principal>` in, `McpRequest<Principal>` out.
//!
//! Knows transports so that no later layer has to: media types, body limits, the two eras and their headers, and legacy sessions,
//! whose ids it exchanges on the way in and mints on the way out.

mod decoded;
mod session;

use std::sync::Arc;

use futures_util::StreamExt as _;
use http::Method as HttpMethod;
use http::request::Parts;

use self::decoded::{Decoded, answerable, declared, describe, own_id, unreadable};
use self::session::{gone, no_session};
use super::body::{self, BodyMemory};
use super::headers::{self, Era, SESSION_ID};
use super::progress::{self, About, Asking};
use super::tasks::{Showing, Tasks};
use super::{http_sse, questions, resumption, states, trace_context};
use crate::chain::{
    Carried, Exchange, Incoming, McpRequest, McpResponse, Middleware, Mirrored, Next, Reason, Rejection, ReplyTo, RequestContext,
    ResponseBody, end_of_stage,
};
use crate::config;
use crate::layers::authn::Principal;
use crate::places::Share;
use crate::protocol::json::Limits;
use crate::protocol::{Access, Answerable, ClientMessage, Message, Method, ProtocolVersion, Side};
use crate::session::Sessions;

/// Reads messages.
#[derive(Debug)]
pub struct Decode {
    limits: config::Limits,
    memory: BodyMemory,
    sessions: Arc<Sessions>,
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
        let (answerable, declares) = (answerable(&decoded), declared(&decoded));
        let (in_session, (turn, _greeting)) = (decoded.session.is_some(), http_sse::turn(decoded.session.as_ref()));
        let asks = decoded.message.rpc().filter(|_| decoded.access.answers || !answerable.is_empty());
        let bond = asks.and_then(|message| states::bond(message, &decoded.access, &principal, &context));
        let (tasks, showing) = decoded.tasks.split(&decoded.access, decoded.version);
        let answered = decoded.question.clone().zip(decoded.message.rpc().and_then(|message| message.id().cloned()));
        let (opens, opened) = decoded.opens.map_or((None, None), |(channel, id, outlet)| (Some(channel), Some((id, outlet))));
        let asking = Asking::begin(&context, decoded.session.as_ref(), reply_to.id.clone(), decoded.token);
        // First here: what the server then cuts off is no failure of its own.
        decoded.session.iter().filter(|_| ending).for_each(|session| session.live.end(&Reason::SessionEnded));
        let carried = Box::new(Carried {
            exchange: Exchange {
                version: decoded.version,
                lists: decoded.session.as_ref().map(|session| session.lists).unwrap_or_default(),
                listed: decoded.session.as_ref().map(|session| session.listed.clone()),
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
        let sent = next.run(McpRequest { carried, evidence: principal.clone() });
        let result = sent.await.map_err(|rejection| sending_users(rejection, reply_to.version, [answerable, declares]));
        if gone(&result) || ending {
            head.headers.get(&SESSION_ID).inspect(|id| self.sessions.end(id));
        }
        if let (Err(refused), Some(answered), Some(id)) = (&result, answered, head.headers.get(&SESSION_ID)) {
            questions::not_through(&self.sessions, id, answered, (refused.reason(), context.route.legacy_sse));
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
            (http_sse::revision(era, &mut session)?, Some(session))
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

/// A refusal that sends its client's user to a page, where both can. Other revisions have no way for it.
fn sending_users(rejection: Rejection, version: ProtocolVersion, declared: [Answerable; 2]) -> Rejection {
    let sends = version == ProtocolVersion::V2025_11_25 && declared.iter().any(|declared| declared.sends_users());
    if sends { rejection.sending_users() } else { rejection }
}

/// `Mcp-Param-*` headers, in revisions that have them.
fn mirrored(head: &Parts, version: ProtocolVersion) -> Result<Vec<Mirrored>, Reason> {
    if version.has_mirrored_headers() { headers::mirrored(&head.headers) } else { Ok(Vec::new()) }
}
