//! The attacks `AUD-*` of attack-cases.jsonl, each by its number.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod copies;
mod crash;
mod disk;
mod independence;
mod liar;
mod long;
mod order;
mod oversized;
mod receipts;
mod retention;
mod rollback;
mod streams;
mod trace;
pub(crate) mod witness;

use std::fs;

use serde_json::{Value, json};
use yett::protocol::encode_header;

use crate::support::gateway::Gateway;
use crate::support::server::Upstream;
use crate::support::token::Issuer;

/// What a forger would like to see as a line of its own.
const FORGED: &str = "x\n{\"v\":1,\"i\":99,\"kind\":\"call.decision\",\"dec\":{\"effect\":\"allow\"}}\n";

/// The segment's lines, as any tool would split them.
fn lines(gateway: &Gateway) -> Vec<String> {
    let text = fs::read_to_string(gateway.data().join("audit/test.localhost/r1/seg/0000000000000.jsonl")).unwrap();
    // Behind the lines is room for more.
    text.trim_end_matches('\0').lines().map(str::to_owned).collect()
}

/// Exactly one line has come, and it is one object that the log itself has written.
fn assert_one_more(gateway: &Gateway, before: &[String], what: &str) -> Value {
    let after = lines(gateway);
    assert_eq!(after.len(), before.len() + 1, "{what}: {:?}", &after[before.len()..]);
    let record: Value = serde_json::from_str(&after[before.len()]).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(record["i"], before.len(), "{what}: {record}");
    assert_eq!(record["dec"]["effect"], "deny", "{what}: {record}");
    assert!(!after[before.len()].contains("\\n{") && !after[before.len()].contains("\"i\":99"), "{what}: {record}");
    record
}

#[tokio::test]
async fn aud_037_a_tool_name_with_a_line_break_makes_one_line() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    for client in [gateway.modern("crm", &key), gateway.legacy("crm", &key).await] {
        let seen = crm.count();
        for name in [FORGED, "x\n{\"v\":1,\"i\":99}", "x\r\n{}", "x\u{2028}\n{}", "\n"] {
            let before = lines(&gateway);
            let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": name, "arguments": {} }));
            let answer = client.post(&message).header("Mcp-Name", &encode_header(name)).send().await;
            assert_eq!((answer.status, answer.code()), (400, Some(-32600)), "by the grammar of names: {answer:?}");
            let record = assert_one_more(&gateway, &before, name);
            assert_eq!(record["call"], answer.call(), "{record}");
        }
        assert_eq!(crm.count(), seen, "it reached the server");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn aud_037_no_other_text_of_a_caller_makes_a_line_either() {
    let crm = Upstream::start().await;
    let corp = Issuer::new("corp");
    let gateway = Gateway::start().servers([("crm", &crm)]).issuer(&corp).await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = gateway.modern("crm", &key);

    let before = lines(&gateway);
    let method = ada.message(Some(&json!(1)), FORGED, json!({}));
    let answer = ada.post_bytes(&ada.message(Some(&json!(1)), "ping", json!({})), method.to_string()).send().await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_one_more(&gateway, &before, "a method");

    let before = lines(&gateway);
    let token = corp.token(&gateway, "crm", FORGED, &["nobody"]).claim("client_id", FORGED).claim("tid", FORGED).signed();
    let answer = gateway.modern("crm", &token).call("echo", json!({})).await;
    assert!([401, 404].contains(&answer.status), "{answer:?}");
    let after = lines(&gateway);
    assert_eq!(after.len(), before.len() + 1, "{:?}", &after[before.len()..]);
    let record: Value = serde_json::from_str(&after[before.len()]).unwrap();
    assert_eq!((&record["i"], &record["dec"]["effect"]), (&json!(before.len()), &json!("deny")), "{record}");

    let before = lines(&gateway);
    let uri = "file:///x\n{\"v\":1,\"i\":99}";
    let read = ada.message(Some(&json!(1)), "resources/read", json!({ "uri": uri }));
    let answer = ada.post(&read).header("Mcp-Name", &encode_header(uri)).send().await;
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_one_more(&gateway, &before, "a URI");
    assert_eq!(crm.count(), 0);
    gateway.stop_and_verify().await;
}
