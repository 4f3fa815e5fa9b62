//! What a message asks for: its method and its target. This is all that access rules look at.

use super::json::{Kind, Value};
use super::spelling::is_plain;
use super::tasks::MAX_LISTENED;
use super::{Asked, ListKind, Message, Method, ProtocolVersion, Shape, Task};

/// Longest tool name, and the characters it may have: MCP 2025-11-25, "Tool Names".
const MAX_TOOL_NAME: usize = 128;

/// Longest prompt name or URI.
const MAX_NAME: usize = 8 * 1024;

/// How many resources one stream may be asked for. What is asked for is remembered as long as the stream lasts.
const MAX_SUBSCRIBED: usize = 1_024;

/// A method and what it is aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// What is asked.
    pub method: Method,
    /// Of what.
    pub target: Target,
    /// Whether an answer is expected.
    pub shape: Shape,
    /// Whether it brings answers to what its server has asked in an earlier result, or that result's state.
    pub answers: bool,
    /// Whether it asks for a task in place of its result.
    pub task: bool,
}

/// What a request is aimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// What a server has asked, which is answered.
    Answer(Asked),
    /// The session as such: its end (HTTP DELETE), or its stream (HTTP GET).
    Session,
    /// What a listen stream asks for.
    Listen {
        /// URIs whose updates are wanted.
        resources: Vec<String>,
        /// Lists whose changes are wanted.
        lists: Vec<ListKind>,
        /// Tasks whose progress is wanted. What is nobody's, or another caller's, is not among them.
        tasks: Vec<Task>,
    },
    /// An extension's method, as written.
    Method(String),
    /// The server as such.
    None,
    /// A prompt by name.
    Prompt(String),
    /// A resource, or a template, by URI.
    Resource(String),
    /// A task of this caller's.
    Task(Task),
    /// A tool by name.
    Tool(String),
}

/// Why the target of a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessError {
    /// A name or URI that is missing, not a string, too long, or holds control characters.
    #[error("`{0}` must be a printable string")]
    Target(&'static str),
    /// A member whose name is a known one in another spelling.
    #[error("the name of a member differs from a known one in upper and lower case alone")]
    CaseVariant,
    /// A request without id, or a notification with one.
    #[error("a request has an id and a notification has none")]
    Id,
    /// A client's answer to a question nobody asked.
    #[error("no request of that id is open")]
    UnexpectedAnswer,
    /// `params.inputResponses` or `params.requestState` where no question is ever let through.
    #[error("no question of this server is open")]
    UnexpectedInput,
    /// `params.task` where the revision has no tasks, or none of this method.
    #[error("this cannot be asked for as a task")]
    Task,
    /// The id of a task that was not given to this caller here.
    #[error("no task of that id is known")]
    UnknownTask,
}

impl Access {
    /// The end of a session.
    pub fn end_session() -> Self {
        Self { method: Method::EndSession, target: Target::Session, shape: Shape::Notification, answers: false, task: false }
    }

    /// The stream of a session on which its server says what belongs to no request.
    pub fn push() -> Self {
        Self { method: Method::Push, target: Target::Session, shape: Shape::Request, answers: false, task: false }
    }

    /// An answer to what a server has asked in a session.
    pub fn answer(asked: Asked) -> Self {
        Self { method: Method::Answer, target: Target::Answer(asked), shape: Shape::Response, answers: true, task: false }
    }

    /// Reads what `message`, of a client that speaks `version`, asks for. Ids of tasks are read by `task_of`, which knows what this
    /// caller was given.
    pub fn of(message: &Message, version: ProtocolVersion, task_of: impl Fn(&str) -> Option<Task>) -> Result<Self, AccessError> {
        let Some(name) = message.method() else {
            return Err(AccessError::UnexpectedAnswer);
        };
        let method = Method::from_name(name);
        let notification = method.is_notification().unwrap_or_else(|| name.starts_with("notifications/"));
        if notification != (message.shape() == Shape::Notification) {
            // SECURITY: a call sent as a notification would run without an answer to inspect (JSON-027).
            return Err(AccessError::Id);
        }
        let shape = message.shape();
        if !method.exists_in(version) {
            // Its parameters mean nothing here, so they are not read: it is unknown, whatever they are.
            return Ok(Self { method, target: Target::Method(name.to_owned()), shape, answers: false, task: false });
        }
        if method != Method::Other && !is_plain(message, None) {
            return Err(AccessError::CaseVariant);
        }
        let task = asks_for_task(message, method, version)?;
        let answers = message.param("inputResponses").is_some() || message.param("requestState").is_some();
        // A task has no state that its client keeps.
        let may_answer = method.may_ask() || (method == Method::TasksUpdate && message.param("requestState").is_none());
        if answers && (version.has_sessions() || !may_answer) {
            return Err(AccessError::UnexpectedInput);
        }
        let target = match method {
            Method::ToolsCall => Target::Tool(text(message.param("name"), "name")?),
            Method::PromptsGet => Target::Prompt(text(message.param("name"), "name")?),
            Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                Target::Resource(text(message.param("uri"), "uri")?)
            }
            Method::Complete => reference(message.param("ref"))?,
            Method::Listen => listen(message.param("notifications"), task_of)?,
            Method::TasksCancel | Method::TasksGet | Method::TasksResult | Method::TasksUpdate => {
                let shown = message.param("taskId").and_then(Value::as_str).ok_or(AccessError::Target("taskId"))?;
                Target::Task(task_of(shown).ok_or(AccessError::UnknownTask)?)
            }
            Method::Other => Target::Method(name.to_owned()),
            Method::Answer
            | Method::Cancelled
            | Method::Discover
            | Method::EndSession
            | Method::Initialize
            | Method::Initialized
            | Method::Ping
            | Method::Progress
            | Method::PromptsList
            | Method::Push
            | Method::ResourcesList
            | Method::ResourcesTemplatesList
            | Method::RootsListChanged
            | Method::SetLevel
            | Method::TasksList
            | Method::TasksStatus
            | Method::ToolsList => Target::None,
        };
        Ok(Self { method, target, shape, answers, task })
    }

    /// The name the 2026-07-28 header `Mcp-Name` must repeat.
    pub fn mirrored_name(&self) -> Option<&str> {
        match (self.method, &self.target) {
            (Method::ToolsCall | Method::PromptsGet, Target::Tool(name) | Target::Prompt(name)) => Some(name),
            (Method::ResourcesRead, Target::Resource(uri)) => Some(uri),
            (_, Target::Task(task)) => Some(&task.shown),
            _ => None,
        }
    }

    /// The same as the server knows it.
    pub fn forwarded_name(&self) -> Option<&str> {
        if let Target::Task(task) = &self.target { Some(&task.id) } else { self.mirrored_name() }
    }

    /// The tool that is called, or was.
    pub fn tool(&self) -> Option<&str> {
        match &self.target {
            Target::Tool(name) => Some(name),
            Target::Task(task) => Some(&task.tool),
            Target::Answer(_)
            | Target::Listen { .. }
            | Target::Method(_)
            | Target::None
            | Target::Prompt(_)
            | Target::Resource(_)
            | Target::Session => None,
        }
    }

    /// The target as audit and metrics may show it: a tool or prompt name that keeps to the naming rules. Everything else is the
    /// caller's own text, which may be anything.
    pub fn public_name(&self) -> Option<&str> {
        match &self.target {
            Target::Prompt(name) | Target::Tool(name) if is_tool_name(name) => Some(name),
            // It was called by that name.
            Target::Task(task) => Some(&task.tool).filter(|tool| is_tool_name(tool)).map(String::as_str),
            Target::Answer(_)
            | Target::Listen { .. }
            | Target::Method(_)
            | Target::None
            | Target::Prompt(_)
            | Target::Resource(_)
            | Target::Session
            | Target::Tool(_) => None,
        }
    }
}

