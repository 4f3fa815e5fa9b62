//! `yett connect` as a client starts it: a child process, lines both ways.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::support::client::meta;
use crate::support::within;

/// A running `yett connect`. It ends with the test.
pub(crate) struct Wire {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    asked: i64,
    _home: TempDir,
}

/// How it ended.
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) complaints: String,
}

/// The program with nothing of this process's environment but a home of its own.
pub(crate) fn program(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_yett"));
    command.env_clear().env("HOME", home).env("RUST_LOG", "yett=debug").arg("connect").args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

impl Wire {
    /// With a token in the environment, as desktop clients hand one over.
    pub(crate) fn open(url: &str, token: &str) -> Self {
        Self::with(&[url], Some(token))
    }

    pub(crate) fn with(arguments: &[&str], token: Option<&str>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut command = program(home.path(), arguments);
        token.map(|token| command.env("YETT_TOKEN", token));
        let mut child = command.spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()).lines());
        Self { child, input, output, asked: 0, _home: home }
    }

    pub(crate) async fn write(&mut self, text: &str) {
        let input = self.input.as_mut().unwrap();
        within("the program to read", async { input.write_all(text.as_bytes()).await.unwrap() }).await;
    }

    pub(crate) async fn send(&mut self, message: &Value) {
        self.write(&format!("{message}\n")).await;
    }

    /// The next message; each is one line of strict JSON.
    pub(crate) async fn next(&mut self) -> Value {
        let line = within("a line", self.output.next_line()).await.unwrap().expect("the program has ended");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("not a message ({error}): {line}"))
    }

    /// The next message that is a response, or has a method.
    pub(crate) async fn until(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await;
            if wanted(&message) {
                return message;
            }
        }
    }

    /// Sends a request of a session; its id.
    pub(crate) async fn begin(&mut self, method: &str, params: Value) -> Value {
        self.asked += 1;
        let id = json!(self.asked);
        self.send(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })).await;
        id
    }

    /// The same of 2026-07-28.
    pub(crate) async fn begin_modern(&mut self, method: &str, mut params: Value) -> Value {
        params["_meta"] = meta();
        self.begin(method, params).await
    }

    pub(crate) async fn response(&mut self, id: &Value) -> Value {
        self.until(|message| message["id"] == *id && message["method"].is_null()).await
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin(method, params).await;
        self.response(&id).await
    }

    pub(crate) async fn request_modern(&mut self, method: &str, params: Value) -> Value {
        let id = self.begin_modern(method, params).await;
        self.response(&id).await
    }

    pub(crate) async fn call(&mut self, tool: &str) -> Value {
        self.request("tools/call", json!({ "name": tool, "arguments": {} })).await
    }

    pub(crate) async fn notify(&mut self, method: &str, params: Value) {
        self.send(&json!({ "jsonrpc": "2.0", "method": method, "params": params })).await;
    }

    /// Begins a session; what the server said.
    pub(crate) async fn shake_hands(&mut self, capabilities: Value) -> Value {
        let info = json!({ "name": "test", "version": "1.0.0" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info });
        let hello = self.request("initialize", params).await;
        self.notify("notifications/initialized", json!({})).await;
        hello
    }

    /// Closes its standard input, as a client does that is done with it.
    pub(crate) async fn close(mut self) -> Exit {
        self.input = None;
        self.ended().await
    }

    pub(crate) async fn signal(self, name: &str) -> Exit {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status().await.unwrap();
        assert!(sent.success(), "the signal {name} was not sent");
        self.ended().await
    }

    /// Waits for its end. What it has not been asked for is lost.
    async fn ended(mut self) -> Exit {
        let mut complaints = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        within("the end of the program", async {
            while self.output.next_line().await.unwrap().is_some() {}
            errors.read_to_string(&mut complaints).await.unwrap();
        })
        .await;
        Exit { code: within("its exit code", self.child.wait()).await.unwrap().code(), complaints }
    }
}
