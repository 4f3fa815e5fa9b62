//! Answers to requests that a server makes of the client.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use tokio_util::task::TaskTracker;

use crate::chain::Responder;
use crate::layers::audit::Unheard;
use crate::protocol::RequestId;
use crate::protocol::json::RawJson;

/// What is done once a refusal is on record.
pub(super) type Then = Box<dyn FnOnce() + Send>;

/// Records what `server` asks by a method and nobody hears, for that reason, before it is told. Whoever calls it does not wait.
pub(super) fn recorded(
    server: &str,
    unheard: Unheard,
    tasks: TaskTracker,
) -> impl Fn(&'static str, &'static str, Then) + Send + Sync + 'static {
    let server = server.to_owned();
    move |method, why, then| match unheard.refused(&server, method, why) {
        Some(recording) => drop(tasks.spawn(async move {
            recording.settled().await;
            then();
        })),
        // Counted with others, which happens when they are many: the server is not made to wait for its own flood.
        None => then(),
    }
}

/// Posts answers to the server that asked.
pub(super) struct Questions(Arc<dyn Fn(Bytes) + Send + Sync>);

impl Questions {
    pub(super) fn new(post: impl Fn(Bytes) + Send + Sync + 'static) -> Self {
        Self(Arc::new(post))
    }

    pub(super) fn responder(&self) -> Arc<dyn Responder> {
        Arc::new(Self(Arc::clone(&self.0)))
    }
}

impl fmt::Debug for Questions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Questions")
    }
}

impl Responder for Questions {
    fn refuse(&self, id: &RequestId, code: i64, message: &'static str) {
        let text = RawJson::string(message);
        self.answer(id, &format!(r#""error":{{"code":{code},"message":{}}}"#, text.as_str()));
    }

    fn acknowledge(&self, id: &RequestId) {
        self.answer(id, r#""result":{}"#);
    }
}

impl Questions {
    fn answer(&self, id: &RequestId, member: &str) {
        (self.0)(format!(r#"{{"jsonrpc":"2.0","id":{},{member}}}"#, id.as_json()).into());
    }
}
