//! Every method of every revision a policy can see.

use super::ProtocolVersion;

/// What a message asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A client's answer to what its server has asked in a legacy session; a response has no method of its own
    Answer,
    /// `completion/complete`
    Complete,
    /// `server/discover`
    Discover,
    /// The end of a legacy session: HTTP DELETE, which has no JSON-RPC method of its own
    EndSession,
    /// `initialize`
    Initialize,
    /// `subscriptions/listen`
    Listen,
    /// `notifications/cancelled`
    Cancelled,
    /// `notifications/initialized`
    Initialized,
    /// `notifications/progress`
    Progress,
    /// `notifications/roots/list_changed`
    RootsListChanged,
    /// Anything else: default deny, unless a grant names it under `methods`.
    Other,
    /// `ping`
    Ping,
    /// `prompts/get`
    PromptsGet,
    /// `prompts/list`
    PromptsList,
    /// The stream on which a server says what belongs to no request: HTTP GET, which has no JSON-RPC method of its own
    Push,
    /// `resources/list`
    ResourcesList,
    /// `resources/read`
    ResourcesRead,
    /// `resources/subscribe`
    ResourcesSubscribe,
    /// `resources/templates/list`
    ResourcesTemplatesList,
    /// `resources/unsubscribe`
    ResourcesUnsubscribe,
    /// `logging/setLevel`
    SetLevel,
    /// `tasks/cancel`
    TasksCancel,
    /// `tasks/get`
    TasksGet,
    /// `tasks/list`
    TasksList,
    /// `tasks/result`
    TasksResult,
    /// `notifications/tasks/status`: how a task of the client's own stands
    TasksStatus,
    /// `tasks/update`
    TasksUpdate,
    /// `tools/call`
    ToolsCall,
    /// `tools/list`
    ToolsList,
}

/// The four lists a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// Prompts, by `name`.
    Prompts,
    /// Resources, by `uri`.
    Resources,
    /// Resource templates, by `uriTemplate`.
    Templates,
    /// Tools, by `name`.
    Tools,
}

