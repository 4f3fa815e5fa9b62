//! What `subscriptions/listen` asks to hear of: left of it is what the caller may know, and nothing else is told on its stream. The
//! server's acknowledgement then says so. MCP 2026-07-28, "Subscriptions".

use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

use crate::decide::Held;
use crate::protocol::json::{Kind, RawJson, Value};
use crate::protocol::{ListKind, ListSet, Message, RequestId, Task};

/// What else can be asked for.
const RESOURCES: &str = "resourceSubscriptions";
const TASKS: &str = "taskIds";

/// What a server tells first of all.
pub(super) const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";

/// Takes out of the request what is not granted, and what is not there: to the caller the two are one.
pub(super) fn narrow(message: &mut Message, tasks: &[Task], held: &Held<'_>) {
    let Some(wanted) = message.param("notifications").map(Value::id) else { return };
    let (document, edits) = message.split();
    let wanted = document.value(wanted);
    edits.retain(document, wanted.id(), |value| list_of(value).is_none_or(|list| held.has_any(list)));
    if let Some(uris) = wanted.get(RESOURCES) {
        let shows = |uri: &str| held.may_read(uri);
        edits.retain(document, uris.id(), |uri| uri.as_str().is_some_and(shows));
    }
    if let Some(ids) = wanted.get(TASKS) {
        let granted = |shown: &str| tasks.iter().any(|task| task.shown == shown && held.may_call(&task.tool));
        edits.retain(document, ids.id(), |id| id.as_str().is_some_and(granted));
    }
}

/// What one stream may tell, as far as its request decides that. Kept for as long as the stream, so it is small whatever was asked for.
#[derive(Debug)]
pub(super) struct Wanted {
    id: Option<RequestId>,
    lists: Vec<ListKind>,
    /// Of URIs their hashes, sorted. Whoever does not know the key makes no two that are equal; that two are by chance would let a
    /// message pass that policy lets pass anyway.
    uris: Box<[u64]>,
    key: RandomState,
    tasks: bool,
    /// Whether something was asked for that MCP does not define: an extension's, whose notifications nobody here knows.
    others: bool,
}

impl Wanted {
    /// What this request asks for.
    pub(super) fn of(message: &Message, lists: &[ListKind], resources: &[String]) -> Self {
        let key = RandomState::new();
        let mut uris: Vec<u64> = resources.iter().filter_map(|uri| Places::of(&key, uri).last()).collect();
        uris.sort_unstable();
        uris.dedup();
        let wanted = message.param("notifications");
        let tasks = wanted.is_some_and(|wanted| wanted.get(TASKS).is_some());
        let others =
            wanted.is_some_and(|wanted| wanted.members().any(|(_, value)| is_other(value) && value.as_bool() != Some(false)));
        Self { id: message.id().cloned(), lists: lists.to_vec(), uris: uris.into(), key, tasks, others }
    }

    /// The lists of whose changes it asks to hear, as far as there is something in them for the caller.
    pub(super) fn promises(&self, held: &Held<'_>) -> ListSet {
        self.lists.iter().copied().filter(|list| held.has_any(*list)).collect()
    }

    /// Whether a notification is of a kind that was asked for, or says how the stream itself is.
    pub(super) fn has(&self, message: &Message) -> bool {
        let method = message.method().unwrap_or_default();
        if let Some(list) = ListKind::changed(method) {
            return self.lists.contains(&list);
        }
        match method {
            ACKNOWLEDGED => true,
            // A server's word that this stream is over; of another request it says nothing here.
            "notifications/cancelled" => self.id.is_some() && message.param("requestId").and_then(RequestId::read) == self.id,
            "notifications/resources/updated" => {
                message.param("uri").and_then(Value::as_str).is_some_and(|uri| self.has_resource(uri))
            }
            "notifications/tasks" => self.tasks,
            // Those belong to requests, or to sessions.
            "notifications/message" | "notifications/progress" | "notifications/tasks/status" => false,
            _ => self.others,
        }
    }

    /// An update may be of what lies below the resource that was named ("a sub-resource").
    fn has_resource(&self, uri: &str) -> bool {
        Places::of(&self.key, uri).any(|place| self.uris.binary_search(&place).is_ok())
    }

    /// Of a server's acknowledgement: takes out what was not asked for, which a client would take for a promise, and puts in the lists whose
    /// changes it hears of from the gateway, whatever the server tells. The lists that are promised by it; none by any other message.
    pub(super) fn fit_acknowledgement(&self, message: &mut Message, held: &Held<'_>) -> Option<ListSet> {
        let granted = acknowledges(message).then(|| message.param("notifications")).flatten();
        let granted = granted.filter(|granted| granted.kind() == Kind::Object).map(Value::id)?;
        let (document, edits) = message.split();
        let granted = document.value(granted);
        let promised = self.promises(held);
        for list in ListSet::KINDS.into_iter().filter(|list| promised.has(*list)) {
            let said = list.change().filter(|key| granted.get(key).and_then(Value::as_bool) != Some(true));
            said.inspect(|key| edits.set_member(document, granted.id(), key, RawJson::boolean(true)));
        }
        edits.retain(document, granted.id(), |value| match (list_of(value), value.key().and_then(Value::as_str)) {
            (Some(list), _) => self.lists.contains(&list) || value.as_bool() == Some(false),
            (None, Some(RESOURCES)) => !self.uris.is_empty(),
            (None, Some(TASKS)) => self.tasks,
            (None, _) => self.others,
        });
        if let Some(uris) = granted.get(RESOURCES).filter(|_| !self.uris.is_empty()) {
            edits.retain(document, uris.id(), |uri| uri.as_str().is_some_and(|uri| self.has_resource(uri)));
        }
        Some(promised)
    }
}

