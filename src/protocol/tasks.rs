//! Tasks: work that a server goes on with after it has answered, known by an id. Experimental in 2025-11-25, where the client asks for one
//! (`params.task`), an extension in 2026-07-28, where the server decides. Here is said where in a message ids of tasks stand.

use std::collections::BTreeSet;

use super::json::{Kind, NodeId, Value};
use super::spelling::is_plain_item;
use super::{Message, Method, ProtocolVersion, Shape};

/// The extension of 2026-07-28, as it is declared.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// The key in `_meta` that says to which task a message belongs. MCP 2025-11-25, "Associating Task-Related Messages".
const RELATED: &str = "io.modelcontextprotocol/related-task";

/// How many tasks one stream may be asked for. Each is opened, and looked for among the others.
pub(super) const MAX_LISTENED: usize = 256;

/// How servers tell of tasks unasked: in 2025-11-25, and in the extension.
const TOLD: [&str; 2] = ["notifications/tasks/status", "notifications/tasks"];

/// A task of one caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Task {
    /// The id that its caller knows.
    pub shown: String,
    /// The server's own.
    pub id: String,
    /// The tool whose call made it: whoever may call it may know how it goes on.
    pub tool: String,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Ids are handles: they are never printed.
        f.debug_struct("Task").field("tool", &self.tool).finish_non_exhaustive()
    }
}

/// As what a message names a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mention {
    /// The message tells that there is one now.
    Created,
    /// It is one of several.
    Listed,
    /// The message belongs to it, and is about something else.
    Related,
    /// The message is about it.
    Subject,
}

/// A place where the id of a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskPlace {
    /// As what.
    pub mention: Mention,
    /// The id, or what stands in its place.
    pub node: NodeId,
    /// What goes with it when it is withheld, and what that is a part of: the item of a list, the note in the margin.
    part: Option<(NodeId, NodeId)>,
}

impl TaskPlace {
    fn new(mention: Mention, id: Value<'_>) -> Self {
        Self { mention, node: id.id(), part: None }
    }

    /// Of an item, or of a note, whose id is `taskId` in it where that can be read for sure.
    fn within(mention: Mention, container: Value<'_>, whole: Value<'_>) -> Self {
        let id = whole.get("taskId").filter(|_| is_plain_item(whole)).unwrap_or(whole);
        Self { mention, node: id.id(), part: Some((container.id(), whole.id())) }
    }
}

/// Takes items and notes out of a message.
pub fn withhold_tasks(message: &mut Message, places: &[TaskPlace]) {
    let parts: Vec<_> = places.iter().filter_map(|place| place.part).collect();
    let containers: BTreeSet<_> = parts.iter().map(|(container, _)| *container).collect();
    let withheld: BTreeSet<_> = parts.into_iter().map(|(_, whole)| whole).collect();
    let (document, edits) = message.split();
    for container in containers {
        edits.retain(document, container, |value| !withheld.contains(&value.id()));
    }
}

/// What a notification tells that a task has come to: the id of the task, and its result. MCP Tasks extension, `notifications/tasks`.
pub fn told_result(message: &Message) -> Option<(&str, Value<'_>)> {
    let [_, told] = TOLD;
    let is_told = message.shape() == Shape::Notification && message.method() == Some(told);
    let task = message.params().filter(|_| is_told)?;
    Some((task.get("taskId").and_then(Value::as_str)?, task.get("result")?))
}

/// Takes the result out of such a notification. Who hears that the task is over asks for it, and is told why there is none.
pub fn withhold_told_result(message: &mut Message) {
    let Some((task, result)) = message.params().and_then(|task| Some((task.id(), task.get("result")?.id()))) else { return };
    let (document, edits) = message.split();
    edits.retain(document, task, |value| value.id() != result);
}

/// Whether there are tasks in this revision.
fn has_tasks(version: ProtocolVersion) -> bool {
    version >= ProtocolVersion::V2025_11_25
}

/// Where a client's message names tasks. Of a request about one, its `taskId` is left to [`super::Access`].
pub fn named_by_client(message: &Message, version: ProtocolVersion) -> Vec<TaskPlace> {
    let mut places = Vec::new();
    if !has_tasks(version) {
        return places;
    }
    let method = message.method().map(Method::from_name).filter(|method| method.exists_in(version));
    if method.is_some_and(Method::is_about_task) {
        places.extend(message.param("taskId").map(|id| TaskPlace::new(Mention::Subject, id)));
    }
    if method == Some(Method::Listen) {
        places.extend(listened(message).take(MAX_LISTENED));
    }
    if version.has_sessions() {
        places.extend(related(message.params().or(message.result())));
    }
    places
}

