//! Members by whose names layers judge, and other spellings of those names.
//!
//! SECURITY: readers exist that ignore case (Go's `encoding/json`; CVE-2026-27896). To them `Name` beside `name` is the same member, and the
//! last one counts; so what was judged and what is acted upon would differ. Whatever has such a member is refused.

use super::Message;
use super::json::{Kind, Value};

/// What some layer reads in params, results and errors, or in the items of a list. Sorted.
const KNOWN_KEYS: [&str; 40] = [
    "_meta",
    "argument",
    "arguments",
    "cacheScope",
    "capabilities",
    "clientInfo",
    "code",
    "completion",
    "content",
    "contents",
    "context",
    "cursor",
    "data",
    "description",
    "inputRequests",
    "inputResponses",
    "instructions",
    "isError",
    "level",
    "message",
    "messages",
    "name",
    "nextCursor",
    "notifications",
    "progressToken",
    "prompts",
    "protocolVersion",
    "ref",
    "requestState",
    "resourceTemplates",
    "resources",
    "resultType",
    "serverInfo",
    "structuredContent",
    "task",
    "taskId",
    "tools",
    "ttlMs",
    "uri",
    "uriTemplate",
];

/// What some layer reads further down, in objects that MCP defines. Sorted.
const BELOW: [&str; 20] = [
    "elicitation",
    "elicitationId",
    "elicitations",
    "error",
    "extensions",
    "method",
    "mode",
    "params",
    "promptsListChanged",
    "resource",
    "resourceSubscriptions",
    "resourcesListChanged",
    "result",
    "roots",
    "sampling",
    "taskIds",
    "text",
    "toolsListChanged",
    "type",
    "url",
];

/// Members below which names are the peers' own.
const FREE: [&str; 14] = [
    "_meta",
    "arguments",
    "data",
    "experimental",
    "extensions",
    "input",
    "inputSchema",
    "metadata",
    "outputSchema",
    "properties",
    "requestedSchema",
    "schema",
    "structuredContent",
    "variables",
];

/// Members whose own keys are the peers' own, and below each of them are objects that MCP defines.
const NAMED_BY_PEERS: [&str; 2] = ["inputRequests", "inputResponses"];

/// Whether a key of `object` equals a known one but for case.
pub(super) fn respells_known(object: Value<'_>) -> bool {
    respells(object, &KNOWN_KEYS)
}

/// Whether a key of `object` equals one of `known`, which are sorted, but for case.
pub(super) fn respells(object: Value<'_>, known: &[&str]) -> bool {
    object.members().any(|(key, _)| {
        let key = key.as_str().unwrap_or_default();
        known.binary_search(&key).is_err() && known.iter().any(|known| differs_in_case_only(key, known))
    })
}

/// Whether an item of a list can be read by name without doubt: an object with no case variant of a known key.
pub(crate) fn is_plain_item(item: Value<'_>) -> bool {
    item.kind() == Kind::Object && !respells_known(item)
}

/// Whether everything that MCP defines in a message can be read by name without doubt. Left out are members of results whose name is
/// `apart`, each item of which is judged for itself.
pub fn is_plain(message: &Message, apart: Option<&str>) -> bool {
    // Containers that are still to be looked at, and whether their keys are known ones.
    let mut open: Vec<(Value<'_>, bool)> = Vec::new();
    let result = message.result().map(Value::id);
    open.extend([message.params(), message.result(), message.error()].into_iter().flatten().map(|root| (root, true)));
    while let Some((value, defined)) = open.pop() {
        if defined && (respells_known(value) || respells(value, &BELOW)) {
            return false;
        }
        open.extend(value.items().filter(is_container).map(|item| (item, true)));
        let is_result = Some(value.id()) == result;
        for (key, member) in value.members().filter(|(_, member)| is_container(member)) {
            let key = key.as_str().unwrap_or_default();
            let is_apart = is_result && apart == Some(key);
            if !(defined && (is_apart || FREE.contains(&key) || is_form(key, value, member))) {
                open.push((member, !(defined && NAMED_BY_PEERS.contains(&key))));
            }
        }
    }
    true
}

fn is_container(value: &Value<'_>) -> bool {
    matches!(value.kind(), Kind::Array | Kind::Object)
}

/// Whether it is what a user has written into a form: `content` beside `action` (MCP 2025-11-25, `ElicitResult`).
fn is_form(key: &str, of: Value<'_>, member: Value<'_>) -> bool {
    key == "content" && member.kind() == Kind::Object && of.get("action").is_some()
}

/// Whether `key` and the ASCII name `known` are equal to a reader that folds case as Unicode does: the long s (U+017F) folds to
/// `s` and the Kelvin sign (U+212A) to `k`.
fn differs_in_case_only(key: &str, known: &str) -> bool {
    let folded = key.chars().map(|c| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    });
    folded.eq(known.chars().map(|c| c.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    #[test]
    fn known_keys_are_sorted_so_that_they_are_found() {
        assert!(KNOWN_KEYS.is_sorted() && BELOW.is_sorted() && FREE.is_sorted());
    }

    fn plain(members: &str) -> bool {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,{members}}}"#);
        is_plain(&Message::parse(Bytes::from(text), Limits::default(), Side::Server).unwrap(), Some("tools"))
    }

    #[test]
    fn another_spelling_is_found_in_whatever_mcp_defines() {
        for members in [
            r#""result":{"content":[{"type":"text","text":"a","Text":"b"}]}"#,
            r#""result":{"content":[{"type":"resource","resource":{"uri":"a://b","TEXT":"b"}}]}"#,
            r#""result":{"contents":[{"uri":"a://b","Text":"b"}]}"#,
            r#""result":{"messages":[{"role":"user","content":{"type":"text","tex\u0054":"b"}}]}"#,
            r#""result":{"inputRequests":{"k":{"method":"roots/list","Method":"sampling/createMessage"}}}"#,
            r#""result":{"inputRequests":{"k":{"method":"elicitation/create","params":{"Mode":"url"}}}}"#,
            r#""method":"elicitation/create","params":{"Url":"https://evil.example"}"#,
            r#""method":"x","params":{"ref":{"type":"ref/prompt","name":"a","Name":"b"}}"#,
            r#""method":"x","params":{"notifications":{"ResourceSubscriptions":[]}}"#,
            r#""result":{"Result":{}}"#,
        ] {
            assert!(!plain(members), "{members}");
        }
    }

    #[test]
    fn names_of_the_peers_own_are_left_alone() {
        for members in [
            r#""result":{"structuredContent":{"Name":1,"deep":[{"Text":2}]},"content":[{"type":"text","text":"x","_meta":{"URL":1}}]}"#,
            r#""result":{"tools":[{"name":"x","Name":"y","annotations":{"Type":1}}]}"#,
            r#""result":{"inputRequests":{"Name":{"method":"elicitation/create","params":{"requestedSchema":{"properties":{"URL":{}}}}}}}"#,
            r#""result":{"action":"accept","content":{"Name":"Ada","URL":"x"}}"#,
            r#""method":"tools/call","params":{"name":"x","arguments":{"Name":{"Type":1}}}"#,
            r#""error":{"code":1,"message":"x","data":{"Message":"y"}}"#,
            r#""result":{"capabilities":{"experimental":{"Tools":{}},"extensions":{"x":{"Type":1}}},"vendor":{"kind":"x"}}"#,
        ] {
            assert!(plain(members), "{members}");
        }
    }
}
