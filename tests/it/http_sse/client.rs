//! A client of the 2024-11-05 transport, as far as a test needs one.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::client::Events;
use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Connection, Post};

/// A client with its stream.
pub(crate) struct SseClient {
    address: SocketAddr,
    pub(crate) token: String,
    /// Where it was told to POST.
    pub(crate) target: String,
    pub(crate) events: Events,
}

/// Opens a stream, or is told why not.
pub(crate) async fn get(address: SocketAddr, path: &str, headers: &str) -> Events {
    get_on(Connection::open(address).await, address, path, headers).await
}

async fn get_on(mut connection: Connection, address: SocketAddr, path: &str, headers: &str) -> Events {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/event-stream\r\n{headers}\r\n");
    connection.send(head.as_bytes()).await;
    Events::read(connection).await
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

impl SseClient {
    /// With an open stream, and no more.
    pub(crate) async fn open(gateway: &Gateway, server: &str, token: &str) -> Self {
        Self::open_on(Connection::open(gateway.address).await, gateway, server, token).await
    }

    /// The same on a connection that was made elsewhere.
    pub(crate) async fn open_on(connection: Connection, gateway: &Gateway, server: &str, token: &str) -> Self {
        let path = format!("/mcp/{server}/sse");
        let mut events = get_on(connection, gateway.address, &path, &bearer(token)).await;
        assert_eq!(events.head.status, 200, "{:?}", events.head);
        let first = events.next_text().await.expect("the first event");
        let target = first.strip_prefix("event: endpoint\ndata: ").and_then(|rest| rest.strip_suffix("\n\n"));
        let target = target.unwrap_or_else(|| panic!("no endpoint: {first:?}")).to_owned();
        Self { address: gateway.address, token: token.to_owned(), target, events }
    }

    /// After its handshake.
    pub(crate) async fn begin(gateway: &Gateway, server: &str, token: &str) -> Self {
        let mut client = Self::open(gateway, server, token).await;
        let greeting = client.shake_hands(json!({ "elicitation": {} })).await;
        assert_eq!(greeting["result"]["protocolVersion"], "2024-11-05", "no handshake: {greeting:#}");
        let noted = client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await;
        assert_eq!(noted.status, 202, "no handshake: {noted:?}");
        client
    }

    /// Sends `initialize`; what it says.
    pub(crate) async fn shake_hands(&mut self, capabilities: Value) -> Value {
        let info = json!({ "name": "test", "version": "1.0.0" });
        let params = json!({ "protocolVersion": "2024-11-05", "capabilities": capabilities, "clientInfo": info });
        self.request("initialize", params).await
    }

    /// The POST of a message to where the stream says.
    pub(crate) fn post(&self, message: &Value) -> Post {
        // The SDKs name no media type that they accept.
        Post::to(self.address, &self.target).bearer(&self.token).without("Accept").body(message.to_string())
    }

    pub(crate) async fn send(&self, message: &Value) -> Answer {
        self.post(message).send().await
    }

    /// Sends a request with id 1, and does not read its answer.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Answer {
        let asked = self.send(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).await;
        assert_eq!((asked.status, asked.body.len()), (202, 0), "{asked:?}");
        asked
    }

    /// Sends a request with id 1; the next message on the stream.
    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        self.ask(method, params).await;
        self.next().await
    }

    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments })).await
    }

    /// The next message on the stream.
    pub(crate) async fn next(&mut self) -> Value {
        self.events.next().await.expect("a message")
    }

    /// The id of the session.
    pub(crate) fn session(&self) -> &str {
        self.target.split_once("?sessionId=").expect("a session").1
    }
}
