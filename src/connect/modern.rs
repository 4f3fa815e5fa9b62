//! 2026-07-28: no session. Each request repeats in headers what the specification wants repeated, and closing its reply cancels it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method as HttpMethod};
use parking_lot::Mutex;

use super::failure::Failure;
use super::gateway::{Ask, Gateway};
use super::outbox::Outbox;
use super::reply::Reader;
use crate::protocol::json::{Limits, RawJson, Value};
use crate::protocol::{Message, ParamMarks, ProtocolVersion, RequestId, Shape, Side, encode_header, is_plain_item};

const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Tools whose marks are remembered.
const MAX_TOOLS: usize = 10_000;

/// Pages of a list that are read to learn of one tool.
const MAX_PAGES: usize = 50;

/// What is known of a gateway's tools.
#[derive(Debug)]
pub(super) struct Modern {
    gateway: Arc<Gateway>,
    outbox: Outbox,
    /// Of tools that have any, by name.
    marks: Mutex<HashMap<String, ParamMarks>>,
    asked: AtomicU64,
}

/// The revision that a message names itself, if that makes it one without a session. One that nobody knows is new, not old.
pub(super) fn version(message: &Message) -> Option<&str> {
    let version = message.param("_meta")?.get(META_VERSION)?.as_str()?;
    ProtocolVersion::from_date(version).is_none_or(|version| !version.has_sessions()).then_some(version)
}

impl Modern {
    pub(super) fn new(gateway: Arc<Gateway>, outbox: Outbox) -> Self {
        Self { gateway, outbox, marks: Mutex::default(), asked: AtomicU64::default() }
    }

    /// The response to a request.
    pub(super) async fn request(&self, message: &Message, id: &RequestId) -> Result<Message, Failure> {
        let first = self.exchange(message, id).await;
        // A tool has marks that were not seen yet. Nothing was carried out; the list is read, and the call is made with its headers.
        // MCP 2026-07-28, Streamable HTTP, "Client Behavior".
        let mut response = match first {
            Err(Failure::Refused(refusal)) if refusal.is_header_mismatch() => {
                if !self.learn_about(message).await {
                    return Err(Failure::Refused(refusal));
                }
                self.exchange(message, id).await?
            }
            first => first?,
        };
        if message.method() == Some("tools/list") {
            self.learn(&mut response);
        }
        Ok(response)
    }

    /// Hands on a notification of an extension; the revision itself has none over HTTP.
    pub(super) async fn notify(&self, message: &Message) -> Result<(), Failure> {
        let answer = self.gateway.send(&self.ask(message)?).await?;
        if answer.status.is_success() { Ok(()) } else { Err(self.gateway.refusal(answer).await) }
    }

    async fn exchange(&self, message: &Message, id: &RequestId) -> Result<Message, Failure> {
        let answer = self.gateway.send(&self.ask(message)?).await?;
        let reader = Reader { gateway: &self.gateway, outbox: &self.outbox, session: None };
        reader.response(answer, id).await
    }

    fn ask(&self, message: &Message) -> Result<Ask, Failure> {
        let (mut headers, method) = (HeaderMap::new(), message.method().unwrap_or_default());
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_unprintable| Failure::NoHeader);
        headers.insert(PROTOCOL_VERSION, value(version(message).unwrap_or_default())?);
        headers.insert(MCP_METHOD, value(method)?);
        if let Some(name) = repeated_name(method, message) {
            headers.insert(MCP_NAME, value(&encode_header(name))?);
        }
        let marks = message.param("name").and_then(Value::as_str).filter(|_| method == "tools/call");
        let marks = marks.and_then(|tool| self.marks.lock().get(tool).cloned()).unwrap_or_default();
        for (name, text) in marks.headers(message.param("arguments")) {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_unprintable| Failure::NoHeader)?;
            headers.insert(name, value(&text)?);
        }
        Ok(Ask { method: HttpMethod::POST, headers, body: message.original().clone() })
    }

    /// Reads the list of tools for the marks of the one that is called; whether they are others than those that were known.
    async fn learn_about(&self, call: &Message) -> bool {
        let Some(tool) = call.param("name").and_then(Value::as_str).filter(|_| call.method() == Some("tools/call")) else {
            return false;
        };
        let known = self.marks.lock().get(tool).cloned();
        let mut cursor = None;
        for _ in 0..MAX_PAGES {
            let Some(mut page) = self.page(call, cursor.take()).await else { break };
            self.learn(&mut page);
            let is_here = tools(&page).any(|item| item.get("name").and_then(Value::as_str) == Some(tool));
            cursor = page.result().and_then(|result| result.get("nextCursor")).and_then(Value::as_str).map(RawJson::string);
            if is_here || cursor.is_none() {
                break;
            }
        }
        self.marks.lock().get(tool).cloned() != known
    }

    async fn page(&self, call: &Message, cursor: Option<RawJson>) -> Option<Message> {
        let number = self.asked.fetch_add(1, Ordering::Relaxed);
        let meta = call.param("_meta").map_or("{}", Value::raw);
        let cursor = cursor.map(|cursor| format!(r#","cursor":{}"#, cursor.as_str())).unwrap_or_default();
        let ask = format!(
            r#"{{"jsonrpc":"2.0","id":"yett-connect-{number}","method":"tools/list","params":{{"_meta":{meta}{cursor}}}}}"#
        );
        let ask = Message::parse(Bytes::from(ask), Limits::default(), Side::Client).ok()?;
        let id = ask.id().filter(|_| ask.shape() == Shape::Request)?;
        self.exchange(&ask, id).await.ok()
    }

    /// Remembers the marks in a list of tools, and takes out of it the tools whose marks cannot be followed, as every client must.
    fn learn(&self, list: &mut Message) {
        let Some(place) = list.result().and_then(|result| result.get("tools")).map(Value::id) else { return };
        let mut known = self.marks.lock();
        let (document, edits) = list.split();
        edits.retain(document, place, |tool| {
            let name = tool.get("name").and_then(Value::as_str).unwrap_or_default();
            match ParamMarks::of(tool.get("inputSchema")) {
                Ok(marks) if marks.is_empty() || !is_plain_item(tool) => {
                    known.remove(name);
                    true
                }
                Ok(marks) => {
                    if known.len() < MAX_TOOLS || known.contains_key(name) {
                        known.insert(name.to_owned(), marks);
                    }
                    true
                }
                Err(error) => {
                    tracing::warn!(tool = name, error = &error as &dyn std::error::Error, "a tool is left out");
                    false
                }
            }
        });
    }
}

fn tools(page: &Message) -> impl Iterator<Item = Value<'_>> {
    page.result().and_then(|result| result.get("tools")).into_iter().flat_map(Value::items)
}

/// What `Mcp-Name` repeats.
fn repeated_name<'m>(method: &str, message: &'m Message) -> Option<&'m str> {
    let key = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        "tasks/cancel" | "tasks/get" | "tasks/update" => "taskId",
        _ => return None,
    };
    message.param(key).and_then(Value::as_str)
}
