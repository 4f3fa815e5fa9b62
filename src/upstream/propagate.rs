//! What goes to the server in place of what the client wrote: the trace context (in the head always, and in `_meta` where the client
//! has written one), the server's own state in place of our seal over it, its own ids and progress token in place of ours, and ours in
//! place of the client's token.

use http::HeaderValue;

use crate::chain::{Carried, McpRequest};
use crate::config::Transport;
use crate::layers::audit::Recorded;
use crate::protocol::json::{Kind, RawJson, Value};
use crate::protocol::{Message, Shape};

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
const BAGGAGE: &str = "baggage";

/// Continues the call's trace: the server hangs under the span that begins here.
///
/// After the decision was recorded: this is no judgement, and it counts as no edit.
pub(super) fn trace(request: &mut McpRequest<Recorded>) {
    let Carried { message, exchange, context, .. } = &mut *request.carried;
    let parent = context.trail.depart();
    let state = exchange.trace.state.as_ref().and_then(|state| state.to_str().ok());
    if let Some(message) = message.rpc_mut() {
        in_meta(message, &parent, state);
    }
    // Takes the text over; it is not copied.
    exchange.trace.parent = HeaderValue::try_from(parent).ok();
}

/// Gives the server back what it had the client keep. After the decision was recorded, and no edit, for the same reason.
pub(super) fn state(request: &mut McpRequest<Recorded>) {
    let Carried { message, exchange, .. } = &mut *request.carried;
    let Some((message, state)) = message.rpc_mut().zip(exchange.state.take()) else { return };
    let Some(place) = message.param("requestState").map(Value::id) else { return };
    let (document, edits) = message.split();
    edits.replace(document, place, RawJson::string(&state));
}

/// Gives an answer the id under which the server waits for it. For the same reason no edit.
pub(super) fn question(request: &mut McpRequest<Recorded>) {
    let Carried { message, exchange, .. } = &mut *request.carried;
    let Some((message, id)) = message.rpc_mut().zip(exchange.question.take()) else { return };
    let Some(place) = message.id_place() else { return };
    let (document, edits) = message.split();
    edits.replace(document, place, RawJson::id(&id));
}

/// Gives the server its own ids of tasks in place of ours. For the same reason no edit.
pub(super) fn tasks(request: &mut McpRequest<Recorded>) {
    let Carried { message, exchange, .. } = &mut *request.carried;
    let Some(message) = message.rpc_mut() else { return };
    let (document, edits) = message.split();
    for (place, id) in std::mem::take(&mut exchange.tasks.places) {
        edits.replace(document, place, RawJson::string(&id));
    }
}

/// Has the server tell by the id of the call how far it is; and gives it back its own token where the client tells. No edit either.
pub(super) fn progress(request: &mut McpRequest<Recorded>) {
    // Where many share a connection the transport names requests itself (`paired/`).
    let paired = !matches!(request.evidence.permit().server().transport, Transport::Http(_));
    let Carried { message, exchange, context, .. } = &mut *request.carried;
    let Some(message) = message.rpc_mut() else { return };
    let (place, token) = match exchange.progress.take() {
        Some(theirs) => (message.param("progressToken").map(Value::id), RawJson::id(&theirs)),
        None if message.shape() == Shape::Request && !paired => {
            let token = message.param("_meta").and_then(|meta| meta.get("progressToken"));
            (token.map(Value::id), RawJson::string(&context.call.to_string()))
        }
        None => return,
    };
    if let Some(place) = place {
        let (document, edits) = message.split();
        edits.replace(document, place, token);
    }
}

/// Writes ours in place of the client's, so that the server reads one context wherever it looks, and takes `baggage` away:
/// it is for whoever runs the client, and W3C Baggage itself warns of passing it over a boundary of trust.
fn in_meta(message: &mut Message, parent: &str, state: Option<&str>) {
    let Some(meta) = message.param("_meta").filter(|meta| meta.kind() == Kind::Object) else { return };
    let (given, has_parent) = (meta.get(STATE), meta.get(PARENT).is_some());
    // Also one that was sent without a readable `traceparent`, whose state it would be.
    let orphaned = given.is_some() && state.is_none();
    let renewed = given.is_some() && !orphaned && given.and_then(Value::as_str) != state;
    if !has_parent && given.is_none() && meta.get(BAGGAGE).is_none() {
        return;
    }
    let meta = meta.id();
    let (document, edits) = message.split();
    if has_parent {
        edits.set_member(document, meta, PARENT, RawJson::string(parent));
    }
    if let Some(state) = state.filter(|_| renewed) {
        edits.set_member(document, meta, STATE, RawJson::string(state));
    }
    edits.retain(document, meta, |value| {
        let key = value.key().and_then(Value::as_str);
        !(key == Some(BAGGAGE) || (orphaned && key == Some(STATE)))
    });
}
