//! The pages of docs/clients, used as they stand there: every block of settings and every program, at a running gateway.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::cli::http::send;
use crate::peers::gateway::{Gateway, Prepared};
use crate::peers::parts;
use crate::peers::upstream::Upstream;

/// What the pages put in place of what differs from one to the next.
const ROUTE: &str = "https://mcp.example.com/mcp/crm";
const PROGRAM: &str = "/usr/local/bin/yett";

const POLICY: &str = "version: 1
roles:
  all: { allow: [{ servers: [fixture], tools: [echo, add] }] }
bindings:
  - { role: all, groups: [agents] }
";

struct Stage {
    gateway: Gateway,
    _upstream: Upstream,
}

impl Stage {
    fn set() -> Self {
        let upstream = Upstream::fixture();
        let gateway = Prepared::new("fixture", &upstream.url, POLICY, "").serve("fixture");
        Self { gateway, _upstream: upstream }
    }

    /// The text of a page with this gateway in place of the example.
    fn here(&self, text: &str) -> String {
        text.replace(ROUTE, &self.gateway.url).replace(PROGRAM, env!("CARGO_BIN_EXE_yett"))
    }

    /// A command that must end well; what it prints.
    fn output(&self, command: &mut Command) -> String {
        let home = tempfile::tempdir().unwrap();
        let output = command.env("YETT_TOKEN", &self.gateway.key).env("HOME", home.path()).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{command:?}:\n{}\n{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }
}

fn page(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients")
}

/// The blocks of a language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let start = format!("```{language}\n");
    text.split(start.as_str()).skip(1).map(|block| block.split("\n```").next().unwrap()).collect()
}

fn shows_the_tools(said: &str) -> bool {
    let words: Vec<&str> = said.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
    words.contains(&"echo") && words.contains(&"add") && !words.contains(&"get_customer")
}

/// Each entry of the settings is reached as its client would.
#[test]
fn the_settings_of_every_page_reach_the_gateway() {
    let stage = Stage::set();
    let (mut programs, mut urls) = (0, 0);
    for name in ["claude.md", "vscode.md", "cursor.md"] {
        let text = page(name);
        let found = blocks(&text, "json");
        assert!(found.len() >= 2, "{name}");
        for block in found {
            let settings: Value =
                serde_json::from_str(&stage.here(block)).unwrap_or_else(|error| panic!("{name}: {error}\n{block}"));
            let key = if name == "vscode.md" { "servers" } else { "mcpServers" };
            for entry in settings[key].as_object().unwrap_or_else(|| panic!("{name} has no `{key}`")).values() {
                if entry["command"].is_string() {
                    programs += 1;
                    assert!(shows_the_tools(&by_program(&stage, entry)), "{name}:\n{block}");
                } else {
                    urls += 1;
                    assert!(shows_the_tools(&by_url(&stage, entry, &settings)), "{name}:\n{block}");
                }
            }
        }
    }
    assert_eq!((programs, urls), (4, 3));
}

