//! An MCP client of either era, as far as a test needs one.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::http::{Answer, Connection, Post, find};

pub(crate) const MODERN: &str = "2026-07-28";

/// A client on one route with one credential.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    target: String,
    token: String,
    version: String,
    /// The id that the gateway has given: the client is a legacy one.
    pub(crate) session: Option<String>,
}

/// A reply that is read event by event.
pub(crate) struct Events {
    /// Status and headers. A refusal that came as no stream has its body as well.
    pub(crate) head: Answer,
    connection: Connection,
    text: Vec<u8>,
}

impl Client {
    pub(crate) fn modern(address: SocketAddr, server: &str, token: &str) -> Self {
        Self { address, target: format!("/mcp/{server}"), token: token.to_owned(), version: MODERN.to_owned(), session: None }
    }

    /// A legacy one that has not shaken hands.
    pub(crate) fn before_handshake(address: SocketAddr, server: &str, token: &str, version: &str) -> Self {
        Self { version: version.to_owned(), ..Self::modern(address, server, token) }
    }

    /// Shakes hands: `initialize`, then `notifications/initialized`.
    pub(crate) async fn legacy(address: SocketAddr, server: &str, token: &str, version: &str) -> Self {
        Self::declaring(address, server, token, version, json!({})).await
    }

    /// The same with something that it can be asked.
    pub(crate) async fn declaring(address: SocketAddr, server: &str, token: &str, version: &str, capabilities: Value) -> Self {
        let mut client = Self::before_handshake(address, server, token, version);
        let info = json!({ "name": "test", "version": "1.0.0" });
        let params = json!({ "protocolVersion": version, "capabilities": capabilities, "clientInfo": info });
        let answer = client.request("initialize", params).await;
        assert_eq!(answer.status, 200, "no handshake: {answer:?}");
        client.session = Some(answer.header("mcp-session-id").expect("a session").to_owned());
        let answer = client.notify("notifications/initialized", json!({})).await;
        assert_eq!(answer.status, 202, "no handshake: {answer:?}");
        client
    }

    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    pub(crate) async fn list_tools(&self) -> Answer {
        self.request("tools/list", json!({})).await
    }

    /// A request with id 1. A modern client adds its `_meta`.
    pub(crate) async fn request(&self, method: &str, params: Value) -> Answer {
        self.post(&self.message(Some(&json!(1)), method, params)).send().await
    }

    pub(crate) async fn notify(&self, method: &str, params: Value) -> Answer {
        self.post(&self.message(None, method, params)).send().await
    }

    /// The same as [`Client::request`], read event by event.
    pub(crate) async fn stream(&self, method: &str, params: Value) -> Events {
        self.open(&self.message(Some(&json!(1)), method, params)).await
    }

    /// Sends a message; what answers it is read event by event.
    pub(crate) async fn open(&self, message: &Value) -> Events {
        Events::read(self.post(message).open().await).await
    }

    /// Answers a question of the server, or tries to.
    pub(crate) async fn answer(&self, id: &Value, result: Value) -> Answer {
        self.post(&json!({ "jsonrpc": "2.0", "id": id, "result": result })).send().await
    }

    /// Ends a legacy session.
    pub(crate) async fn end(&self) -> Answer {
        self.without_body("DELETE", "").await.answer().await.expect("an answer")
    }

    /// Opens the stream of a legacy session.
    pub(crate) async fn listen(&self) -> Events {
        Events::read(self.without_body("GET", "Accept: text/event-stream\r\n").await).await
    }

    /// Comes back for the rest of a stream.
    pub(crate) async fn resume(&self, event: &str) -> Events {
        Events::read(self.without_body("GET", &format!("Accept: text/event-stream\r\nLast-Event-ID: {event}\r\n")).await).await
    }

    async fn without_body(&self, method: &str, headers: &str) -> Connection {
        let session = self.session.as_deref().unwrap_or_default();
        let head = format!(
            "{method} {} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nMcp-Session-Id: {session}\r\n{headers}\r\n",
            self.target, self.address, self.token
        );
        let mut connection = Connection::open(self.address).await;
        connection.send(head.as_bytes()).await;
        connection
    }

    /// A message as this client would write it.
    pub(crate) fn message(&self, id: Option<&Value>, method: &str, mut params: Value) -> Value {
        if self.version == MODERN
            && let Some(members) = params.as_object_mut()
        {
            members.entry("_meta").or_insert_with(meta);
        }
        let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        if let (Some(id), Some(members)) = (id, message.as_object_mut()) {
            members.insert("id".to_owned(), id.clone());
        }
        message
    }

    /// The POST of a message with all headers it needs.
    pub(crate) fn post(&self, message: &Value) -> Post {
        self.post_bytes(message, message.to_string())
    }

    /// The POST of bytes, with the headers that `message` would need.
    pub(crate) fn post_bytes(&self, message: &Value, bytes: impl Into<Vec<u8>>) -> Post {
        let text = |path: &str| message.pointer(path).and_then(Value::as_str);
        let method = text("/method");
        let mut post = Post::to(self.address, &self.target).bearer(&self.token).body(bytes);
        if let Some(session) = &self.session {
            post = post.header("Mcp-Session-Id", session);
        }
        if method != Some("initialize") {
            post = post.header("MCP-Protocol-Version", &self.version);
        }
        if let Some(method) = method.filter(|_| self.version == MODERN) {
            post = post.header("Mcp-Method", method);
        }
        let named = match method {
            Some("tools/call" | "prompts/get") => text("/params/name"),
            Some("resources/read") => text("/params/uri"),
            Some("tasks/cancel" | "tasks/get" | "tasks/update") => text("/params/taskId"),
            _ => None,
        };
        match named.filter(|_| self.version == MODERN) {
            Some(name) => post.header("Mcp-Name", name),
            None => post,
        }
    }
}

/// `_meta` of a modern request.
pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1.0.0" },
        "io.modelcontextprotocol/clientCapabilities": {} })
}

impl Events {
    /// Reads the head, and the whole body if it is no stream.
    pub(crate) async fn read(mut connection: Connection) -> Self {
        let mut head = connection.head().await.expect("an answer");
        if head.header("transfer-encoding").is_none() {
            let length = head.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            head.body = connection.exactly(length).await;
        }
        Self { head, connection, text: Vec::new() }
    }

    /// The next event as it was written, comments too; `None` at the end.
    pub(crate) async fn next_text(&mut self) -> Option<String> {
        loop {
            if let Some(end) = find(&self.text, b"\n\n") {
                let event: Vec<u8> = self.text.drain(..end + 2).collect();
                return Some(String::from_utf8_lossy(&event).into_owned());
            }
            match self.connection.chunk().await {
                Some(chunk) => self.text.extend_from_slice(&chunk),
                None => return None,
            }
        }
    }

    /// The next message; comments and empty events are passed over. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let data = self.next_data().await?;
        Some(serde_json::from_str(&data).expect("a message"))
    }

    /// The next message as it was written.
    pub(crate) async fn next_data(&mut self) -> Option<String> {
        loop {
            let event = self.next_text().await?;
            let data: Vec<&str> = event.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim_start).collect();
            let data = data.join("\n");
            if serde_json::from_str::<Value>(&data).is_ok() {
                return Some(data);
            }
        }
    }

    /// All messages to the end.
    pub(crate) async fn rest(mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }
}