/// The client's own id for what it has been asked, where its answer is that it has made a task of it. 2025-11-25 only.
pub fn made_by_client(answer: &Message) -> Option<&str> {
    answer.result()?.path(&["task", "taskId"])?.as_str()
}

/// The client's own id in a request of the server about such a task.
pub fn asked_about(question: &Message) -> Option<&str> {
    let method = Method::from_name(question.method()?);
    let about = method.is_about_task() && method.exists_in(ProtocolVersion::V2025_11_25);
    question.param("taskId").filter(|_| about && question.shape() == Shape::Request)?.as_str()
}

/// Where a server's message names tasks, on the way to a client that has sent a request of `method`.
pub fn named_by_server(message: &Message, method: Method, version: ProtocolVersion) -> Vec<TaskPlace> {
    let mut places = Vec::new();
    let legacy = version.has_sessions();
    if let Some(told) = message.method().filter(|method| TOLD.contains(method)) {
        let known = has_tasks(version) && told == if legacy { "notifications/tasks/status" } else { "notifications/tasks" };
        // Without an id, or in a revision that does not tell so, it is about nobody's.
        let id = message.param("taskId").filter(|_| known).or(message.params());
        places.extend(id.map(|id| TaskPlace::new(Mention::Subject, id)));
    }
    if !has_tasks(version) {
        return places;
    }
    match (message.shape(), message.result()) {
        (Shape::Response, Some(result)) => {
            places.extend(created(result, method, legacy));
            if method.is_about_task() && method != Method::TasksResult {
                places.extend(result.get("taskId").map(|id| TaskPlace::new(Mention::Subject, id)));
            }
            if method == Method::TasksList {
                places.extend(listed(result));
            }
        }
        (Shape::Notification, _) if message.method() == Some("notifications/subscriptions/acknowledged") => {
            places.extend(listened(message));
        }
        (Shape::Notification | Shape::Request | Shape::Response, _) => {}
    }
    if legacy {
        places.extend(related(message.params().or(message.result())));
    }
    places
}

/// The id of a task that a call has brought about in place of its result.
fn created(result: Value<'_>, method: Method, legacy: bool) -> Option<TaskPlace> {
    if method != Method::ToolsCall {
        return None;
    }
    let task = if legacy {
        result.get("task").filter(|task| task.kind() == Kind::Object)?
    } else {
        Some(result).filter(|result| result.get("resultType").and_then(Value::as_str) == Some("task"))?
    };
    // One that cannot be read for sure has no id.
    let id = task.get("taskId").filter(|_| is_plain_item(task)).unwrap_or(task);
    Some(TaskPlace::new(Mention::Created, id))
}

fn listed(result: Value<'_>) -> impl Iterator<Item = TaskPlace> + '_ {
    result.get("tasks").into_iter().flat_map(|tasks| {
        // A list written as an object is one to somebody.
        let items = tasks.items().chain(tasks.members().map(|(_, task)| task));
        items.map(move |item| match item.kind() {
            Kind::Object => TaskPlace::within(Mention::Listed, tasks, item),
            // No task, and so nobody's.
            Kind::Array | Kind::Bool | Kind::Null | Kind::Number | Kind::String => {
                TaskPlace { mention: Mention::Listed, node: tasks.id(), part: Some((tasks.id(), item.id())) }
            }
        })
    })
}

/// The tasks that a listen stream is about: what is asked for, and what is granted.
fn listened(message: &Message) -> impl Iterator<Item = TaskPlace> + '_ {
    let ids = message.param("notifications").and_then(|wanted| wanted.get("taskIds"));
    ids.into_iter().flat_map(|ids| ids.items().map(move |id| TaskPlace::within(Mention::Listed, ids, id)))
}

