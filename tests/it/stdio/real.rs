//! Servers that others have written: of the npm and the `PyPI` reference servers, those that need no network.

use std::fs;
use std::path::PathBuf;

use serde_json::json;

use super::Stage;
use crate::peers::parts;
use crate::support::gateway::POLICY;

/// The Node of this machine, and a program of `tests/peers/package.json`.
fn npm(package: &str) -> (PathBuf, PathBuf) {
    let path = std::env::var_os("PATH").expect("a search path");
    let node = std::env::split_paths(&path).map(|folder| folder.join("node")).find(|node| node.is_file()).expect("Node");
    let modules = parts::interpreter().ancestors().nth(3).expect("parts").join("node/node_modules");
    (node, modules.join("@modelcontextprotocol").join(package).join("dist/index.js"))
}

#[tokio::test]
async fn npm_server_everything_is_served() {
    let (node, script) = npm("server-everything");
    let yaml = format!("{{ stdio: {{ command: [{}, {}, stdio], per: principal }} }}", node.display(), script.display());
    let stage = Stage::at(&yaml, POLICY).await;
    let probe = stage.modern(&stage.ada).request("server/discover", json!({})).await;
    assert_eq!(probe.status, 400, "a server of the legacy era: {probe:?}");
    let client = stage.legacy(&stage.ada).await;
    let tools = client.list_tools().await.tools();
    assert!(tools.contains(&"echo".to_owned()), "{tools:?}");
    let answer = client.call("echo", json!({ "message": "hello" })).await;
    let said = answer.messages().last().unwrap().to_string();
    assert!(said.contains("hello"), "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn npm_server_filesystem_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let inside = fs::canonicalize(folder.path()).unwrap();
    fs::write(inside.join("a.txt"), "contents of a").unwrap();
    let (node, script) = npm("server-filesystem");
    let yaml = format!("{{ stdio: {{ command: [{}, {}, {}] }} }}", node.display(), script.display(), inside.display());
    let stage = Stage::at(&yaml, POLICY).await;
    let client = stage.legacy(&stage.ada).await;
    let answer = client.call("read_text_file", json!({ "path": inside.join("a.txt") })).await;
    let said = answer.messages().last().unwrap().to_string();
    assert!(said.contains("contents of a"), "{answer:?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn pypi_server_time_is_served_in_both_eras() {
    let python = parts::interpreter();
    let yaml = format!("{{ stdio: {{ command: [{}, -B, -m, mcp_server_time, --local-timezone, UTC] }} }}", python.display());
    let stage = Stage::at(&yaml, POLICY).await;
    let arguments = json!({ "source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo" });
    for client in [stage.legacy(&stage.ada).await, stage.modern(&stage.ada)] {
        assert_eq!(client.list_tools().await.tools(), ["get_current_time", "convert_time"]);
        let answer = client.call("convert_time", arguments.clone()).await;
        let said = answer.messages().last().unwrap().to_string();
        assert!(said.contains("21:00"), "{answer:?}");
    }
    stage.gateway.stop_and_verify().await;
}
