//! What the gateway tells of lists by itself: where that is heard, and how it is said.
//!
//! A policy is the gateway's own, so what it changes is told by the gateway: on the stream that a server pushes on, or agrees to tell on;
//! and where a server has no such stream, on one that is the gateway's alone.

use std::future::pending;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};

use super::listen::{ACKNOWLEDGED, Wanted};
use crate::chain::{Changes, Listed, McpRequest, McpResponse, Reason, Rejection, ResponseBody, ServerMessage};
use crate::decide::Held;
use crate::layers::authn::Principal;
use crate::places::Taken;
use crate::protocol::json::{Limits, Value};
use crate::protocol::{ListKind, ListSet, Message, Method, RequestId, Side, code};

/// Where the gateway's own word goes that a list has changed.
pub(super) struct Hearing {
    pub(super) changes: Changes,
    /// The request of `subscriptions/listen`; none on the stream of a session.
    pub(super) listener: Option<RequestId>,
    /// What the client of the session was shown of the lists.
    pub(super) listed: Option<Listed>,
}

impl Hearing {
    /// On the stream of what a server pushes in a session, which was told what it would hear of; and on that of a listener, who is told so
    /// first. A session of HTTP+SSE hears everything on the one stream that it has.
    pub(super) fn of(request: &McpRequest<Principal>) -> Option<Self> {
        let (changes, method) = (Changes::default(), request.access.method);
        if method == Method::Listen {
            let listener = request.message.rpc().and_then(Message::id).cloned()?;
            return Some(Self { changes, listener: Some(listener), listed: None });
        }
        let pushes = method == Method::Push && !request.context.route.legacy_sse;
        pushes.then(|| {
            changes.promise(request.exchange.lists);
            Self { changes, listener: None, listed: request.exchange.listed.clone() }
        })
    }

    /// What comes back, or in the place of a server's word that it has no such stream one of the gateway's own, if there is `room` for it.
    /// Nothing is on it but what is told by `changes`, after the acknowledgement of what was asked for.
    pub(super) fn or_own(
        &self,
        answer: Result<McpResponse, Rejection>,
        wanted: Option<(&Wanted, &Held<'_>)>,
        room: impl FnOnce() -> Option<Taken>,
    ) -> Result<McpResponse, Rejection> {
        let nothing = match &answer {
            Err(rejection) => self.listener.is_none() && *rejection.reason() == Reason::MethodNotAllowed,
            Ok(response) => self.listener.is_some() && knows_no_such_method(response),
        };
        if !nothing {
            return answer;
        }
        let first = match (&self.listener, wanted) {
            (Some(id), Some((wanted, held))) => acknowledgement(id, wanted.promises(held)).map(Some),
            _ => (!self.changes.promised().is_empty()).then_some(None),
        };
        let Some((first, place)) = first.and_then(|first| Some((first, room()?))) else { return answer };
        let first = first.map(|message| Ok(ServerMessage::new(message)));
        // It lasts until its client goes or somebody ends it, and holds its place for as long.
        let rest = stream::once(async move {
            let _held = place;
            pending().await
        });
        let stream = stream::iter(first).chain(rest);
        Ok(McpResponse { body: ResponseBody::Stream(Box::pin(stream)), session: None, polling: None })
    }
}

/// Whether a server answers that it does not know the method. Any other error is its own to tell.
fn knows_no_such_method(response: &McpResponse) -> bool {
    match &response.body {
        ResponseBody::Json(_, reply) => {
            let code = reply.message.error().and_then(|error| error.get("code")).and_then(Value::as_i64);
            code == Some(code::METHOD_NOT_FOUND)
        }
        ResponseBody::Accepted
        | ResponseBody::Ended
        | ResponseBody::Opened(_)
        | ResponseBody::Resumed(_)
        | ResponseBody::Stream(_) => false,
    }
}

/// What a listener is told first; nothing where nothing is promised.
fn acknowledgement(listener: &RequestId, promised: ListSet) -> Option<Message> {
    if promised.is_empty() {
        return None;
    }
    let keys = ListSet::KINDS.into_iter().filter(|list| promised.has(*list)).filter_map(ListKind::change);
    let lists = keys.map(|key| format!(r#""{key}":true"#)).collect::<Vec<_>>().join(",");
    notification(ACKNOWLEDGED, Some(&format!(r#"{{"_meta":{},"notifications":{{{lists}}}}}"#, meta(listener))))
}

/// The notification that a list has changed, on the stream of that listener, if it is one.
pub(super) fn changed(list: ListKind, listener: Option<&RequestId>) -> Option<ServerMessage> {
    let params = listener.map(|listener| format!(r#"{{"_meta":{}}}"#, meta(listener)));
    notification(list.notification(), params.as_deref()).map(ServerMessage::new)
}

fn meta(listener: &RequestId) -> String {
    format!(r#"{{"io.modelcontextprotocol/subscriptionId":{}}}"#, listener.as_json())
}

/// Built of what was read as JSON before, so that it cannot fail.
fn notification(method: &str, params: Option<&str>) -> Option<Message> {
    let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
    let text = format!(r#"{{"jsonrpc":"2.0","method":"{method}"{params}}}"#);
    Message::parse(Bytes::from(text), Limits::default(), Side::Server).ok()
}
