//! Answers to requests that a server makes of the client on a reply stream.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::chain::Responder;
use crate::protocol::Message;
use crate::protocol::json::RawJson;

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
    fn refuse(&self, request: &Message, code: i64, message: &'static str) {
        let text = RawJson::string(message);
        self.answer(request, &format!(r#""error":{{"code":{code},"message":{}}}"#, text.as_str()));
    }

    fn acknowledge(&self, request: &Message) {
        self.answer(request, r#""result":{}"#);
    }
}

impl Questions {
    fn answer(&self, request: &Message, member: &str) {
        if let Some(id) = request.id() {
            (self.0)(format!(r#"{{"jsonrpc":"2.0","id":{},{member}}}"#, id.as_json()).into());
        }
    }
}
