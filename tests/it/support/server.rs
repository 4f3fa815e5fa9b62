//! A fake MCP server: answers as scripted, records every byte it is sent. Speaks both eras.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use yett::protocol::json::Limits;
use yett::protocol::{Message, Side};

use super::http::find;
use super::reply::{Body, Reply, Step};
use super::{eventually, http};

/// A running fake server. Ends when dropped.
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
    _stop: DropGuard,
}

/// A request as it arrived: names of headers in their own spelling, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Arrived {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Bytes,
}

#[derive(Default)]
struct State {
    arrived: Mutex<Vec<Arrived>>,
    tools: Mutex<Vec<Value>>,
    by_tool: Mutex<HashMap<String, Reply>>,
    by_method: Mutex<HashMap<String, Reply>>,
    sessions: Mutex<Sessions>,
    cancelled: Mutex<usize>,
}

#[derive(Default)]
struct Sessions {
    made: usize,
    known: Vec<String>,
}

impl Upstream {
    /// With the tools `echo` and `search`; an unscripted tool answers `<tool> was called`.
    pub(crate) async fn start() -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into()).await
    }

    /// The same where another one has been.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let socket = TcpListener::bind(address).await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let (state, tasks, stop) = (Arc::new(State::default()), TaskTracker::new(), CancellationToken::new());
        let upstream = Self { address, state: Arc::clone(&state), _stop: stop.clone().drop_guard() };
        upstream.set_tools([tool("echo"), tool("search")]);
        let inner = tasks.clone();
        tasks.spawn(stop.clone().run_until_cancelled_owned(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let serve = serve(stream, Arc::clone(&state));
                inner.spawn(stop.clone().run_until_cancelled_owned(serve));
            }
        }));
        upstream
    }

    /// What `tools/list` says; see [`tool`].
    pub(crate) fn set_tools(&self, tools: impl IntoIterator<Item = Value>) {
        *self.state.tools.lock() = tools.into_iter().collect();
    }

    /// How a tool answers from now on.
    pub(crate) fn on_tool(&self, tool: &str, reply: Reply) {
        self.state.by_tool.lock().insert(tool.to_owned(), reply);
    }

    /// How a method answers from now on; goes before everything else. `DELETE` and `GET` are methods here as well.
    pub(crate) fn on_method(&self, method: &str, reply: Reply) {
        self.state.by_method.lock().insert(method.to_owned(), reply);
    }

    /// Everything that arrived.
    pub(crate) fn arrived(&self) -> Vec<Arrived> {
        self.state.arrived.lock().clone()
    }

    /// How many requests arrived.
    pub(crate) fn count(&self) -> usize {
        self.state.arrived.lock().len()
    }

    /// The `tools/call` requests.
    pub(crate) fn calls(&self) -> Vec<Arrived> {
        self.arrived().into_iter().filter(|request| request.rpc_method() == "tools/call").collect()
    }

    /// Waits until a request of that method has arrived (`response` for an answer to a question of ours), and gives the last one.
    pub(crate) async fn wait_for(&self, method: &str) -> Arrived {
        let last = || self.arrived().into_iter().rfind(|request| request.rpc_method() == method);
        eventually(&format!("`{method}` at the server"), last).await
    }

    /// How often a caller went away while a reply was held back.
    pub(crate) fn cancelled(&self) -> usize {
        *self.state.cancelled.lock()
    }

    /// Forgets all legacy sessions: the next request in one is answered 404.
    pub(crate) fn forget_sessions(&self) {
        self.state.sessions.lock().known.clear();
    }
}

/// A plain tool of that name, for [`Upstream::set_tools`].
pub(crate) fn tool(name: &str) -> Value {
    described_tool(name, "Does what its name says.")
}

/// A tool with that description.
pub(crate) fn described_tool(name: &str, description: &str) -> Value {
    let schema = json!({ "type": "object", "properties": { "text": { "type": "string" } } });
    json!({ "name": name, "description": description, "inputSchema": schema })
}

impl Arrived {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The JSON-RPC method; `response` for a response, the HTTP method for a request without a body.
    pub(crate) fn rpc_method(&self) -> String {
        if self.body.is_empty() {
            return self.method.clone();
        }
        self.json().get("method").and_then(Value::as_str).unwrap_or("response").to_owned()
    }

    /// The id as it was written; `None` for a notification.
    fn id(&self) -> Option<String> {
        let message = Message::parse(self.body.clone(), Limits::default(), Side::Client).ok()?;
        message.method()?;
        Some(message.id()?.as_json().to_owned())
    }
}

impl State {
    fn reply(&self, request: &Arrived) -> Reply {
        let method = request.rpc_method();
        if let Some(reply) = self.by_method.lock().get(&method) {
            return reply.clone();
        }
        if let Some(session) = request.header("mcp-session-id")
            && !self.sessions.lock().known.iter().any(|known| known == session)
        {
            return Reply::empty(404);
        }
        match method.as_str() {
            "initialize" => self.initialize(request),
            "DELETE" => Reply::empty(200),
            "GET" => Reply::empty(405),
            "ping" => Reply::result(&json!({})),
            "server/discover" => Reply::result(&json!({
                "supportedVersions": ["2026-07-28", "2025-11-25"], "capabilities": { "tools": {} }, "resultType": "complete",
                "serverInfo": { "name": "fake", "version": "1.0.0" }, "ttlMs": 0, "cacheScope": "public" })),
            "tools/list" => {
                let tools = self.tools.lock().clone();
                Reply::result(&json!({ "tools": tools, "resultType": "complete", "ttlMs": 60000, "cacheScope": "public" }))
            }
            "tools/call" => {
                let body = request.json();
                let name = body.pointer("/params/name").and_then(Value::as_str).unwrap_or_default();
                self.by_tool.lock().get(name).cloned().unwrap_or_else(|| Reply::text(&format!("{name} was called")))
            }
            _ if request.id().is_none() => Reply::empty(202),
            _ => Reply::error(-32601, "Method not found"),
        }
    }

