//! The one walk over everything a peer wrote.

use super::json::{Kind, NodeId, Text, Value};
use super::{Message, Method, Shape};

/// Members of results that come in pages.
const LISTS: [&str; 5] = ["prompts", "resourceTemplates", "resources", "tasks", "tools"];

/// Calls `visit` on every key, string and number of a message's params, result and error, decoded, in document order; and on the id of a
/// request where it is a text, which its server reads as it was written.
///
/// Left out are the marks of a server's own that a client has to give back as they are: `nextCursor` of a result, the token of a
/// progress notification, and what clients hold under our seal only: the state of a question (`session/states.rs`), and in requests
/// about a task its id (`session/tasks.rs`). Numbers come as their digits: a card number may be one. The walk has no recursion and
/// allocates nothing; the parser has bounded depth and number of values.
pub fn visit_texts<'m>(message: &'m Message, mut visit: impl FnMut(Text<'m>)) {
    // SECURITY: only of a list; anywhere else it is text like any other, and would pass unseen.
    let is_list = |result: &Value<'_>| LISTS.iter().any(|list| result.get(list).is_some());
    let cursor = message.result().filter(is_list).and_then(|result| result.get("nextCursor"));
    let is_progress = message.method() == Some("notifications/progress");
    let token = message.param("progressToken").filter(|_| is_progress);
    let given = message.result().and_then(|result| result.get("requestState"));
    let is_request = message.shape() == Shape::Request;
    let asks = |test: fn(Method) -> bool| is_request && message.method().is_some_and(|name| test(Method::from_name(name)));
    let returned = message.param("requestState").filter(|_| asks(Method::may_ask));
    let about = message.param("taskId").filter(|_| asks(Method::is_about_task));
    let marks = [cursor, token, given, returned, about].map(|mark| mark.map(Value::id));
    for root in id_text(message).into_iter().chain(roots(message)) {
        root.texts().filter(|text| !marks.contains(&Some(text.id))).for_each(&mut visit);
    }
}

/// The id of a request, where it is a text.
fn id_text(message: &Message) -> Option<Value<'_>> {
    let id = message.id_place().filter(|_| message.shape() == Shape::Request).map(|place| message.value(place))?;
    (id.kind() == Kind::String).then_some(id)
}

/// The same below one value, all of it.
pub fn visit_below<'m>(root: Value<'m>, visit: &mut impl FnMut(Text<'m>)) {
    root.texts().for_each(visit);
}

/// The texts that a client shows as one: the blocks of a tool's result, the contents of a resource, the messages of a prompt, and what a
/// model of the client's answers.
pub fn content_texts(message: &Message) -> impl Iterator<Item = Value<'_>> {
    let result = message.result();
    // What a task has come to. MCP Tasks extension.
    let of_task = result.or(message.params()).and_then(|told| told.get("result"));
    let lists = [result, of_task].into_iter().flatten();
    lists.flat_map(|result| {
        let list = move |key| result.get(key).into_iter().flat_map(Value::items);
        let contents = list("contents").map(|item| item.get("text"));
        let messages = list("messages").filter_map(|message| message.get("content"));
        let blocks = list("content").chain(messages.flat_map(|content| content.items().chain([content])));
        blocks.flat_map(|block| [block.get("text"), block.path(&["resource", "text"])]).chain(contents).flatten()
    })
}

/// What a message carries as bytes: the base64 of images, sounds and other files, each with its media type where that is said.
pub fn binaries(message: &Message) -> impl Iterator<Item = (Value<'_>, Option<&str>)> {
    let result = message.result();
    let of_task = result.or(message.params()).and_then(|told| told.get("result"));
    // A client's model may be asked about images. MCP, sampling.
    let asked = message.params();
    let all = [result, of_task, asked].into_iter().flatten();
    let blocks = all.flat_map(|holder| {
        let list = move |key| holder.get(key).into_iter().flat_map(|value| value.items().chain([value]));
        let messages = list("messages").filter_map(|message| message.get("content"));
        list("content").chain(list("contents")).chain(messages.flat_map(|content| content.items().chain([content])))
    });
    blocks.flat_map(|block| [Some(block), block.get("resource")]).flatten().filter_map(|block| {
        let bytes = block.get("data").or_else(|| block.get("blob")).filter(|value| value.as_str().is_some())?;
        Some((bytes, block.get("mimeType").and_then(Value::as_str)))
    })
}

/// The values that a message carries.
pub fn roots(message: &Message) -> impl Iterator<Item = Value<'_>> {
    [message.params(), message.result(), message.error()].into_iter().flatten()
}

/// Members for which MCP wants a number, in any revision.
const NUMBERS: [&str; 11] = [
    "code",
    "costPriority",
    "intelligencePriority",
    "maxTokens",
    "priority",
    "progress",
    "size",
    "speedPriority",
    "temperature",
    "total",
    "ttlMs",
];

/// Members of params, result and error below which everything is the peers' own business.
const FREE: [&str; 6] = ["_meta", "arguments", "content", "data", "inputResponses", "structuredContent"];

/// Whether a value is one that has to stay a number, for its reader to take the message at all.
pub fn is_protocol_number(message: &Message, value: Value<'_>) -> bool {
    let named = value.key().and_then(Value::as_str).is_some_and(|key| NUMBERS.contains(&key));
    // `content` is a list of blocks, or what a user has written into a form.
    let free = |(key, below): (Value<'_>, Value<'_>)| {
        key.as_str().is_some_and(|key| FREE.contains(&key) && (key != "content" || below.kind() == Kind::Object))
            && below.span().contains(&value.span().start)
    };
    named && value.kind() == Kind::Number && !roots(message).any(|root| root.members().any(free))
}

/// The values by which a request is routed and recognised. They cannot be edited: another tool would be called, or the mirrored
/// headers would differ from the body.
pub fn routing_fields(message: &Message) -> Vec<NodeId> {
    let Some(params) = message.params().filter(|_| message.method().is_some()) else {
        return Vec::new();
    };
    let direct = ["name", "uri", "cursor", "protocolVersion", "taskId"].map(|key| params.get(key));
    let nested = [["ref", "name"], ["ref", "uri"], ["_meta", "progressToken"]].map(|path| params.path(&path));
    direct.into_iter().chain(nested).flatten().map(Value::id).chain(message.id_place()).collect()
}
