//! Filtering `*/list` results by the decision that calls are judged by.

use crate::decide::{Held, Shown};
use crate::protocol::json::{Kind, RawJson, Value};
use crate::protocol::{ListKind, Message, is_plain_item};

/// Keeps of a list result what the caller may see, and forbids shared caching of it.
///
/// Order, `nextCursor` and every byte of what is kept stay as they were; a page may become empty while the list goes on.
pub(super) fn filter(message: &mut Message, list: ListKind, held: &Held<'_>) {
    let Some(result) = message.result().map(Value::id) else {
        return;
    };
    let (document, edits) = message.split();
    let result = document.value(result);
    if result.kind() != Kind::Object {
        return;
    }
    if let Some(items) = result.get(list.member()) {
        edits.retain(document, items.id(), |item| {
            // SECURITY: an item with `Name` beside `name` would be judged by one and shown by the other.
            let name = item.get(list.key()).and_then(Value::as_str).filter(|_| is_plain_item(item));
            name.is_some_and(|name| held.shows(list, name) != Shown::Deny)
        });
    }
    forbid_shared_caching(message);
}

/// The tools of a list that their server itself calls destructive. A hint that it makes nothing dangerous is no one's word but its own.
pub(super) fn destructive(message: &Message) -> impl Iterator<Item = &str> {
    let tools = message.result().and_then(|result| result.get(ListKind::Tools.member()));
    tools.into_iter().flat_map(Value::items).filter_map(|tool| {
        let hint = |name: &str| tool.get("annotations")?.get(name)?.as_bool();
        let is_destructive = hint("destructiveHint") == Some(true) && hint("readOnlyHint") != Some(true);
        tool.get("name").and_then(Value::as_str).filter(|_| is_destructive)
    })
}

/// What depends on the caller must not be served to another from a shared cache. MCP 2026-07-28, "Caching".
pub(super) fn forbid_shared_caching(message: &mut Message) {
    let Some(result) = message.result().filter(|result| result.get("cacheScope").is_some()).map(Value::id) else {
        return;
    };
    let (document, edits) = message.split();
    edits.set_member(document, result, "cacheScope", RawJson::string("private"));
}
