//! Keeps of a call's arguments what the operator wants kept, before the call is sent.

use bytes::Bytes;

use super::kept;
use crate::chain::{Captured, McpRequest, Reason};
use crate::config::Capture;
use crate::protocol::{Access, Message, Method, Target};
use crate::upstream::Admitted;
use crate::vault::{ContentPlace, Pseudonym, Vault};

/// What is to be kept of a call.
pub(super) enum Kept {
    /// What stands in the record itself.
    Told(Captured),
    /// Text for the vault.
    Text(&'static str, Bytes),
}

/// What is to be kept of this call; `None` where the operator wants nothing.
pub(super) fn wanted(request: &McpRequest<Admitted>) -> Result<Option<Kept>, Reason> {
    let server = request.evidence.permit().server();
    let Some(message) = request.message.rpc() else { return Ok(None) };
    let Target::Tool(tool) = &request.access.target else { return Ok(in_full(server.capture, message, &request.access)) };
    Ok(match server.capture_of(tool) {
        Capture::None => None,
        Capture::Keys => Some(Kept::Told(kept::names(message))),
        Capture::Full => in_full(Capture::Full, message, &request.access),
        Capture::Masked => {
            let text = kept::as_sent_on(message).map_err(|_envelope| Reason::Internal("capture"))?;
            Some(text.map_or(Kept::Told(Captured::Nothing("masked")), |text| Kept::Text("masked", text)))
        }
    })
}

/// All that a decision has looked at and the record does not hold, where the operator wants all.
pub(super) fn in_full(capture: Capture, message: &Message, access: &Access) -> Option<Kept> {
    match (&access.target, access.method) {
        _ if capture != Capture::Full => None,
        (_, Method::ToolsCall | Method::PromptsGet) => {
            let arguments = kept::as_they_came(message);
            Some(arguments.map_or(Kept::Told(Captured::Nothing("full")), |text| Kept::Text("full", text)))
        }
        (Target::Resource(text) | Target::Method(text), _) => Some(Kept::Text("target", Bytes::copy_from_slice(text.as_bytes()))),
        _ => None,
    }
}

/// Keeps it. What cannot be stored must not be sent.
pub(super) async fn keep(kept: Kept, vault: &Vault, log: &str, call: &[u8; 16], whose: &Pseudonym) -> Result<Captured, Reason> {
    match kept {
        Kept::Told(captured) => Ok(captured),
        Kept::Text(kind, text) => match vault.store(whose, ContentPlace { log, call, kind }, &text).await {
            Ok(sha256) => Ok(Captured::Content(kind, sha256)),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "arguments could not be stored; the call is refused");
                Err(Reason::StoreUnavailable)
            }
        },
    }
}