    fn initialize(&self, request: &Arrived) -> Reply {
        let mut sessions = self.sessions.lock();
        sessions.made += 1;
        let session = format!("upstream-session-{}", sessions.made);
        sessions.known.push(session.clone());
        let asked = request.json().pointer("/params/protocolVersion").cloned().unwrap_or_default();
        let result = json!({
            "protocolVersion": asked, "capabilities": { "tools": {} }, "serverInfo": { "name": "fake", "version": "1.0.0" } });
        Reply::result(&result).header("Mcp-Session-Id", &session)
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let mut wire = Wire { stream, unread: Vec::new() };
    while let Some(request) = wire.request().await {
        let (reply, marks) = (state.reply(&request), Marks::of(&request));
        state.arrived.lock().push(request);
        match wire.reply(reply, &marks).await {
            Ended::Whole => {}
            Ended::Closed => return,
            Ended::Cancelled => {
                *state.cancelled.lock() += 1;
                return;
            }
        }
    }
}

struct Wire {
    stream: TcpStream,
    unread: Vec<u8>,
}

enum Ended {
    Whole,
    Closed,
    Cancelled,
}

impl Wire {
    async fn request(&mut self) -> Option<Arrived> {
        let end = loop {
            if let Some(end) = find(&self.unread, b"\r\n\r\n") {
                break end;
            }
            self.fill().await?;
        };
        let head = String::from_utf8_lossy(&self.unread[..end]).into_owned();
        self.unread.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let mut words = lines.next()?.split(' ').map(str::to_owned);
        let (method, target) = (words.next()?, words.next()?);
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        let mut request = Arrived { method, target, headers, body: Bytes::new() };
        let length = request.header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.unread.len() < length {
            self.fill().await?;
        }
        request.body = self.unread.drain(..length).collect();
        Some(request)
    }

    async fn fill(&mut self) -> Option<()> {
        let count = self.stream.read_buf(&mut self.unread).await.ok()?;
        (count > 0).then_some(())
    }

    async fn reply(&mut self, reply: Reply, marks: &Marks) -> Ended {
        if let Some(gate) = &reply.gate
            && let ended @ (Ended::Cancelled | Ended::Closed) = self.hold(gate).await
        {
            return ended;
        }
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", reply.status);
        for (name, value) in &reply.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        match reply.body {
            Body::Wire(bytes) => {
                let _ = self.write(&marks.fill(&bytes)).await;
                let _ = self.stream.shutdown().await;
                Ended::Closed
            }
            Body::Whole(bytes) => {
                let body = marks.fill(&bytes);
                let mut bytes = format!("{head}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
                bytes.extend_from_slice(&body);
                self.write(&bytes).await
            }
            Body::Stream(steps) => {
                let started = self.write(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes()).await;
                if matches!(started, Ended::Whole) { self.steps(steps, marks).await } else { started }
            }
        }
    }

    async fn steps(&mut self, steps: Vec<Step>, marks: &Marks) -> Ended {
        for step in steps {
            let ended = match step {
                Step::Message(text) => self.chunk(&marks.fill(format!("data: {text}\n\n").as_bytes())).await,
                Step::Raw(bytes) => self.chunk(&marks.fill(&bytes)).await,
                Step::Wait(gate) => self.hold(&gate).await,
                Step::Cut => Ended::Closed,
            };
            if !matches!(ended, Ended::Whole) {
                return ended;
            }
        }
        self.write(b"0\r\n\r\n").await
    }

    async fn chunk(&mut self, bytes: &[u8]) -> Ended {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.write(&chunk).await
    }

    async fn write(&mut self, bytes: &[u8]) -> Ended {
        if self.stream.write_all(bytes).await.is_ok() { Ended::Whole } else { Ended::Cancelled }
    }

    /// Waits for the gate, or for the caller to go away.
    async fn hold(&mut self, gate: &super::reply::Gate) -> Ended {
        tokio::select! {
            () = gate.wait() => Ended::Whole,
            more = self.stream.read_buf(&mut self.unread) => {
                if more.is_ok_and(|count| count > 0) { gate.wait().await; Ended::Whole } else { Ended::Cancelled }
            }
        }
    }
}

/// What a request is called by, as it was written.
struct Marks {
    id: String,
    token: String,
}

impl Marks {
    fn of(request: &Arrived) -> Self {
        let token = request.json().pointer("/params/_meta/progressToken").map_or("null".to_owned(), Value::to_string);
        Self { id: request.id().unwrap_or_else(|| "null".to_owned()), token }
    }

    fn fill(&self, bytes: &[u8]) -> Vec<u8> {
        replaced(&replaced(bytes, b"{id}", &self.id), b"{token}", &self.token)
    }
}

fn replaced(bytes: &[u8], mark: &[u8], text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + text.len());
    let mut rest = bytes;
    while let Some(at) = http::find(rest, mark) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(text.as_bytes());
        rest = &rest[at + mark.len()..];
    }
    out.extend_from_slice(rest);
    out
}
