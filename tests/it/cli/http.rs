//! One HTTP request on one connection, without a runtime: what a probe, an operator's curl or a plain client does.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// An answer, read to the end of its connection.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: String,
}

impl Reply {
    /// The value of a header, if it came exactly once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut values =
            self.head.lines().skip(1).filter_map(|line| line.split_once(": ")).filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let (_, value) = values.next()?;
        values.next().is_none().then_some(value)
    }

    /// The body as JSON; null when it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// The code of a JSON-RPC error.
    pub(crate) fn error_code(&self) -> Option<i64> {
        self.json()["error"]["code"].as_i64()
    }
}

/// Sends a request with these headers; `None` when nothing answers.
pub(crate) fn try_send(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut head = format!("{line} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, head: head.to_owned(), body: body.to_owned() })
}

/// The same with somebody there.
pub(crate) fn send(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &str) -> Reply {
    try_send(address, line, headers, body).unwrap_or_else(|| panic!("{address} does not answer `{line}`"))
}

pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    send(address, &format!("GET {path}"), &[], "")
}

/// Calls a tool of `server` as MCP 2026-07-28 has it.
pub(crate) fn call(listener: SocketAddr, server: &str, secret: &str, tool: &str) -> Reply {
    try_call(listener, server, secret, tool).unwrap_or_else(|| panic!("{listener} does not answer a call of {server}/{tool}"))
}

/// The same where perhaps nobody answers.
pub(crate) fn try_call(listener: SocketAddr, server: &str, secret: &str, tool: &str) -> Option<Reply> {
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": tool, "arguments": {},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    });
    let authorization = format!("Bearer {secret}");
    let headers = [
        ("Authorization", authorization.as_str()),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", tool),
    ];
    try_send(listener, &format!("POST /mcp/{server}"), &headers, &body.to_string())
}