fn related(object: Option<Value<'_>>) -> Option<TaskPlace> {
    let meta = object?.get("_meta")?;
    Some(TaskPlace::within(Mention::Related, meta, meta.get(RELATED)?))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    const LEGACY: ProtocolVersion = ProtocolVersion::V2025_11_25;
    const MODERN: ProtocolVersion = ProtocolVersion::V2026_07_28;

    fn message(text: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0",{text}}}"#);
        Message::parse(Bytes::from(text), Limits::default(), Side::Server).unwrap()
    }

    fn by_server(text: &str, method: Method, version: ProtocolVersion) -> Vec<(Mention, String)> {
        let message = message(text);
        let places = named_by_server(&message, method, version);
        places.into_iter().map(|place| (place.mention, message.value(place.node).raw().to_owned())).collect()
    }

    #[test]
    fn a_call_makes_a_task_in_the_way_of_its_revision_only() {
        let flat = r#""id":1,"result":{"resultType":"task","taskId":"t1"}"#;
        let nested = r#""id":1,"result":{"task":{"taskId":"t1"}}"#;
        let t1 = vec![(Mention::Created, r#""t1""#.to_owned())];
        assert_eq!(by_server(flat, Method::ToolsCall, MODERN), t1);
        assert_eq!(by_server(nested, Method::ToolsCall, LEGACY), t1);
        for (text, method, version) in [
            (flat, Method::ToolsCall, LEGACY),
            (nested, Method::ToolsCall, MODERN),
            (nested, Method::ToolsCall, ProtocolVersion::V2025_06_18),
            (flat, Method::PromptsGet, MODERN),
        ] {
            assert_eq!(by_server(text, method, version), [], "{text} {version}");
        }
        let odd = r#""id":1,"result":{"task":{"taskId":"t1","TaskId":"t2"}}"#;
        assert!(
            by_server(odd, Method::ToolsCall, LEGACY)[0].1.starts_with('{'),
            "an id that two readers read differently is none"
        );
    }

    #[test]
    fn every_item_of_a_list_is_found_with_or_without_an_id() {
        let list = r#""id":1,"result":{"tasks":[{"taskId":"a"},{"taskId":7},{"x":1},"a"]}"#;
        let found: Vec<_> = by_server(list, Method::TasksList, LEGACY).into_iter().map(|(_, text)| text).collect();
        assert_eq!(found[..3], [r#""a""#, "7", r#"{"x":1}"#]);
        assert!(found[3].starts_with('['), "a text is no task: {found:?}");
    }

    #[test]
    fn notes_in_the_margin_are_found_in_whatever_a_legacy_server_says() {
        let meta = r#""_meta":{"io.modelcontextprotocol/related-task":{"taskId":"t"}}"#;
        for text in [
            format!(r#""id":1,"result":{{{meta}}}"#),
            format!(r#""id":1,"method":"elicitation/create","params":{{{meta}}}"#),
            format!(r#""method":"notifications/message","params":{{{meta}}}"#),
        ] {
            assert_eq!(by_server(&text, Method::TasksResult, LEGACY), [(Mention::Related, r#""t""#.to_owned())], "{text}");
            assert_eq!(by_server(&text, Method::TasksGet, MODERN), [], "{text}");
        }
    }

    #[test]
    fn what_is_told_in_the_way_of_another_revision_is_about_nobody() {
        let told = |method: &str, version| {
            by_server(&format!(r#""method":"{method}","params":{{"taskId":"t"}}"#), Method::Push, version)
        };
        for (method, version) in [("notifications/tasks/status", LEGACY), ("notifications/tasks", MODERN)] {
            assert_eq!(told(method, version), [(Mention::Subject, r#""t""#.to_owned())]);
        }
        for (method, version) in [
            ("notifications/tasks", LEGACY),
            ("notifications/tasks/status", MODERN),
            ("notifications/tasks/status", ProtocolVersion::V2024_11_05),
        ] {
            assert!(told(method, version)[0].1.starts_with('{'), "{method} {version}");
        }
    }

    #[test]
    fn what_a_client_names_is_found() {
        let find = |text: &str, version| named_by_client(&message(text), version).len();
        let get = r#""id":1,"method":"tasks/get","params":{"taskId":"t"}"#;
        assert_eq!([find(get, LEGACY), find(get, MODERN), find(get, ProtocolVersion::V2025_06_18)], [1, 1, 0]);
        let listen = r#""id":1,"method":"subscriptions/listen","params":{"notifications":{"taskIds":["a","b"]}}"#;
        assert_eq!(find(listen, MODERN), 2);
        let call = r#""id":1,"method":"tools/call","params":{"name":"x","taskId":"t"}"#;
        assert_eq!(find(call, MODERN), 0);
    }
}
