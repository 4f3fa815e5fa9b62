//! Official clients that start `yett connect` as their server: they see what they see directly.

use serde_json::{Value, json};

use super::client::{
    Client, PYTHON_AUTO, PYTHON_LEGACY, PYTHON_MODERN, TYPESCRIPT_AUTO, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN, Walk, step,
};
use super::differences::{assert_same, through_gateway};
use super::gateway::Gateway;
use super::transparent::ALLOW_EVERYTHING;
use super::upstream::Upstream;

const LET_ASK_MODELS: &str = r"version: 1
roles:
  asked: { allow: [{ servers: [everything], tools: ['*'], server_requests: [roots, sampling] }] }
bindings:
  - { role: asked, groups: [agents] }
";

const LET_ASK: &str = r"version: 1
roles:
  asked: { allow: [{ servers: [fixture], tools: [ask], server_requests: [elicitation] }] }
bindings:
  - { role: asked, groups: [agents] }
";

#[test]
fn python_sees_the_fixture_through_connect_as_directly() {
    sees_the_same(&Upstream::fixture(), &[PYTHON_LEGACY, PYTHON_MODERN, PYTHON_AUTO]);
}

#[test]
fn typescript_sees_the_fixture_through_connect_as_directly() {
    sees_the_same(&Upstream::fixture(), &[TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN, TYPESCRIPT_AUTO]);
}

#[test]
fn both_see_server_everything_through_connect_as_directly() {
    sees_the_same(&Upstream::everything(), &[PYTHON_LEGACY, PYTHON_AUTO, TYPESCRIPT_LEGACY, TYPESCRIPT_AUTO]);
}

#[test]
fn a_question_passes_connect_to_the_user_and_its_answer_back() {
    let upstream = Upstream::fixture();
    let gateway = Gateway::start(&upstream, LET_ASK);
    let arguments = ["--tool", "ask", "--answer"];
    for client in [PYTHON_LEGACY, PYTHON_MODERN, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN] {
        let directly = &client.walk(&upstream.url, None, "call", &arguments)[1];
        assert_eq!(directly["asked"][0], "Type a nickname to go on.", "{client}, directly: {directly:#}");
        let through = &connect(client, &gateway, "call", &arguments).finish().0[1];
        assert_eq!(through, directly, "{client}");
    }
}

#[test]
fn a_server_asks_the_clients_model_and_for_its_folders_through_connect_as_directly() {
    let upstream = Upstream::everything();
    let gateway = Gateway::start(&upstream, LET_ASK_MODELS);
    // The server asks for folders where nobody hears it before the client listens: the first call lasts until it does.
    let steps = tempfile::NamedTempFile::new().unwrap();
    let call =
        |name: &str, arguments: Value| json!({ "method": "tools/call", "params": { "name": name, "arguments": arguments } });
    let calls = [call("trigger-long-running-operation", json!({ "duration": 1, "steps": 1 })), call("get-roots-list", json!({}))];
    std::fs::write(steps.path(), json!(calls).to_string()).unwrap();
    let model = ["--tool", "trigger-sampling-request", "--args", r#"{"prompt":"How many?","maxTokens":10}"#, "--offers"];
    let folders = ["--calls", steps.path().to_str().unwrap(), "--offers"];
    for client in [PYTHON_LEGACY, TYPESCRIPT_LEGACY] {
        for (arguments, step, said) in [(&model[..], 1, "forty-two"), (&folders[..], 2, "file:///home/ada/work")] {
            let directly = &client.walk(&upstream.url, None, "call", arguments)[step];
            assert!(directly["result"].to_string().contains(said), "{client}, directly: {directly:#}");
            let through = &connect(client, &gateway, "call", arguments).finish().0[step];
            assert_eq!(through["result"], directly["result"], "{client}: {through:#}");
        }
    }
}

#[test]
fn a_server_neither_asks_the_model_nor_for_folders_through_connect_without_a_grant() {
    let upstream = Upstream::everything();
    let gateway = Gateway::start(&upstream, ALLOW_EVERYTHING);
    for client in [PYTHON_LEGACY, TYPESCRIPT_LEGACY] {
        for (tool, arguments) in [("trigger-sampling-request", r#"{"prompt":"How many?"}"#), ("get-roots-list", "{}")] {
            let told = connect(client, &gateway, "call", &["--tool", tool, "--args", arguments, "--offers"]).finish().0;
            assert!(told.iter().all(|step| step["asked"].is_null()), "{client} was asked: {told:#?}");
            assert!(!told[1].to_string().contains("forty-two") && !told[1].to_string().contains("file:///home"), "{told:#?}");
        }
    }
}

#[test]
fn a_call_that_is_given_up_behind_connect_ends_at_the_server() {
    let upstream = Upstream::fixture();
    let gateway = Gateway::start(&upstream, ALLOW_EVERYTHING);
    for client in [PYTHON_LEGACY, PYTHON_MODERN, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN] {
        let transcript = connect(client, &gateway, "abandoned", &[]).finish().0;
        assert_eq!(transcript[1]["error"]["code"], "abandoned", "{client}: {:#}", transcript[1]);
        super::eventually(&format!("{client}: the work was ended"), || upstream.noted("cancelled", "slow").then_some(()));
        upstream.forget();
    }
}

fn sees_the_same(upstream: &Upstream, clients: &[Client]) {
    let gateway = Gateway::start(upstream, ALLOW_EVERYTHING);
    for client in clients {
        let directly = client.begin(&upstream.url, None, upstream.tour, &[]);
        let through = connect(*client, &gateway, upstream.tour, &[]);
        let (directly, mut through) = (directly.finish().0, through.finish().0);
        put_back_reports(&directly, &mut through);
        assert_eq!(step(&directly, "close")["ok"], true, "{client} on {}: the direct walk broke off", upstream.name);
        let (expected, _) = through_gateway(&directly);
        assert_same(&format!("{client} on {}, by `yett connect`", upstream.name), &expected, &through);
    }
}

/// TypeScript SDK v1 forgets who waits for reports when it reads an answer, and looks at reports a moment after it has read them: of what
/// comes over one stream in one piece it drops the last ones. That they were written before the answer is shown elsewhere
/// (`connect::session`).
fn put_back_reports(directly: &[Value], through: &mut [Value]) {
    for (directly, through) in directly.iter().zip(through) {
        let (Some(all), Some(seen)) = (directly["progress"].as_array(), through["progress"].as_array()) else { continue };
        if !seen.is_empty() && all.starts_with(seen) {
            through["progress"] = directly["progress"].clone();
        }
    }
}

fn connect(client: Client, gateway: &Gateway, scenario: &str, more: &[&str]) -> Walk {
    let command = serde_json::json!([env!("CARGO_BIN_EXE_yett"), "connect", gateway.url]).to_string();
    client.begin(&command, Some(&gateway.key), scenario, &[&["--stdio"], more].concat())
}
