//! An MCP server whose every answer a test writes, in threads, for a gateway in a process of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use serde_json::{Value, json};

/// What it answers: the result of a method with these params, or nothing for "no such method". `_authorization` of the params is the header.
pub(super) type Script = dyn Fn(&str, &Value) -> Option<Value> + Send + Sync;

/// Starts it; it ends with the process.
pub(super) fn serve(script: impl Fn(&str, &Value) -> Option<Value> + Send + Sync + 'static) -> SocketAddr {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let script: Arc<Script> = Arc::new(script);
    thread::spawn(move || {
        for stream in socket.incoming().map_while(Result::ok) {
            let script = Arc::clone(&script);
            thread::spawn(move || converse(stream, &*script));
        }
    });
    address
}

/// A server of the legacy era with these pages of tools, by the params of the request.
pub(super) fn of_pages(page: impl Fn(&Value) -> Value + Send + Sync + 'static) -> SocketAddr {
    serve(move |method, params| match method {
        "initialize" => Some(
            json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} }, "serverInfo": { "name": "x", "version": "1" } }),
        ),
        "tools/list" => Some(page(params)),
        _ => None,
    })
}

fn converse(stream: TcpStream, script: &Script) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    loop {
        let (mut length, mut authorization) = (0, String::new());
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if let Some(("Authorization" | "authorization", value)) = line.split_once(':') {
                value.trim().clone_into(&mut authorization);
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let mut message: Value = serde_json::from_slice(&body).unwrap_or_default();
        if message["params"].is_object() {
            message["params"]["_authorization"] = authorization.into();
        }
        let id = &message["id"];
        if id.is_null() {
            writer.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").ok()?;
            continue;
        }
        let reply = match script(message["method"].as_str().unwrap_or_default(), &message["params"]) {
            Some(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
            None => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": -32601, "message": "no such method" } }),
        };
        let reply = reply.to_string();
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{reply}", reply.len())
            .ok()?;
    }
}
