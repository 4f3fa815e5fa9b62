//! An MCP server in threads, for gateways in processes of their own: answers every request, at once or when it is told to.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use serde_json::{Value, json};

/// The one session of the revisions that have them.
pub(crate) const SESSION: &str = "upstream-session-0123456789";

/// A running server. It ends with the process.
#[derive(Clone)]
pub(crate) struct Upstream {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    received: Mutex<Vec<Value>>,
    calls: Mutex<Vec<String>>,
    text: Mutex<Option<String>>,
    held: Mutex<bool>,
    released: Condvar,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: socket.local_addr().unwrap(), shared: Arc::default() };
        let accepting = server.clone();
        thread::spawn(move || {
            for stream in socket.incoming().map_while(Result::ok) {
                let server = accepting.clone();
                // A gateway that goes away ends its connection's thread.
                thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    /// Messages that have arrived.
    pub(crate) fn received(&self) -> Vec<Value> {
        self.shared.received.lock().clone()
    }

    /// The gateway's ids of the calls that have arrived.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.shared.calls.lock().clone()
    }

    /// What tools answer from now on, in place of `done`.
    pub(crate) fn says(&self, text: &str) {
        *self.shared.text.lock() = Some(text.to_owned());
    }

    /// From now on answers wait for [`Upstream::release`].
    pub(crate) fn hold(&self) {
        *self.shared.held.lock() = true;
    }

    pub(crate) fn release(&self) {
        *self.shared.held.lock() = false;
        self.shared.released.notify_all();
    }

    fn serve(&self, stream: TcpStream) -> Option<()> {
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        let mut writer = stream;
        loop {
            let mut length = 0;
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().ok()?;
                }
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("yett-call:") {
                    self.shared.calls.lock().push(value.trim().to_owned());
                }
                if line == "\r\n" {
                    break;
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).ok()?;
            // A DELETE has no body.
            let message: Value = serde_json::from_slice(&body).unwrap_or_default();
            let id = message["id"].clone();
            self.shared.received.lock().push(message);
            let mut held = self.shared.held.lock();
            while *held {
                self.shared.released.wait(&mut held);
            }
            drop(held);
            let text = self.shared.text.lock().clone().unwrap_or_else(|| "done".to_owned());
            let result = json!({ "content": [{ "type": "text", "text": text }], "isError": false, "resultType": "complete" });
            let reply = json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string();
            let mut header = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: {SESSION}\r\n");
            write!(header, "Content-Length: {}\r\n\r\n", reply.len()).ok()?;
            writer.write_all(format!("{header}{reply}").as_bytes()).ok()?;
        }
    }
}
