//! Keeps of a call's arguments what the operator wants kept, before the call is sent.

use bytes::Bytes;

use super::kept;
use crate::chain::{Captured, McpRequest, Reason};
use crate::config::Capture;
use crate::protocol::Target;
use crate::upstream::Admitted;
use crate::vault::{ContentPlace, Pseudonym, Vault};

/// What is to be kept of a call.
pub(super) enum Kept {
    /// What stands in the record itself.
    Told(Captured),
    /// Text for the vault.
    Text(&'static str, Bytes),
}

/// What is to be kept of this call; `None` for all but calls of tools for which the operator wants it, and where there are no arguments.
pub(super) fn wanted(request: &McpRequest<Admitted>) -> Result<Option<Kept>, Reason> {
    let Target::Tool(tool) = &request.access.target else { return Ok(None) };
    let capture = request.evidence.permit().server().capture_of(tool);
    let Some(message) = request.message.rpc().filter(|_| capture != Capture::None) else { return Ok(None) };
    Ok(match capture {
        Capture::None => None,
        Capture::Keys => Some(Kept::Told(kept::names(message))),
        Capture::Full => kept::as_they_came(message).map(|text| Kept::Text("full", text)),
        Capture::Masked => {
            let text = kept::as_sent_on(message).map_err(|_envelope| Reason::Internal("capture"))?;
            text.map(|text| Kept::Text("masked", text))
        }
    })
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
