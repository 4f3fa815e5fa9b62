//! Where the token comes from, and where it does not go.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;

use super::wire::program;
use super::{Stage, Wire, text};
use crate::support::within;

fn write(path: &Path, token: &str, mode: u32) {
    fs::write(path, token).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs it to its end: exit code and standard error.
async fn run(home: &Path, arguments: &[&str], input: &str) -> (Option<i32>, String) {
    let mut child = program(home, arguments).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may have ended without reading.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = within("its end", child.wait_with_output()).await.unwrap();
    assert!(output.stdout.is_empty(), "standard output is for the protocol: {:?}", String::from_utf8_lossy(&output.stdout));
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

async fn hello(wire: &mut Wire) -> Value {
    let info = json!({ "name": "test", "version": "1.0.0" });
    wire.request("initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info })).await
}

#[tokio::test]
async fn without_a_good_token_the_client_is_told_what_to_do() {
    let stage = Stage::set().await;
    let url = stage.gateway.url("crm");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    write(&file, "yett_0_nobody", 0o600);
    let file = file.to_str().unwrap();
    let told = [
        (Wire::with(&[&url], None), "YETT_TOKEN"),
        (Wire::with(&[&url], Some("yett_0_nobody")), "start this server again"),
        (Wire::with(&["--token-file", file, &url], Some(&stage.key)), file),
    ];
    for (mut wire, advice) in told {
        let refused = hello(&mut wire).await;
        assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(1), &json!(-31401)), "{refused:#}");
        assert!(refused["error"]["message"].as_str().unwrap().contains(advice), "{advice}: {refused:#}");
        assert!(refused["error"]["data"]["call"].is_string(), "the number of the record: {refused:#}");
        let exit = wire.close().await;
        assert_eq!(exit.code, Some(0), "{}", exit.complaints);
        assert!(!exit.complaints.contains("yett_0_nobody"), "{}", exit.complaints);
    }
    assert_eq!(stage.crm.count(), 0);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_token_that_is_refused_is_replaced_in_its_file_while_the_client_goes_on() {
    let stage = Stage::set().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    write(&file, &stage.key, 0o600);
    let mut wire = Wire::with(&["--token-file", file.to_str().unwrap(), &stage.gateway.url("crm")], None);
    wire.shake_hands(json!({})).await;
    assert_eq!(text(&wire.call("echo").await), "echo was called");

    write(&file, "yett_0_expired", 0o600);
    let refused = wire.call("echo").await;
    assert_eq!(refused["error"]["code"], -31401, "{refused:#}");
    write(&file, &stage.key, 0o644);
    let refused = wire.call("echo").await;
    assert!(refused["error"]["message"].as_str().unwrap().contains("chmod 600"), "{refused:#}");
    write(&file, &stage.key, 0o600);
    assert_eq!(text(&wire.call("echo").await), "echo was called");
    assert_eq!(stage.crm.calls().len(), 2);
    stage.end(wire).await;
}

#[tokio::test]
async fn what_cannot_be_used_ends_it_before_anything_is_sent() {
    let stage = Stage::set().await;
    let folder = tempfile::tempdir().unwrap();
    let (open, empty, good) = (folder.path().join("open"), folder.path().join("empty"), folder.path().join("good"));
    write(&open, &stage.key, 0o644);
    write(&empty, "\n", 0o600);
    write(&good, &stage.key, 0o600);
    let url = stage.gateway.url("crm");
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let table = [
        (vec!["--token-file".to_owned(), path(&open), url.clone()], "mode 644"),
        (vec!["--token-file".to_owned(), path(&empty), url.clone()], "holds no token"),
        (vec!["--token-file".to_owned(), path(&folder.path().join("none")), url.clone()], "cannot be read"),
        (vec!["--token-file".to_owned(), path(folder.path()), url.clone()], "is no file"),
        (vec!["--token-file".to_owned(), path(&good), "http://mcp.example.com/mcp/crm".to_owned()], "--insecure-http"),
        (vec!["http://me:secret@127.0.0.1/mcp/crm".to_owned()], "holds a user or password"),
        (vec!["mcp.example.com/mcp/crm".to_owned()], "is not an http or https URL"),
        (vec!["--ca".to_owned(), path(&good), "https://localhost:1/mcp/crm".to_owned()], "no CA certificate"),
        (vec!["--max-message".to_owned(), "4 MB".to_owned(), url.clone()], "--max-message"),
        (vec![], "<URL>"),
    ];
    for (arguments, words) in table {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let (code, complaints) = run(folder.path(), &arguments, "").await;
        assert_eq!(code, Some(2), "{arguments:?}: {complaints}");
        assert!(complaints.contains(words), "{arguments:?}: {complaints}");
        assert!(!complaints.contains(&stage.key) && !complaints.contains("secret@"), "{complaints}");
    }
    assert_eq!(stage.crm.count(), 0);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_token_that_was_kept_is_used_for_its_route_alone() {
    let stage = Stage::set().await;
    let home = tempfile::tempdir().unwrap();
    let url = stage.gateway.url("crm");
    let (code, complaints) = run(home.path(), &["--login", &url], &format!("{}\n", stage.key)).await;
    assert_eq!(code, Some(0), "{complaints}");
    let kept: Vec<_> = fs::read_dir(home.path().join(".local/state/yett/tokens")).unwrap().map(Result::unwrap).collect();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1.0.0" } } });
    for (url, taken) in [(url.clone(), true), (stage.gateway.url("mail"), false)] {
        let mut child = program(home.path(), &[&url]).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(format!("{initialize}\n").as_bytes()).await.unwrap();
        let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().unwrap()));
        let line = within("an answer", lines.next_line()).await.unwrap().unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(answer["result"].is_object(), taken, "{url}: {answer:#}");
        drop(stdin);
        within("its end", child.wait()).await.unwrap();
    }
    assert_eq!(run(home.path(), &["--logout", &url], "").await.0, Some(0));
    assert_eq!(run(home.path(), &["--logout", &url], "").await.0, Some(1), "there is none any more");
    assert_eq!(run(home.path(), &["--login", &url], "two words\n").await.0, Some(2));
    stage.gateway.stop_and_verify().await;
}
