//! Tasks of 2025-11-25 between real peers: server-everything makes them, the TypeScript SDK follows them, and makes some itself.

use super::client::{TYPESCRIPT_LEGACY, pretty};
use super::gateway::Gateway;
use super::upstream::Upstream;

const LET_ASK: &str = r#"version: 1
roles:
  asked: { allow: [{ servers: ["*"], tools: ["**"], server_requests: [elicitation, sampling] }] }
bindings:
  - { role: asked, groups: [agents] }
"#;

#[test]
fn a_task_and_its_question_are_followed_as_directly() {
    let arguments = ["--tool", "simulate-research-query", "--args", r#"{"topic":"python","ambiguous":true}"#, "--answer"];
    let walk = followed(&arguments);
    assert_eq!(walk["asked"].as_array().map(Vec::len), Some(1), "{walk:#}");
    let result = &walk["result"];
    let facts = ["ids", "listed", "status", "another id", "related"].map(|key| result[key].to_string());
    assert_eq!(facts, ["1", "true", r#""completed""#, r#""unknown""#, "true"], "{walk:#}");
}

#[test]
fn a_client_that_makes_a_task_of_what_it_is_asked_is_followed_as_directly() {
    let walk = followed(&["--tool", "trigger-sampling-request-async", "--args", r#"{"prompt":"think"}"#]);
    assert!(walk["asked"][0].as_str().is_some_and(|asked| asked.ends_with("(as a task)")), "{walk:#}");
    assert!(walk["result"]["content"][0]["text"].as_str().is_some_and(|text| text.contains("A thought.")), "{walk:#}");
}

/// One call as a task: what is seen through the gateway, which is what is seen directly.
fn followed(arguments: &[&str]) -> serde_json::Value {
    let upstream = Upstream::everything();
    let gateway = Gateway::start(&upstream, LET_ASK);
    let arguments = [arguments, &["--tasks"]].concat();
    let walks = [(&upstream.url, None), (&gateway.url, Some(gateway.key.as_str()))].map(|(url, key)| {
        let mut transcript = TYPESCRIPT_LEGACY.walk(url, key, "call", &arguments);
        assert!(transcript.len() == 2 && transcript[1]["ok"] == true, "{}", pretty(&transcript));
        // What the server tells of a task of the client's holds its id, and how often it was asked about.
        let varies = |line: &&str| ["Task created: ", "Poll ", "\"taskId\": "].iter().any(|part| line.contains(part));
        let texts = transcript[1]["result"]["content"].as_array_mut().unwrap();
        for text in texts.iter_mut().filter_map(|block| block.get_mut("text")) {
            let told: Vec<_> = text.as_str().unwrap().lines().filter(|line| !varies(line)).collect();
            *text = told.join("\n").into();
        }
        transcript.remove(1)
    });
    assert_eq!(walks[1], walks[0], "through the gateway, and directly");
    let [_, through] = walks;
    through
}
