//! The state that a server of 2026-07-28 has its client keep between two requests: sealed on the way out, opened on the way in.

use std::sync::Arc;

use jiff::Timestamp;

use crate::chain::{McpResponse, Reason, Rejection, RequestContext};
use crate::layers::authn::Principal;
use crate::protocol::json::RawJson;
use crate::protocol::{Access, Message};
use crate::session::{Bond, Sessions, StateError, States};

/// The server's own state, if the request shows one.
pub(super) fn open(
    states: &States,
    message: &Message,
    access: &Access,
    principal: &Principal,
    context: &RequestContext,
) -> Result<Option<String>, Reason> {
    let Some(shown) = message.param("requestState").filter(|_| access.answers) else {
        return Ok(None);
    };
    let bond = Bond::new(principal, &context.route.resource, access, message.param("arguments"));
    let opened = states.open(&bond, shown.as_str().unwrap_or_default(), context.received);
    opened.map(Some).map_err(|error| match error {
        StateError::NotGiven => Reason::ForeignState,
        StateError::Random => Reason::Overloaded,
    })
}

/// To whom and what a state is bound that this request brings about; `None` where no question may come back.
pub(super) fn bond(message: &Message, access: &Access, principal: &Principal, context: &RequestContext) -> Option<Bond> {
    let bond = || Bond::new(principal, &context.route.resource, access, message.param("arguments"));
    access.method.may_ask().then(bond)
}

/// On the way out: whatever a server has its client keep, in whatever revision, leaves under our seal, for no layer has looked at it.
/// Where there is no bond the server had nothing to ask.
pub(super) fn seal(
    response: McpResponse,
    sessions: &Arc<Sessions>,
    bond: Option<Bond>,
    now: Timestamp,
) -> Result<McpResponse, Rejection> {
    let sessions = Arc::clone(sessions);
    response.map_messages(move |mut message| {
        let Some(state) = message.message.result().and_then(|result| result.get("requestState")) else {
            return Ok(Some(message));
        };
        let place = state.id();
        let (text, bond) = state.as_str().zip(bond.as_ref()).ok_or(Reason::UpstreamFailed("request_state"))?;
        let sealed = sessions.states().seal(bond, text, now).map_err(|_random| Reason::Overloaded)?;
        let (document, edits) = message.message.split();
        edits.replace(document, place, RawJson::string(&sealed));
        Ok(Some(message))
    })
}
