//! What `subscriptions/listen` asks to hear of: left of it is what the caller may know. The server's acknowledgement then says so.
//! MCP 2026-07-28, "Subscriptions".

use super::decide::Held;
use crate::protocol::json::Value;
use crate::protocol::{ListKind, Message, Task};

/// Takes out of the request what is not granted, and what is not there: to the caller the two are one.
pub(super) fn narrow(message: &mut Message, tasks: &[Task], held: &Held<'_>, server: &str) {
    let Some(wanted) = message.param("notifications").map(Value::id) else { return };
    let (document, edits) = message.split();
    let wanted = document.value(wanted);
    edits.retain(document, wanted.id(), |value| {
        let key = value.key().and_then(Value::as_str);
        let list = [ListKind::Prompts, ListKind::Resources, ListKind::Tools].into_iter().find(|list| list.change() == key);
        list.is_none_or(|list| held.has_any(server, list))
    });
    if let Some(uris) = wanted.get("resourceSubscriptions") {
        let shows = |uri: &str| held.shows(server, ListKind::Resources, uri);
        edits.retain(document, uris.id(), |uri| uri.as_str().is_some_and(shows));
    }
    if let Some(ids) = wanted.get("taskIds") {
        let granted = |shown: &str| tasks.iter().any(|task| task.shown == shown && held.may_call(server, &task.tool));
        edits.retain(document, ids.id(), |id| id.as_str().is_some_and(granted));
    }
}