/// Starts the program with its arguments, shakes hands and lists tools.
fn by_program(stage: &Stage, entry: &Value) -> String {
    let arguments = entry["args"].as_array().unwrap().iter().map(|argument| argument.as_str().unwrap());
    let program = [entry["command"].as_str().unwrap()].into_iter().chain(arguments).collect::<Vec<_>>();
    let mut client = parts::python("client.py");
    let calls = tempfile::NamedTempFile::new().unwrap();
    fs::write(calls.path(), r#"[{"method":"tools/list"}]"#).unwrap();
    client.args(["--era", "legacy", "--stdio"]).arg(json!(program).to_string()).args(["--bearer", &stage.gateway.key]);
    stage.output(client.arg("--calls").arg(calls.path()))
}

/// Sends what such a client sends, with the headers of the entry.
fn by_url(stage: &Stage, entry: &Value, settings: &Value) -> String {
    let url = entry["url"].as_str().unwrap();
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut headers =
        vec![("Content-Type", "application/json".to_owned()), ("Accept", "application/json, text/event-stream".to_owned())];
    for (name, value) in entry["headers"].as_object().unwrap() {
        let mut value = value.as_str().unwrap().to_owned();
        for variable in ["${YETT_TOKEN}", "${env:YETT_TOKEN}"] {
            value = value.replace(variable, &stage.gateway.key);
        }
        for input in settings["inputs"].as_array().into_iter().flatten() {
            value = value.replace(&format!("${{input:{}}}", input["id"].as_str().unwrap()), &stage.gateway.key);
        }
        assert!(!value.contains("${"), "nobody fills {value}");
        headers.push((name.as_str(), value));
    }
    let info = json!({ "name": "settings", "version": "1" });
    let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let ask = |headers: &[(&str, String)], body: &Value| {
        let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        send(address.parse().unwrap(), &format!("POST /{path}"), &headers, &body.to_string())
    };
    let shaken = ask(&headers, &json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello }));
    assert_eq!(shaken.status, 200, "{shaken:?}");
    if let Some(session) = shaken.header("mcp-session-id") {
        headers.push(("Mcp-Session-Id", session.to_owned()));
    }
    headers.push(("Mcp-Protocol-Version", "2025-11-25".to_owned()));
    ask(&headers, &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let listed = ask(&headers, &json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }));
    assert_eq!(listed.status, 200, "{listed:?}");
    listed.body
}

#[test]
fn the_programs_of_the_sdks_run_as_they_stand() {
    let stage = Stage::set();
    let folder = tempfile::tempdir().unwrap();
    let text = page("python.md");
    for (at, block) in blocks(&text, "python").iter().enumerate() {
        let file = folder.path().join(format!("{at}.py"));
        fs::write(&file, stage.here(block)).unwrap();
        let said = stage.output(Command::new(parts::interpreter()).arg("-B").arg(&file).env("NO_PROXY", "*"));
        assert!(shows_the_tools(&said), "python.md:\n{block}\n{said}");
    }
    let [node, package] = parts::npm_server("server-everything");
    let modules = package.ancestors().find(|path| path.ends_with("node_modules")).unwrap();
    std::os::unix::fs::symlink(modules, folder.path().join("node_modules")).unwrap();
    let text = page("typescript.md");
    let found = blocks(&text, "js");
    assert_eq!((blocks(&page("python.md"), "python").len(), found.len()), (2, 2));
    for (at, block) in found.iter().enumerate() {
        let file = folder.path().join(format!("{at}.mjs"));
        fs::write(&file, stage.here(block)).unwrap();
        let said = stage.output(Command::new(&node).arg(&file));
        assert!(shows_the_tools(&said), "typescript.md:\n{block}\n{said}");
    }
}

#[test]
fn the_commands_of_the_inspector_run_as_they_stand() {
    let stage = Stage::set();
    let [node, launcher] = parts::npm_program("@modelcontextprotocol/inspector/clients/launcher/build/index.js");
    let text = page("inspector.md");
    let found = blocks(&text, "sh");
    assert_eq!(found.len(), 2);
    for block in found {
        let installed = format!("'{}' '{}'", node.display(), launcher.display());
        let command = stage.here(block).replace("npx @modelcontextprotocol/inspector", &installed);
        assert!(command.contains(&installed), "{block}");
        let said = stage.output(Command::new("sh").arg("-c").arg(&command));
        assert!(shows_the_tools(&said), "{command}\n{said}");
    }
}

#[test]
fn every_page_names_its_makers_page_and_stands_in_the_index() {
    let index = page("README.md");
    for entry in fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name != "README.md" {
            assert!(index.contains(&format!("({name})")), "{name} is not in the index");
            let text = page(&name);
            assert!(
                text.contains("Maker's page: [") || text.contains("Maker's page:\n[") || text.contains("Makers' pages: ["),
                "{name} cites nobody"
            );
        }
    }
}
