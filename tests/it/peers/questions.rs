//! A server that asks something of the client's user: in neither era without a grant, and in both with one.

use super::client::{PYTHON_LEGACY, PYTHON_MODERN, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN};
use super::gateway::Gateway;
use super::transparent::ALLOW_EVERYTHING;
use super::upstream::Upstream;

const LET_ASK: &str = r"version: 1
roles:
  asked: { allow: [{ servers: [fixture], tools: [ask], server_requests: [elicitation] }] }
bindings:
  - { role: asked, groups: [agents] }
";

#[test]
fn a_question_that_is_granted_reaches_the_user_and_the_answer_the_server() {
    let upstream = Upstream::fixture();
    let gateway = Gateway::start(&upstream, LET_ASK);
    let arguments = ["--tool", "ask", "--answer"];
    for client in [PYTHON_LEGACY, PYTHON_MODERN, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN] {
        let directly = &client.walk(&upstream.url, None, "call", &arguments)[1];
        assert_eq!(directly["asked"][0], "Type a nickname to go on.", "{client}, directly: {directly:#}");
        let through = &client.walk(&gateway.url, Some(&gateway.key), "call", &arguments)[1];
        assert_eq!(through, directly, "{client}");
    }
}

#[test]
fn a_servers_question_does_not_reach_the_user_without_a_grant() {
    let upstream = Upstream::fixture();
    let gateway = Gateway::start(&upstream, ALLOW_EVERYTHING);
    let arguments = ["--tool", "ask", "--answer"];
    for client in [TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN] {
        let directly = &client.walk(&upstream.url, None, "call", &arguments)[1];
        assert_eq!(directly["asked"][0], "Type a nickname to go on.", "{client}, directly: {directly:#}");
        let through = &client.walk(&gateway.url, Some(&gateway.key), "call", &arguments)[1];
        assert!(through["asked"].is_null(), "{client}: the user was asked: {through:#}");
        let failed = through["ok"] == false || through["result"]["isError"] == true;
        assert!(failed, "{client}: expected the call to fail for want of an answer, got {through:#}");
    }
}
