//! A server that asks something of the client's user. Nobody can be granted that yet, so no question gets through in either era.

use super::client::{TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN};
use super::gateway::Gateway;
use super::transparent::ALLOW_EVERYTHING;
use super::upstream::Upstream;

#[test]
fn a_servers_question_does_not_reach_the_user() {
    let upstream = Upstream::fixture();
    let gateway = Gateway::start(&upstream, ALLOW_EVERYTHING);
    let arguments = ["--tool", "ask", "--answer"];
    for client in [TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN] {
        let directly = &client.walk(&upstream.url, None, "call", &arguments)[1];
        assert_eq!(directly["asked"][0], "Type your password to go on.", "{client}, directly: {directly:#}");
        let through = &client.walk(&gateway.url, Some(&gateway.key), "call", &arguments)[1];
        assert!(through["asked"].is_null(), "{client}: the user was asked: {through:#}");
        let failed = through["ok"] == false || through["result"]["isError"] == true;
        assert!(failed, "{client}: expected the call to fail for want of an answer, got {through:#}");
    }
}