/// The list whose changes a member of `notifications` is about.
fn list_of(value: Value<'_>) -> Option<ListKind> {
    let key = value.key().and_then(Value::as_str);
    ListSet::KINDS.into_iter().find(|list| list.change() == key)
}

fn is_other(value: Value<'_>) -> bool {
    list_of(value).is_none() && !matches!(value.key().and_then(Value::as_str), Some(RESOURCES | TASKS))
}

/// The hashes of a URI and of what it lies below, the shortest first, each without a slash at its end. Every byte is looked at once.
struct Places<'a> {
    hasher: DefaultHasher,
    rest: Option<&'a str>,
}

impl<'a> Places<'a> {
    fn of(key: &RandomState, uri: &'a str) -> Self {
        Self { hasher: key.build_hasher(), rest: Some(uri.strip_suffix('/').unwrap_or(uri)) }
    }
}

impl Iterator for Places<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let rest = self.rest?;
        // What separates belongs to what comes after it.
        let end = rest.char_indices().skip(1).find(|(_, c)| matches!(c, '/' | '?')).map(|(at, _)| at);
        let (part, after) =
            end.and_then(|end| rest.split_at_checked(end)).map_or((rest, None), |(part, after)| (part, Some(after)));
        self.hasher.write(part.as_bytes());
        self.rest = after;
        Some(self.hasher.clone().finish())
    }
}

/// Whether it is the server's word what it will tell of.
pub(super) fn acknowledges(message: &Message) -> bool {
    message.method() == Some(ACKNOWLEDGED)
}

/// A word for a notification that was dropped.
pub(super) fn word(message: &Message) -> &'static str {
    match message.method() {
        Some("notifications/cancelled") => "notifications/cancelled",
        Some("notifications/message") => "notifications/message",
        Some("notifications/progress") => "notifications/progress",
        Some("notifications/prompts/list_changed") => "notifications/prompts/list_changed",
        Some("notifications/resources/list_changed") => "notifications/resources/list_changed",
        Some("notifications/resources/updated") => "notifications/resources/updated",
        Some("notifications/tasks" | "notifications/tasks/status") => "notifications/tasks",
        Some("notifications/tools/list_changed") => "notifications/tools/list_changed",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    fn message(text: &str, side: Side) -> Message {
        Message::parse(Bytes::copy_from_slice(text.as_bytes()), Limits::default(), side).unwrap()
    }

    fn wanted(notifications: &str, resources: &[&str]) -> Wanted {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":"s","method":"subscriptions/listen","params":{{"notifications":{notifications}}}}}"#
        );
        let resources: Vec<_> = resources.iter().map(|&uri| uri.to_owned()).collect();
        Wanted::of(&message(&text, Side::Client), &[ListKind::Tools], &resources)
    }

    fn told(method: &str, params: &str) -> Message {
        message(&format!(r#"{{"jsonrpc":"2.0","method":"notifications/{method}","params":{params}}}"#), Side::Server)
    }

    #[test]
    fn an_update_is_of_what_was_named_or_lies_below_it() {
        let wanted = wanted("{}", &["file:///a/b", "https://example.com", "note://x?q=1"]);
        for uri in [
            "file:///a/b",
            "file:///a/b/",
            "file:///a/b/c/d",
            "file:///a/b?x",
            "https://example.com/",
            "https://example.com/p",
            "note://x?q=1",
        ] {
            assert!(wanted.has_resource(uri), "{uri}");
        }
        for uri in [
            "file:///a",
            "file:///a/bc",
            "file:///a/c/b",
            "file:///a?b",
            "https://example.com.evil/",
            "note://x",
            "note://x?q=12",
            "",
        ] {
            assert!(!wanted.has_resource(uri), "{uri}");
        }
    }

    #[test]
    fn a_stream_may_be_ended_and_acknowledged_and_what_no_one_here_knows_must_be_asked_for() {
        let plain = wanted(r#"{"toolsListChanged":true,"vendor/x":false}"#, &[]);
        let vendor = wanted(r#"{"vendor/x":true}"#, &[]);
        for (heard, method, params) in [
            (true, "subscriptions/acknowledged", "{}"),
            (true, "cancelled", r#"{"requestId":"s"}"#),
            (false, "cancelled", r#"{"requestId":1}"#),
            (false, "cancelled", "{}"),
            (true, "tools/list_changed", "{}"),
            (false, "prompts/list_changed", "{}"),
            (false, "tasks", r#"{"taskId":"t"}"#),
            (false, "message", "{}"),
            (false, "vendor/x", "{}"),
        ] {
            assert_eq!(plain.has(&told(method, params)), heard, "{method} {params}");
        }
        assert!(vendor.has(&told("vendor/x", "{}")) && !vendor.has(&told("progress", "{}")));
    }
}