impl Method {
    /// The method of that name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "completion/complete" => Self::Complete,
            "initialize" => Self::Initialize,
            "logging/setLevel" => Self::SetLevel,
            "notifications/cancelled" => Self::Cancelled,
            "notifications/initialized" => Self::Initialized,
            "notifications/progress" => Self::Progress,
            "notifications/roots/list_changed" => Self::RootsListChanged,
            "notifications/tasks/status" => Self::TasksStatus,
            "ping" => Self::Ping,
            "prompts/get" => Self::PromptsGet,
            "prompts/list" => Self::PromptsList,
            "resources/list" => Self::ResourcesList,
            "resources/read" => Self::ResourcesRead,
            "resources/subscribe" => Self::ResourcesSubscribe,
            "resources/templates/list" => Self::ResourcesTemplatesList,
            "resources/unsubscribe" => Self::ResourcesUnsubscribe,
            "server/discover" => Self::Discover,
            "subscriptions/listen" => Self::Listen,
            "tasks/cancel" => Self::TasksCancel,
            "tasks/get" => Self::TasksGet,
            "tasks/list" => Self::TasksList,
            "tasks/result" => Self::TasksResult,
            "tasks/update" => Self::TasksUpdate,
            "tools/call" => Self::ToolsCall,
            "tools/list" => Self::ToolsList,
            _ => Self::Other,
        }
    }

    /// Its name on the wire; `other` for a method this build does not know, so that a caller's text never becomes a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Cancelled => "notifications/cancelled",
            Self::Complete => "completion/complete",
            Self::Discover => "server/discover",
            Self::EndSession => "DELETE",
            Self::Initialize => "initialize",
            Self::Initialized => "notifications/initialized",
            Self::Listen => "subscriptions/listen",
            Self::Other => "other",
            Self::Ping => "ping",
            Self::Progress => "notifications/progress",
            Self::PromptsGet => "prompts/get",
            Self::PromptsList => "prompts/list",
            Self::Push => "GET",
            Self::ResourcesList => "resources/list",
            Self::ResourcesRead => "resources/read",
            Self::ResourcesSubscribe => "resources/subscribe",
            Self::ResourcesTemplatesList => "resources/templates/list",
            Self::ResourcesUnsubscribe => "resources/unsubscribe",
            Self::RootsListChanged => "notifications/roots/list_changed",
            Self::SetLevel => "logging/setLevel",
            Self::TasksCancel => "tasks/cancel",
            Self::TasksGet => "tasks/get",
            Self::TasksList => "tasks/list",
            Self::TasksResult => "tasks/result",
            Self::TasksStatus => "notifications/tasks/status",
            Self::TasksUpdate => "tasks/update",
            Self::ToolsCall => "tools/call",
            Self::ToolsList => "tools/list",
        }
    }

    /// Whether it comes without an id. `None` for [`Method::Other`], whose name decides (`notifications/...`).
    pub fn is_notification(self) -> Option<bool> {
        match self {
            Self::Answer
            | Self::Cancelled
            | Self::EndSession
            | Self::Initialized
            | Self::Progress
            | Self::Push
            | Self::RootsListChanged
            | Self::TasksStatus => Some(true),
            Self::Other => None,
            Self::Complete
            | Self::Discover
            | Self::Initialize
            | Self::Listen
            | Self::Ping
            | Self::PromptsGet
            | Self::PromptsList
            | Self::ResourcesList
            | Self::ResourcesRead
            | Self::ResourcesSubscribe
            | Self::ResourcesTemplatesList
            | Self::ResourcesUnsubscribe
            | Self::SetLevel
            | Self::TasksCancel
            | Self::TasksGet
            | Self::TasksList
            | Self::TasksResult
            | Self::TasksUpdate
            | Self::ToolsCall
            | Self::ToolsList => Some(false),
        }
    }

    /// Whether clients of `version` may send it (PROTOCOL.md section 2).
    pub fn exists_in(self, version: ProtocolVersion) -> bool {
        match self {
            Self::Complete
            | Self::Other
            | Self::PromptsGet
            | Self::PromptsList
            | Self::ResourcesList
            | Self::ResourcesRead
            | Self::ResourcesTemplatesList
            | Self::ToolsCall
            | Self::ToolsList => true,
            Self::Discover | Self::Listen | Self::TasksUpdate => !version.has_sessions(),
            Self::TasksCancel | Self::TasksGet => version >= ProtocolVersion::V2025_11_25,
            Self::TasksList | Self::TasksResult | Self::TasksStatus => version == ProtocolVersion::V2025_11_25,
            Self::Answer
            | Self::Cancelled
            | Self::EndSession
            | Self::Initialize
            | Self::Initialized
            | Self::Ping
            | Self::Progress
            | Self::Push
            | Self::ResourcesSubscribe
            | Self::ResourcesUnsubscribe
            | Self::RootsListChanged
            | Self::SetLevel => version.has_sessions(),
        }
    }

    /// Whether a server of 2026-07-28 may answer it by a result that wants input. MCP 2026-07-28, "Multi Round-Trip Requests".
    pub fn may_ask(self) -> bool {
        matches!(self, Self::PromptsGet | Self::ResourcesRead | Self::ToolsCall)
    }

    /// Whether it is about one task, by its id.
    pub fn is_about_task(self) -> bool {
        matches!(self, Self::TasksCancel | Self::TasksGet | Self::TasksResult | Self::TasksUpdate)
    }

    /// Whether its result tells what a server has, and what it is.
    pub fn defines(self) -> bool {
        self.list().is_some() || matches!(self, Self::Discover | Self::Initialize)
    }

    /// Whether it opens a stream that lives for as long as both sides like.
    pub fn is_subscription(self) -> bool {
        matches!(self, Self::Listen | Self::Push)
    }

    /// The list it asks for, if it asks for one.
    pub fn list(self) -> Option<ListKind> {
        match self {
            Self::PromptsList => Some(ListKind::Prompts),
            Self::ResourcesList => Some(ListKind::Resources),
            Self::ResourcesTemplatesList => Some(ListKind::Templates),
            Self::ToolsList => Some(ListKind::Tools),
            Self::Answer
            | Self::Cancelled
            | Self::Complete
            | Self::Discover
            | Self::EndSession
            | Self::Initialize
            | Self::Initialized
            | Self::Listen
            | Self::Other
            | Self::Ping
            | Self::Progress
            | Self::PromptsGet
            | Self::Push
            | Self::ResourcesRead
            | Self::ResourcesSubscribe
            | Self::ResourcesUnsubscribe
            | Self::RootsListChanged
            | Self::SetLevel
            | Self::TasksCancel
            | Self::TasksGet
            | Self::TasksList
            | Self::TasksResult
            | Self::TasksStatus
            | Self::TasksUpdate
            | Self::ToolsCall => None,
        }
    }
}

impl ListKind {
    /// The member of the result that holds the list.
    pub fn member(self) -> &'static str {
        match self {
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Tools => "tools",
        }
    }

    /// The member of `notifications` that asks to hear of changes of it (`subscriptions/listen`). Templates have none of their own.
    pub fn change(self) -> Option<&'static str> {
        match self {
            Self::Prompts => Some("promptsListChanged"),
            Self::Resources => Some("resourcesListChanged"),
            Self::Templates => None,
            Self::Tools => Some("toolsListChanged"),
        }
    }

    /// The notification that tells of a change of it.
    pub fn notification(self) -> &'static str {
        match self {
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources | Self::Templates => "notifications/resources/list_changed",
            Self::Tools => "notifications/tools/list_changed",
        }
    }

    /// The list of whose change a notification tells.
    pub fn changed(notification: &str) -> Option<Self> {
        match notification {
            "notifications/prompts/list_changed" => Some(Self::Prompts),
            "notifications/resources/list_changed" => Some(Self::Resources),
            "notifications/tools/list_changed" => Some(Self::Tools),
            _ => None,
        }
    }

    /// The member of an item that names it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Prompts | Self::Tools => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}
