//! Where a caller's trace context stands: in the head of the request, in `_meta` of its message (MCP 2026-07-28, SEP-414), or in both.
//!
//! Nothing of it is an error. A context that cannot be read is none, and the call begins a tree of its own.

use http::{HeaderMap, HeaderValue};

use crate::chain::{RequestContext, TraceHeaders};
use crate::protocol::Message;
use crate::trace::{Remote, State};

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";

/// The context in the head: the one `traceparent`. Two could be two callers.
pub(super) fn of_head(headers: &HeaderMap) -> Option<Remote> {
    let mut values = headers.get_all(PARENT).iter();
    let value = values.next()?;
    values.next().is_none().then(|| Remote::parse(value.to_str().ok()?))?
}

/// Settles the call's place in its caller's tree, now that caller and message are known; gives the state to be sent along, which
/// belongs to the context it came with.
pub(super) fn settle(headers: &HeaderMap, message: Option<&Message>, context: &RequestContext) -> TraceHeaders {
    let meta = message.and_then(|message| message.param("_meta"));
    let text = |key| meta.and_then(|meta| meta.get(key)?.as_str());
    let remote = text(PARENT).and_then(Remote::parse);
    context.trail.with(|decision| decision.trace.adopt(remote.as_ref()));
    let state = match remote {
        Some(_) => text(STATE).and_then(|text| State::parse([text])),
        None => of_head(headers).and_then(|_| {
            let lines: Option<Vec<&str>> = headers.get_all(STATE).iter().map(|value| value.to_str().ok()).collect();
            State::parse(lines?)
        }),
    };
    TraceHeaders { parent: None, state: state.and_then(|state| HeaderValue::from_str(state.as_str()).ok()) }
}
