//! What a server says it can do, as far as the caller may use it: the answers to `initialize` and `server/discover`.

use crate::decide::Held;
use crate::protocol::json::{Kind, NodeId, RawJson, Value};
use crate::protocol::{ListKind, ListSet, Message, ProtocolVersion, TASKS_EXTENSION};

/// Takes out of a result what nothing would come of. Lists stay: they can be empty. That they can change is said of each, whatever the
/// server says of its own: another policy changes what of them is shown, and then their client is told.
pub(super) fn narrow(message: &mut Message, held: &Held<'_>) {
    let Some(result) = message.result().map(Value::id) else { return };
    let (document, edits) = message.split();
    let result = document.value(result);
    let Some(capabilities) = result.get("capabilities").filter(|value| value.kind() == Kind::Object) else { return };
    let tools = held.has_any(ListKind::Tools);
    let completes = held.has_any(ListKind::Prompts) || held.has_any(ListKind::Resources);
    // Agreed on in a handshake; the stateless revision has an extension for it.
    let agreed = result.get("protocolVersion").and_then(Value::as_str);
    let tasks = tools && agreed == Some(ProtocolVersion::V2025_11_25.as_str());
    for offer in ListSet::KINDS.into_iter().filter_map(|list| capabilities.get(list.member())) {
        if offer.get("listChanged").and_then(Value::as_bool) != Some(true) {
            edits.set_member(document, offer.id(), "listChanged", RawJson::boolean(true));
        }
    }
    let mut keep = |container: NodeId, unwanted: &dyn Fn(&str) -> bool| {
        edits.retain(document, container, |value| !value.key().and_then(Value::as_str).is_some_and(unwanted));
    };
    keep(capabilities.id(), &|key| (key == "tasks" && !tasks) || (key == "completions" && !completes));
    if let Some(extensions) = capabilities.get("extensions") {
        keep(extensions.id(), &|key| key == TASKS_EXTENSION && !tools);
    }
    if let Some(requests) = capabilities.path(&["tasks", "requests"]) {
        // Nothing but calls of tools can become a task here.
        keep(requests.id(), &|key| key != "tools");
    }
}
