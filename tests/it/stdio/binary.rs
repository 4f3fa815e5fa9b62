//! The real binary, which starts servers with itself: what it logs of them, and that none outlives it.

use super::is_alive;
use crate::cli::http::call;
use crate::cli::process::{Home, Serving, eventually};
use crate::peers::parts;

struct Scene {
    home: Home,
    secret: String,
}

impl Scene {
    fn new() -> Self {
        let home = Home::new("127.0.0.1:1".parse().unwrap());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/stdio.py");
        let command = format!("[{}, -B, {script}]", parts::interpreter().display());
        home.edit(
            "crm: { url: \"http://127.0.0.1:1/mcp\" }",
            &format!("crm: {{ stdio: {{ command: {command}, env: {{ TOKEN: s3cr3t-value }} }} }}"),
        );
        home.edit("version: 1", "version: 1\nmaster_key: 0123456789012345678901234567890123456789");
        home.write(
            "policies/access.yaml",
            "version: 1
roles: { all: { allow: [{ servers: [\"*\"], tools: [\"*\"] }] } }
bindings: [{ role: all, groups: [sales] }]
",
        );
        let (_, secret) = home.key_offline("ada");
        Self { home, secret }
    }

    fn call(&self, serving: &Serving, tool: &str) -> String {
        let reply = call(serving.listener, "crm", &self.secret, tool);
        let json = reply.json();
        let text = json.pointer("/result/content/0/text").and_then(|text| text.as_str());
        text.unwrap_or_else(|| missing(&reply)).to_owned()
    }
}

#[expect(clippy::panic, reason = "a test stops at the first surprise")]
fn missing(reply: &crate::cli::http::Reply) -> ! {
    panic!("no text: {reply:?}")
}

#[test]
fn no_server_outlives_a_gateway_that_is_killed() {
    let scene = Scene::new();
    let serving = scene.home.serve_quietly();
    let facts: serde_json::Value = serde_json::from_str(&scene.call(&serving, "facts")).unwrap();
    // It will not notice that its input has ended.
    assert_eq!(scene.call(&serving, "deaf"), "deaf");
    assert!(is_alive(&facts["pid"]));
    serving.signal("KILL");
    serving.wait();
    eventually("the end of the server", || (!is_alive(&facts["pid"])).then_some(()));
}

#[test]
fn what_a_server_says_on_standard_error_is_logged_without_its_secrets() {
    let scene = Scene::new();
    let serving = scene.home.serve_quietly();
    assert_eq!(scene.call(&serving, "leak"), "leaked");
    let (code, log) = serving.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("my token is [TOKEN]"), "{log}");
    assert!(!log.contains("s3cr3t-value") && !log.contains('\u{1b}'), "{log}");
}
