//! Ids of tasks: a server's own on its side, ours on the client's. Read on the way in, where they must be ones that this caller was
//! given; exchanged on the way out, whatever it is that names them.

use std::sync::Arc;

use super::headers;
use crate::chain::{McpResponse, OwnTasks as _, Reason, Rejection, RequestContext, TaskIds};
use crate::layers::authn::Principal;
use crate::protocol::json::{NodeId, RawJson, Value};
use crate::protocol::{
    Access, Answerable, Asked, Mention, Message, Method, ProtocolVersion, TASKS_EXTENSION, Task, TaskPlace, asked_about,
    made_by_client, named_by_client, named_by_server,
};
use crate::session::{CallersTasks, Sessions, TaskError};

/// The tasks of the caller of one exchange.
pub(super) struct Tasks {
    own: Option<Arc<CallersTasks>>,
    ids: TaskIds,
}

impl Tasks {
    /// None.
    pub(super) fn none() -> Self {
        Self { own: None, ids: TaskIds::default() }
    }

    /// Those of a client that sends no message: it listens.
    pub(super) fn of(sessions: &Sessions, version: ProtocolVersion, principal: &Principal, context: &RequestContext) -> Self {
        if version == ProtocolVersion::V2025_11_25 {
            Self::owned(sessions.tasks_of(principal, &context.route.resource), Vec::new())
        } else {
            Self::none()
        }
    }

    /// What a client's message names. What was not given to this caller here is an error, except where it is one of several, for it
    /// will be left out of those.
    pub(super) fn read(
        sessions: &Sessions,
        message: &Message,
        version: ProtocolVersion,
        principal: &Principal,
        context: &RequestContext,
    ) -> Result<Self, Reason> {
        let named = named_by_client(message, version);
        let modern = !version.has_sessions();
        let declared = modern && declares(message);
        if modern && !declared {
            // SECURITY: first of all, so that it is said of every id alike.
            return if named.is_empty() { Ok(Self::none()) } else { Err(Reason::MissingCapability(TASKS_EXTENSION)) };
        }
        if version < ProtocolVersion::V2025_11_25 {
            return Ok(Self::none());
        }
        let mut own = sessions.tasks_of(principal, &context.route.resource);
        let (mut tasks, mut places) = (Vec::new(), Vec::new());
        for TaskPlace { mention, node, .. } in named {
            match message.value(node).as_str().and_then(|shown| own.open(shown)) {
                Some(task) => {
                    places.push((node, task.id.clone()));
                    tasks.push(task);
                }
                // What the client answers may belong to a task of its own.
                None if mention == Mention::Related && !is_client_task(&own, message.value(node)) => {
                    return Err(Reason::UnknownTask);
                }
                None => {}
            }
        }
        own.naming(tasks);
        Ok(Self::owned(own, places))
    }

    fn owned(own: CallersTasks, places: Vec<(NodeId, String)>) -> Self {
        let own = Arc::new(own);
        let ids = TaskIds { own: Some(Arc::clone(&own) as Arc<_>), places };
        Self { own: Some(own), ids }
    }

    /// The task of the id that a client shows.
    pub(super) fn open(&self, shown: &str) -> Option<Task> {
        self.own.as_ref()?.open(shown)
    }

    /// The client answers what the server has asked, or says that it has made a task of it.
    pub(super) fn answered(&self, message: &Message, asked: Asked) {
        if let Some((own, id)) = self.own.as_ref().zip(made_by_client(message)) {
            own.learn_asked(id, asked);
        }
    }

    /// What the layers may know of them, and whoever shows ids on the way out.
    pub(super) fn split(self, access: &Access, version: ProtocolVersion) -> (TaskIds, Option<Arc<Showing>>) {
        let tool = access.tool().map(str::to_owned);
        (self.ids, self.own.map(|own| Arc::new(Showing { own, method: access.method, version, tool })))
    }
}

fn is_client_task(own: &CallersTasks, id: Value<'_>) -> bool {
    id.as_str().is_some_and(|id| own.asked_of(id).is_some())
}

/// Whether this very request says that its sender knows tasks. MCP Tasks extension, "Capability Negotiation".
fn declares(message: &Message) -> bool {
    let meta = message.param("_meta");
    Answerable::of(meta.and_then(|meta| meta.get(headers::META_CAPABILITIES))).has_tasks()
}

/// Puts ids of ours in place of a server's.
pub(super) struct Showing {
    own: Arc<CallersTasks>,
    method: Method,
    version: ProtocolVersion,
    /// The tool that is called.
    tool: Option<String>,
}

impl Showing {
    /// In every message of a reply.
    pub(super) fn all(showing: &Arc<Self>, response: McpResponse) -> Result<McpResponse, Rejection> {
        let showing = Arc::clone(showing);
        response.map_messages(move |mut message| {
            showing.show(&mut message.message)?;
            Ok(Some(message))
        })
    }

    /// What a request of the server asks about what the client has made a task of.
    pub(super) fn asked(&self, question: &Message) -> Option<Asked> {
        self.own.asked_of(asked_about(question)?)
    }

    fn show(&self, message: &mut Message) -> Result<(), Reason> {
        let mut shown = Vec::new();
        for TaskPlace { mention, node, .. } in named_by_server(message, self.method, self.version) {
            let id = message.value(node).as_str();
            let tool = match mention {
                Mention::Created => self.tool.as_deref().map(Arc::from),
                Mention::Listed | Mention::Related | Mention::Subject => id.and_then(|id| self.own.tool_of(id)),
            };
            let Some((id, tool)) = id.zip(tool) else {
                // What is not this caller's has been taken out by authorization; a task that is made has to have an id.
                if matches!(mention, Mention::Created | Mention::Subject) {
                    return Err(Reason::UpstreamFailed("task_id"));
                }
                continue;
            };
            shown.push((node, self.own.show(id, &tool).map_err(unshown)?));
            if mention == Mention::Created {
                self.own.learn(id, &tool);
            }
        }
        let (document, edits) = message.split();
        for (node, id) in shown {
            edits.replace(document, node, RawJson::string(&id));
        }
        Ok(())
    }
}

fn unshown(error: TaskError) -> Reason {
    match error {
        TaskError::Id => Reason::UpstreamFailed("task_id"),
        TaskError::Random => Reason::Overloaded,
    }
}
