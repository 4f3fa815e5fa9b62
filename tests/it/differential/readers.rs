//! The readers: two in this process, the others in a process of Node and one of Python for all messages.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::{Command, Stdio};
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use serde_json::Value as Json;

use super::reading::{Reading, reading_of_json, reading_of_script};
use crate::peers::parts;

/// What each reader makes of one message; `None` when it refuses.
pub(super) type Readings = BTreeMap<String, Option<Reading>>;

/// For each message, what each reader makes of it.
pub(super) fn read_by_all<'m>(messages: impl Iterator<Item = &'m [u8]>) -> Vec<Readings> {
    let messages: Vec<&[u8]> = messages.collect();
    let python = read_by_script(parts::python("read.py"), &messages);
    let node = read_by_script(parts::node("read.mjs"), &messages);
    let rust = messages.iter().map(|message| read_here(message));
    rust.zip(python).zip(node).map(|((rust, python), node)| rust.into_iter().chain(python).chain(node).collect()).collect()
}

fn read_here(message: &[u8]) -> Vec<(String, Option<Reading>)> {
    let value = serde_json::from_slice::<Json>(message).ok();
    // A client's message is read by a server and the other way round; each refuses most of the other's.
    let client =
        serde_json::from_slice::<ClientJsonRpcMessage>(message).ok().map(|message| serde_json::to_value(message).unwrap());
    let server =
        serde_json::from_slice::<ServerJsonRpcMessage>(message).ok().map(|message| serde_json::to_value(message).unwrap());
    // Typed messages hold only what their type has, so of them the fields that decide are compared.
    let typed = |message: Option<Json>| {
        let reading = message.as_ref().and_then(reading_of_json)?;
        Some(Reading { tree: None, typed: true, ..reading })
    };
    vec![
        ("serde_json".to_owned(), value.as_ref().and_then(reading_of_json)),
        ("rmcp server".to_owned(), typed(client)),
        ("rmcp client".to_owned(), typed(server)),
    ]
}

fn read_by_script(mut command: Command, messages: &[&[u8]]) -> Vec<Vec<(String, Option<Reading>)>> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String = messages.iter().map(|message| BASE64_STANDARD.encode(message) + "\n").collect();
    let mut input = child.stdin.take().unwrap();
    // Beside, since both pipes fill.
    let writer = thread::spawn(move || input.write_all(lines.as_bytes()));
    let printed = io::read_to_string(child.stdout.take().unwrap()).unwrap();
    let status = child.wait().unwrap();
    assert!(status.success(), "{command:?} ended with {status}");
    writer.join().unwrap().unwrap();
    let readings = printed.lines().map(|line| {
        let readers: BTreeMap<String, Json> = serde_json::from_str(line).unwrap();
        readers.into_iter().map(|(name, printed)| (name, reading_of_script(&printed))).collect()
    });
    readings.collect()
}
