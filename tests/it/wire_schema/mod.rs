//! What the gateway writes, or changes on its way, is what the JSON Schema of its revision says: to clients and to servers, refusals too.
//!
//! The schemas are the specification's own, in the folder that `MCP_SCHEMA_DIR` names; a published validator reads them
//! (`tests/peers/wire_schema.py`). Without the folder these tests cannot say anything, so they are ignored unless asked for:
//! `scripts/test --schemas DIR` asks, and `scripts/test` alone says that they were left out.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells figures"
)]

mod legacy;
mod messages;
mod modern;
mod stage;
mod transports;

use std::env;
use std::io::Write as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::peers::parts;
use crate::support::http::Answer;
use crate::support::server::{Arrived, Upstream};

#[tokio::test]
#[ignore = "reads the schemas in MCP_SCHEMA_DIR; `scripts/test --schemas DIR` does it"]
async fn messages_of_2024_11_05_are_what_its_schema_says() {
    legacy::all_kinds("2024-11-05").await.check();
}

#[tokio::test]
#[ignore = "reads the schemas in MCP_SCHEMA_DIR; `scripts/test --schemas DIR` does it"]
async fn messages_of_2025_03_26_are_what_its_schema_says() {
    legacy::all_kinds("2025-03-26").await.check();
}

#[tokio::test]
#[ignore = "reads the schemas in MCP_SCHEMA_DIR; `scripts/test --schemas DIR` does it"]
async fn messages_of_2025_06_18_are_what_its_schema_says() {
    legacy::all_kinds("2025-06-18").await.check();
}

#[tokio::test]
#[ignore = "reads the schemas in MCP_SCHEMA_DIR; `scripts/test --schemas DIR` does it"]
async fn messages_of_2025_11_25_are_what_its_schema_says() {
    legacy::all_kinds("2025-11-25").await.check();
}

#[tokio::test]
#[ignore = "reads the schemas in MCP_SCHEMA_DIR; `scripts/test --schemas DIR` does it"]
async fn messages_of_2026_07_28_are_what_its_schema_says() {
    modern::all_kinds().await.check();
}

#[tokio::test]
#[ignore = "reads the schemas in MCP_SCHEMA_DIR; `scripts/test --schemas DIR` does it"]
async fn messages_over_http_sse_are_what_their_schema_says() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        transports::over_http_sse(revision).await.check();
    }
}

#[tokio::test]
#[ignore = "reads the schemas in MCP_SCHEMA_DIR; `scripts/test --schemas DIR` does it"]
async fn messages_over_standard_streams_are_what_their_schema_says() {
    for revision in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        transports::over_standard_streams(revision).await.check();
    }
}

/// What both sides of a gateway were sent in one revision.
struct Wire {
    revision: &'static str,
    messages: Vec<Value>,
}

impl Wire {
    fn of(revision: &'static str) -> Self {
        Self { revision, messages: Vec::new() }
    }

    /// A client got these messages after it had asked for `asked`; there is at least one.
    fn client_got(&mut self, what: &str, asked: &str, messages: impl IntoIterator<Item = Value>) {
        let before = self.messages.len();
        for message in messages {
            self.messages.push(json!({ "what": format!("{what}, to the client"), "revision": self.revision,
                "asked": asked, "message": message }));
        }
        assert!(self.messages.len() > before, "{}: {what}: nothing came", self.revision);
    }

    /// The same for an answer, which has that status; gives it back.
    fn answer(&mut self, what: &str, asked: &str, status: u16, answer: Answer) -> Answer {
        assert_eq!(answer.status, status, "{}: {what}: {answer:?}", self.revision);
        self.client_got(what, asked, answer.messages());
        answer
    }

    /// The same for a refusal with this code.
    fn refused(&mut self, what: &str, asked: &str, (status, code): (u16, i64), answer: Answer) {
        assert_eq!(answer.code(), Some(code), "{}: {what}: {answer:?}", self.revision);
        self.answer(what, asked, status, answer);
    }

    /// Everything that a server was sent. Its own questions have the name of their method as their id.
    fn server_got(&mut self, server: &Upstream) {
        for message in server.arrived().iter().filter(|arrived| !arrived.body.is_empty()).map(Arrived::json) {
            self.server_heard(&message);
        }
    }

    /// The same of one message.
    fn server_heard(&mut self, message: &Value) {
        let asked = message["id"].clone();
        let what = format!("{}, to the server", message["method"].as_str().or(asked.as_str()).unwrap_or("a message"));
        self.messages.push(json!({ "what": what, "revision": self.revision, "asked": asked, "message": message }));
    }

    /// Asks the validator about all of them.
    fn check(self) {
        let folder = env::var_os("MCP_SCHEMA_DIR").unwrap_or_else(|| panic!("MCP_SCHEMA_DIR names no folder with schemas"));
        let mut command = parts::python("wire_schema.py");
        let mut validator = command.arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = self.messages.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        validator.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        let output = validator.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
        assert!(said.trim_end().ends_with(&format!("{}: {} messages", self.revision, self.messages.len())), "{said}");
        println!("{said}");
    }
}