/// Whether `name` keeps to the grammar of tool names: 1-128 characters of `A-Z a-z 0-9 _ - .`.
pub(crate) fn is_tool_name(name: &str) -> bool {
    (1..=MAX_TOOL_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

fn text(value: Option<Value<'_>>, key: &'static str) -> Result<String, AccessError> {
    let name = value.and_then(Value::as_str).ok_or(AccessError::Target(key))?;
    if name.is_empty() || name.len() > MAX_NAME || name.contains(char::is_control) {
        return Err(AccessError::Target(key));
    }
    Ok(name.to_owned())
}

/// A completion is judged as what it completes, or it would spell out the names of hidden prompts.
fn reference(value: Option<Value<'_>>) -> Result<Target, AccessError> {
    let value = value.ok_or(AccessError::Target("ref"))?;
    match value.get("type").and_then(Value::as_str) {
        Some("ref/prompt") => Ok(Target::Prompt(text(value.get("name"), "ref.name")?)),
        Some("ref/resource") => Ok(Target::Resource(text(value.get("uri"), "ref.uri")?)),
        _ => Err(AccessError::Target("ref.type")),
    }
}

fn listen(value: Option<Value<'_>>, task_of: impl Fn(&str) -> Option<Task>) -> Result<Target, AccessError> {
    let value = value.ok_or(AccessError::Target("notifications"))?;
    let list = |key: &'static str, name: &'static str| match value.get(key) {
        Some(list) if list.kind() != Kind::Array => Err(AccessError::Target(name)),
        list => Ok(list.into_iter().flat_map(Value::items)),
    };
    let mut resources = Vec::new();
    for (number, item) in list("resourceSubscriptions", "notifications.resourceSubscriptions")?.enumerate() {
        if number >= MAX_SUBSCRIBED {
            return Err(AccessError::Target("notifications.resourceSubscriptions"));
        }
        resources.push(text(Some(item), "notifications.resourceSubscriptions")?);
    }
    let mut tasks = Vec::new();
    for (number, item) in list("taskIds", "notifications.taskIds")?.enumerate() {
        if number >= MAX_LISTENED {
            return Err(AccessError::Target("notifications.taskIds"));
        }
        tasks.extend(task_of(item.as_str().ok_or(AccessError::Target("notifications.taskIds"))?));
    }
    let lists = [ListKind::Prompts, ListKind::Resources, ListKind::Tools].into_iter();
    let wanted = |list: &ListKind| list.change().and_then(|key| value.get(key)).and_then(Value::as_bool) == Some(true);
    Ok(Target::Listen { resources, lists: lists.filter(wanted).collect(), tasks })
}

/// Whether a task is to be made. 2026-07-28 has no such parameter: there the server decides.
fn asks_for_task(message: &Message, method: Method, version: ProtocolVersion) -> Result<bool, AccessError> {
    let asked = message.param("task").filter(|_| version.has_sessions());
    // SECURITY: what would be answered by a task comes by `tasks/result`; only calls of tools have layers that judge it there.
    match asked {
        None => Ok(false),
        Some(task) if task.kind() != Kind::Object => Err(AccessError::Target("task")),
        Some(_) if method == Method::ToolsCall && version >= ProtocolVersion::V2025_11_25 => Ok(true),
        // The TypeScript SDK repeats it when it asks how the task stands, where it means nothing.
        Some(_) if method.is_about_task() => Ok(false),
        Some(_) => Err(AccessError::Task),
    }
}
