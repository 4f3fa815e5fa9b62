//! What a caller makes as large as they can: refused by its size, and its record stays a line that anybody can read.

use serde_json::{Value, json};
use yett::audit::LINE_MAX;
use yett::protocol::encode_header;

use super::lines;
use crate::support::gateway::Gateway;
use crate::support::server::Upstream;
use crate::support::token::Issuer;

fn last(gateway: &Gateway) -> Value {
    let lines = lines(gateway);
    let line = lines.last().unwrap();
    assert!(line.len() <= LINE_MAX, "{} bytes", line.len());
    serde_json::from_str(line).unwrap()
}

#[tokio::test]
async fn aud_039_a_token_of_a_hundred_kilobytes_and_a_tool_name_of_a_megabyte_are_refused_in_records_of_16_kib() {
    let crm = Upstream::start().await;
    let corp = Issuer::new("corp");
    let gateway = Gateway::start().servers([("crm", &crm)]).issuer(&corp).await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = gateway.modern("crm", &key);

    let token = corp.token(&gateway, "crm", "eve", &["nobody"]).claim("roles", "x".repeat(100_000)).signed();
    let answer = gateway.modern("crm", &token).call("echo", json!({})).await;
    assert_eq!(answer.status, 431, "{answer:?}");
    assert_eq!(last(&gateway)["dec"]["effect"], "deny");

    let name = "x".repeat(1_000_000);
    let message = ada.message(Some(&json!(1)), "tools/call", json!({ "name": name, "arguments": {} }));
    let answer = ada.post(&message).header("Mcp-Name", &encode_header("x")).send().await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(last(&gateway)["dec"]["effect"], "deny");
    assert_eq!(crm.count(), 0, "it reached the server");
    gateway.stop_and_verify().await;
}
