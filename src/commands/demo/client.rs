//! The demo's client: one MCP request (2026-07-28), one answer.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

const VERSION: &str = "2026-07-28";
const MAX_ANSWER: usize = 1024 * 1024;

/// Calls one route of the gateway.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) address: SocketAddr,
    pub(super) token: Option<String>,
    pub(super) tasks: TaskTracker,
}

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) challenge: Option<String>,
    pub(super) body: Value,
}

impl Answer {
    /// The text of a tool's result.
    pub(super) fn text(&self) -> &str {
        self.body.pointer("/result/content/0/text").and_then(Value::as_str).unwrap_or_default()
    }

    /// The names of listed tools.
    pub(super) fn tools(&self) -> Vec<&str> {
        let tools = self.body.pointer("/result/tools").and_then(Value::as_array).into_iter().flatten();
        tools.filter_map(|tool| tool.get("name").and_then(Value::as_str)).collect()
    }

    /// Code and message of an error.
    pub(super) fn error(&self) -> Option<(i64, &str)> {
        let error = self.body.get("error")?;
        Some((error.get("code")?.as_i64()?, error.get("message")?.as_str()?))
    }
}

impl Client {
    pub(super) async fn list(&self) -> anyhow::Result<Answer> {
        self.send("tools/list", None, json!({})).await
    }

    pub(super) async fn call(&self, tool: &str, arguments: Value) -> anyhow::Result<Answer> {
        self.send("tools/call", Some(tool), json!({ "name": tool, "arguments": arguments })).await
    }

    async fn send(&self, method: &str, name: Option<&str>, mut params: Value) -> anyhow::Result<Answer> {
        if let Some(members) = params.as_object_mut() {
            let meta = json!({
                "io.modelcontextprotocol/protocolVersion": VERSION,
                "io.modelcontextprotocol/clientInfo": { "name": "yett-demo", "version": env!("CARGO_PKG_VERSION") },
                "io.modelcontextprotocol/clientCapabilities": {} });
            members.insert("_meta".into(), meta);
        }
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut request = Request::post("/mcp/crm")
            .header(HOST, self.address.to_string())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("mcp-protocol-version", VERSION)
            .header("mcp-method", method);
        if let Some(name) = name {
            request = request.header("mcp-name", name);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        let stream = TcpStream::connect(self.address).await.context("the gateway does not answer")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        self.tasks.spawn(connection);
        let response = sender.send_request(request).await?;
        let status = response.status();
        let challenge = response.headers().get("www-authenticate").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let bytes = Limited::new(response.into_body(), MAX_ANSWER).collect().await.map_err(anyhow::Error::from_boxed)?;
        let body = serde_json::from_slice(&bytes.to_bytes()).unwrap_or_default();
        Ok(Answer { status, challenge, body })
    }
}
