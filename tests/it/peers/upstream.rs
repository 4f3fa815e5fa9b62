//! The MCP servers behind the gateway.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use super::parts;
use super::process::{Announces, Running};

/// A running MCP server.
pub(crate) struct Upstream {
    /// Its name in `yett.yaml`.
    pub(super) name: &'static str,
    /// The scenario that goes once through everything it offers.
    pub(super) tour: &'static str,
    /// Its endpoint.
    pub(crate) url: String,
    _process: Running,
}

impl Upstream {
    /// `tests/peers/server.py`: Python SDK 2.x, both eras.
    pub(crate) fn fixture() -> Self {
        Self::python(&[])
    }

    /// The same as it was in mid-2025: it agrees on 2025-06-18 at most, and refuses requests that name a newer revision.
    pub(super) fn old_fixture() -> Self {
        Self::python(&["--old"])
    }

    /// npm server-everything: TypeScript SDK v1, legacy era.
    pub(crate) fn everything() -> Self {
        Self::node("http")
    }

    /// The same over the transport of 2024-11-05.
    pub(crate) fn everything_over_sse() -> Self {
        Self::node("sse")
    }

    fn node(transport: &str) -> Self {
        let mut command = parts::node("everything.mjs");
        command.args(["--transport", transport]);
        let (process, url) = Running::announcing(&mut command, Announces::Stdout, announced);
        Self { name: "everything", tour: "everything-tour", url, _process: process }
    }

    /// What reached it, in order. The fixture only.
    pub(super) fn seen(&self) -> Vec<Value> {
        self.notes("GET")
    }

    /// Begins its notes anew.
    pub(super) fn forget(&self) {
        self.notes("DELETE");
    }

    /// What reached it through the gateway, which puts the id of the record on each request; in order.
    pub(super) fn seen_through_gateway(&self) -> Vec<Value> {
        self.seen().into_iter().filter(|entry| entry["headers"]["yett-call"].is_string()).collect()
    }

    /// Whether it noted this about a request to this tool: `disconnected` (its sender left), `cancelled` (its work was ended).
    pub(super) fn noted(&self, event: &str, tool: &str) -> bool {
        self.seen().iter().any(|entry| entry["event"] == event && entry["name"] == tool)
    }

    fn python(arguments: &[&str]) -> Self {
        let mut command = parts::python("server.py");
        let (process, url) = Running::announcing(command.args(arguments), Announces::Stdout, announced);
        Self { name: "fixture", tour: "tour", url, _process: process }
    }

    fn notes(&self, method: &str) -> Vec<Value> {
        let address = self.url.strip_prefix("http://").and_then(|url| url.strip_suffix("/mcp")).unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "{method} /seen HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no HTTP answer: {answer:?}"));
        serde_json::from_str(body).unwrap()
    }
}

fn announced(line: &str) -> Option<String> {
    line.strip_prefix("listening on ").map(str::to_owned)
}
