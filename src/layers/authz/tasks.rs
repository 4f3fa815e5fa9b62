//! The tasks that a server names: a caller hears of their own, as long as they may call what has made them. Pure.

use std::sync::Arc;

use crate::chain::OwnTasks;
use crate::decide::Held;
use crate::protocol::{
    Asked, Mention, Message, Method, ProtocolVersion, Shape, TaskPlace, asked_about, named_by_server, withhold_tasks,
};

/// What is done with a message that names tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// It goes on, without what is not this caller's.
    Passes,
    /// It is about somebody else's task.
    Foreign,
    /// It makes a task that nobody has asked for.
    Unasked,
}

/// Whose tasks, and of what request.
pub(super) struct TaskJudge {
    pub(super) own: Option<Arc<dyn OwnTasks>>,
    pub(super) method: Method,
    pub(super) version: ProtocolVersion,
    /// Whether the call may be answered by a task.
    pub(super) may_create: bool,
}

impl TaskJudge {
    /// Judges a message, and takes out of it what stands beside what it says.
    pub(super) fn judge(&self, message: &mut Message, held: &Held<'_>) -> Heard {
        let mut places = named_by_server(message, self.method, self.version);
        if places.is_empty() {
            return Heard::Passes;
        }
        let is_own = |place: &TaskPlace| self.is_own(message, place, held);
        if places.iter().any(|place| place.mention == Mention::Created) && !self.may_create {
            return Heard::Unasked;
        }
        // A response belongs to its request, whatever is noted in its margin; a message of the server's own belongs to its task.
        let responds = message.shape() == Shape::Response;
        let decides = |place: &TaskPlace| place.mention == Mention::Subject || (place.mention == Mention::Related && !responds);
        if places.iter().any(|place| decides(place) && !is_own(place)) {
            return Heard::Foreign;
        }
        places.retain(|place| matches!(place.mention, Mention::Listed | Mention::Related) && !is_own(place));
        if !places.is_empty() {
            withhold_tasks(message, &places);
        }
        Heard::Passes
    }

    /// What a request of the server asks about what the client has made a task of: judged as that was.
    pub(super) fn asked(&self, question: &Message) -> Option<Asked> {
        let own = self.own.as_ref().filter(|_| self.version.has_sessions())?;
        own.asked_of(asked_about(question)?)
    }

    fn is_own(&self, message: &Message, place: &TaskPlace, held: &Held<'_>) -> bool {
        let Some((own, id)) = self.own.as_ref().zip(message.value(place.node).as_str()) else { return false };
        if place.mention == Mention::Related && own.asked_of(id).is_some() {
            return true;
        }
        // What answers a request about one task is about that one, and what listens for some hears of those.
        let named_only =
            self.method == Method::Listen || (place.mention == Mention::Subject && message.shape() == Shape::Response);
        let tool = own.tool_of(id).filter(|_| !named_only || own.is_named(id));
        tool.is_some_and(|tool| held.may_call(&tool))
    }
}
