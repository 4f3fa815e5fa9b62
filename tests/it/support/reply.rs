//! What a fake MCP server answers with.

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Holds a reply back until the test opens it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gate(CancellationToken);

impl Gate {
    pub(crate) fn open(&self) {
        self.0.cancel();
    }

    pub(super) async fn wait(&self) {
        self.0.cancelled().await;
    }
}

/// One reply. In everything that is text, `{id}` stands for the id of the request and `{token}` for its progress token, as they were
/// written.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Body,
    pub(super) gate: Option<Gate>,
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    /// With `Content-Length`.
    Whole(Vec<u8>),
    /// An event stream, chunked, one chunk a step.
    Stream(Vec<Step>),
    /// The response head and all, as these bytes; then the connection is closed.
    Wire(Vec<u8>),
}

/// One step of a streamed reply.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// `data: ...` and an empty line.
    Message(String),
    /// Any bytes.
    Raw(Vec<u8>),
    /// Waits for the test.
    Wait(Gate),
    /// Cuts the connection, without an end of the body.
    Cut,
}

impl Step {
    pub(crate) fn message(message: &Value) -> Self {
        Self::Message(message.to_string())
    }

    /// The response with this result.
    pub(crate) fn result(result: &Value) -> Self {
        Self::Message(response(result))
    }

    /// The response of a tool that says `text`.
    pub(crate) fn text(text: &str) -> Self {
        Self::Message(response(&tool_result(text)))
    }
}

impl Reply {
    /// A tool's result of one text block.
    pub(crate) fn text(text: &str) -> Self {
        Self::result(&tool_result(text))
    }

    /// This result, whatever it is.
    pub(crate) fn result(result: &Value) -> Self {
        Self::body("application/json", response(result))
    }

    /// A JSON-RPC error at status 200.
    pub(crate) fn error(code: i64, message: &str) -> Self {
        let error = json!({ "code": code, "message": message });
        Self::body("application/json", format!(r#"{{"jsonrpc":"2.0","id":{{id}},"error":{error}}}"#))
    }

    /// These bytes as the body, of that media type.
    pub(crate) fn body(media_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("Content-Type".to_owned(), media_type.to_owned())];
        Self { status: 200, headers, body: Body::Whole(body.into()), gate: None }
    }

    /// An event stream.
    pub(crate) fn stream(steps: impl IntoIterator<Item = Step>) -> Self {
        let headers = vec![("Content-Type".to_owned(), "text/event-stream".to_owned())];
        Self { status: 200, headers, body: Body::Stream(steps.into_iter().collect()), gate: None }
    }

    /// A whole response, head included; the connection ends with it.
    pub(crate) fn wire(bytes: impl Into<Vec<u8>>) -> Self {
        Self { status: 0, headers: Vec::new(), body: Body::Wire(bytes.into()), gate: None }
    }

    /// No body.
    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Body::Whole(Vec::new()), gate: None }
    }

    pub(crate) fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// Sets a header in the place of any of that name.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Not before the gate is open.
    pub(crate) fn after(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }
}

/// The result of a tool that says `text`, good in every revision.
pub(crate) fn tool_result(text: &str) -> Value {
    json!({ "content": [{ "type": "text", "text": text }], "isError": false, "resultType": "complete" })
}

fn response(result: &Value) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{result}}}"#)
}
