//! A part of a test that is a process of its own, told what to do line by line, as long as the test lasts.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::within;

/// A process that answers each line of JSON with one. It ends when this is dropped.
pub(crate) struct Part {
    talk: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
    _child: Child,
}

impl Part {
    /// Starts it, and gives the line that it greets with.
    pub(crate) async fn start(command: std::process::Command) -> (Self, Value) {
        let what = format!("{command:?}");
        let child = Command::from(command).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("cannot start {what}: {error}; run scripts/parts"));
        let input = child.stdin.take().expect("a pipe");
        let output = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let part = Self { talk: Mutex::new((input, output)), _child: child };
        let greeting = read(&what, &mut part.talk.lock().await.1).await;
        (part, greeting)
    }

    /// Says one line, and gives the one that comes back.
    pub(crate) async fn ask(&self, question: &Value) -> Value {
        let mut talk = self.talk.lock().await;
        talk.0.write_all(format!("{question}\n").as_bytes()).await.expect("it listens");
        read(&question.to_string(), &mut talk.1).await
    }
}

async fn read(what: &str, lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = within(&format!("an answer to {what}"), lines.next_line()).await.expect("text");
    let line = line.unwrap_or_else(|| panic!("no answer to {what}: it has ended"));
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{what}: {error} in {line}"))
}
