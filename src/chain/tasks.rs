//! What layers can know of a caller's tasks; who remembers it is the endpoint's business.

use std::fmt;
use std::sync::Arc;

use crate::protocol::Asked;
use crate::protocol::json::NodeId;

/// The tasks of the caller of one exchange, by the server's own ids.
pub trait OwnTasks: fmt::Debug + Send + Sync {
    /// The tool whose call has made the task; `None` where it is not known to be this caller's.
    fn tool_of(&self, id: &str) -> Option<Arc<str>>;

    /// Whether the request names it.
    fn is_named(&self, id: &str) -> bool;

    /// What the server has asked that the **client** has made a task of, by the client's id for it.
    fn asked_of(&self, id: &str) -> Option<Asked>;
}

/// Tasks in one exchange.
#[derive(Clone, Default)]
pub struct TaskIds {
    /// Whose they are; `None` where no message of the exchange can name one.
    pub own: Option<Arc<dyn OwnTasks>>,
    /// Where in the message our ids stand, and the **server's** in place of each.
    pub places: Vec<(NodeId, String)>,
}

impl fmt::Debug for TaskIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids are handles: they are never printed.
        f.debug_struct("TaskIds").field("places", &self.places.len()).finish_non_exhaustive()
    }
}
