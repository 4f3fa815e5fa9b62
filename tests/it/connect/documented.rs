//! The settings in docs/connect.md, used as they stand there.

use serde_json::{Value, json};

use super::wire::Wire;
use super::{Stage, text};

const PAGE: &str = include_str!("../../../docs/connect.md");

/// What the page puts in place of what differs from one to the next.
const DOCUMENTED: (&str, &str) = ("/usr/local/bin/yett", "https://mcp.example.com/mcp/crm");

#[tokio::test]
async fn the_settings_of_a_desktop_client_are_as_documented() {
    let (_, example) = PAGE.split_once("```json\n").expect("an example");
    let settings: Value = serde_json::from_str(example.split("```").next().unwrap()).unwrap();
    let server = &settings["mcpServers"]["crm"];
    assert_eq!(server["command"], DOCUMENTED.0);
    let stage = Stage::set().await;
    let url = stage.gateway.url("crm");
    let arguments: Vec<_> = server["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap()).collect();
    let (name, arguments) = arguments.split_first().unwrap();
    assert_eq!((*name, arguments.contains(&DOCUMENTED.1)), ("connect", true), "{settings:#}");
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.replace(DOCUMENTED.1, &url)).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();

    let mut wire = Wire::with(&arguments, Some(&stage.key));
    wire.shake_hands(json!({})).await;
    assert_eq!(text(&wire.call("echo").await), "echo was called");
    stage.end(wire).await;
}

#[tokio::test]
async fn every_option_is_documented() {
    let home = tempfile::tempdir().unwrap();
    let help = super::wire::program(home.path(), &["--help"]).output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let options: Vec<_> = help.split_whitespace().filter(|word| word.starts_with("--")).collect();
    assert!(options.contains(&"--token-file"), "{help}");
    for option in options.iter().map(|option| option.trim_end_matches([',', '.', ':'])).filter(|option| *option != "--help") {
        assert!(PAGE.contains(&format!("`{option}")), "docs/connect.md does not speak of {option}");
    }
}
