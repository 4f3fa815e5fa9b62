//! Data loss prevention through the gateway: what the server receives, what the caller receives, and what the record says.

#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod actions;
mod bytes;
mod clearance;
mod fields;
mod own_rows;
mod positions;
mod split;
mod unread;

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::reply::{Gate, Reply, Step, tool_result};
use crate::support::server::{Upstream, described_tool};

const SSN: &str = "536-22-1234";
const CARD: &str = "4111 1111 1111 1111";
const SECRET: &str = "AKIAIOSFODNN7EXAMPLE";

/// Everybody of `staff` may do everything; `rules` say what is sensitive.
fn policy(rules: &str) -> String {
    format!(
        "version: 1
roles:
  all: {{ allow: [{{ servers: [\"*\"], tools: [\"*\"], prompts: [\"*\"], resources: [\"file:///**\"] }}] }}
bindings:
  - {{ role: all, groups: [staff] }}
{rules}"
    )
}

/// The same with these rules, one a line.
fn ruled(rules: &[&str]) -> String {
    let rules: Vec<_> = rules.iter().map(|rule| format!("    - {{ {rule} }}")).collect();
    policy(&format!("dlp:\n  rules:\n{}\n", rules.join("\n")))
}

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    ada: Client,
}

impl Stage {
    /// With these DLP rules, one a line.
    async fn with(rules: &[&str]) -> Self {
        Self::of(&ruled(rules)).await
    }

    async fn of(policy: &str) -> Self {
        let crm = Upstream::start().await;
        let gateway = Gateway::start().policy(policy).servers([("crm", &crm)]).await;
        let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
        Self { gateway, crm, ada }
    }

    async fn says(&self, text: &str) -> Answer {
        self.ada.call("echo", json!({ "text": text })).await
    }

    /// The arguments of the last call that the server got.
    fn heard(&self) -> Value {
        self.crm.calls().last().unwrap_or_else(|| panic!("the server got no call")).json()["params"]["arguments"].clone()
    }

    /// `rule action side` of every finding of a call.
    fn findings(&self, answer: &Answer) -> Vec<String> {
        let word = |found: &Value, key: &str| found[key].as_str().unwrap_or("-").to_owned();
        let records = self.gateway.records_of(&answer.call());
        let lists = records.iter().flat_map(|record| [&record["dec"]["findings"], &record["out"]["findings"]]);
        lists
            .filter_map(Value::as_array)
            .flatten()
            .map(|found| format!("{} {} {}", word(found, "rule"), word(found, "action"), word(found, "side")))
            .collect()
    }

    /// Nothing that was found stands in anything that the gateway keeps.
    async fn ends(self) {
        let folder = self.gateway.stop_and_verify().await;
        let text: String = folder.records(&yett::audit::Filter::default()).iter().map(Value::to_string).collect();
        for found in [SSN, CARD, SECRET, "4111111111111111"] {
            assert!(!text.contains(found), "`{found}` is in the log");
        }
    }
}

fn assert_blocked(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (200, Some(-31422)), "{answer:?}");
    let data = &answer.json()["error"]["data"];
    assert_eq!(data, &json!({ "category": "sensitive_data", "call": answer.call() }), "no more than this is told");
}

/// A call that happened, and whose result its caller does not get.
fn assert_withheld(answer: &Answer) {
    let result = answer.messages().pop().unwrap_or_default()["result"].clone();
    assert_eq!((answer.status, &result["isError"]), (200, &json!(true)), "{answer:?}");
    assert_eq!(result["content"][0]["text"], "The tool ran, but its result was withheld by policy.");
    let text = String::from_utf8_lossy(&answer.body);
    assert!(!text.contains(SSN) && !text.contains("ssn"), "the refusal tells what it hides: {text}");
}

#[tokio::test]
async fn mask_puts_a_placeholder_in_both_directions() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn, card], action: mask"]).await;
    stage.crm.on_tool("echo", Reply::text(&format!("SSN {SSN}, card {CARD}, all else stays")));
    let answer = stage.says(&format!("find {SSN} or {CARD}")).await;
    assert_eq!(stage.heard(), json!({ "text": "find [us_ssn] or [card]" }));
    assert_eq!(answer.text(), "SSN [us_ssn], card [card], all else stays");
    let mut findings = stage.findings(&answer);
    findings.sort_unstable();
    findings.dedup();
    assert_eq!(findings, ["ids mask request", "ids mask response"]);
    let records = stage.gateway.records_of(&answer.call());
    assert_eq!((&records[0]["dec"]["edits"], &records[1]["out"]["edits"]), (&json!(2), &json!(2)), "{records:#?}");
    stage.ends().await;
}

#[tokio::test]
async fn block_stops_a_request_before_the_server() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], action: block"]).await;
    for arguments in [json!({ "text": SSN }), json!({ "a": [{ "b": SSN }] }), json!({ (SSN): 1 })] {
        let answer = stage.ada.call("echo", arguments).await;
        assert_blocked(&answer);
        let records = stage.gateway.records_of(&answer.call());
        assert_eq!(records.len(), 1, "{records:#?}");
        assert_eq!((&records[0]["dec"]["effect"], &records[0]["dec"]["reason"]), (&json!("deny"), &json!("blocked")));
        assert_eq!(stage.findings(&answer), ["ids block request"]);
    }
    let meta = stage.ada.request("tools/list", json!({ "note": SSN })).await;
    assert_blocked(&meta);
    assert_eq!(stage.crm.count(), 0, "a block request reached the server");
    stage.ends().await;
}

#[tokio::test]
async fn block_withholds_a_result_after_the_call() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], direction: [response], action: block"]).await;
    stage.crm.on_tool("echo", Reply::text(&format!("SSN {SSN}")));
    let answer = stage.says("hello").await;
    assert_withheld(&answer);
    assert_eq!(answer.result()["resultType"], "complete", "{answer:?}");
    assert_eq!(answer.result()["_meta"]["io.yett/call"], answer.call(), "{answer:?}");
    let records = stage.gateway.records_of(&answer.call());
    assert_eq!(records.len(), 2, "the call happened, and is on record: {records:#?}");
    assert_eq!((&records[0]["dec"]["effect"], &records[1]["out"]["status"]), (&json!("allow"), &json!("result_blocked")));
    assert_eq!(stage.findings(&answer), ["ids block response"]);

    let legacy = stage.gateway.legacy("crm", &stage.gateway.key("bob", &["staff"]).await).await;
    let older = legacy.call("echo", json!({})).await;
    assert_withheld(&older);
    assert_eq!(older.result().get("resultType"), None, "older revisions have no resultType");
    // The request side is free.
    assert_eq!(stage.ada.call("search", json!({ "q": SSN })).await.text(), "search was called");
    stage.ends().await;
}

#[tokio::test]
async fn what_is_no_tool_result_is_withheld_as_an_error() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], direction: [response], action: block"]).await;
    let text = format!("SSN {SSN}");
    let complete = |mut result: Value| {
        result["resultType"] = "complete".into();
        Reply::result(&result)
    };
    let uri = "file:///a";
    stage.crm.on_method("resources/read", complete(json!({ "contents": [{ "uri": uri, "text": text }] })));
    stage.crm.on_method(
        "prompts/get",
        complete(json!({ "messages": [{ "role": "user", "content": { "type": "text", "text": text } }] })),
    );
    stage.crm.on_method("tools/list", complete(json!({ "tools": [described_tool("a", &text)] })));
    let requests =
        [("resources/read", json!({ "uri": uri })), ("prompts/get", json!({ "name": "p" })), ("tools/list", json!({}))];
    for (method, params) in requests {
        let answer = stage.ada.request(method, params).await;
        assert_blocked(&answer);
        assert_eq!(stage.gateway.records_of(&answer.call())[1]["out"]["status"], "result_blocked", "{method}");
    }
    stage.ends().await;
}

#[tokio::test]
async fn log_changes_nothing_and_is_on_record() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], action: log"]).await;
    let text = format!("SSN {SSN}");
    stage.crm.on_tool("echo", Reply::text(&text));
    let answer = stage.says(&text).await;
    assert_eq!((stage.heard(), answer.text()), (json!({ "text": text }), text));
    assert_eq!(stage.findings(&answer), ["ids log request", "ids log response"]);
    stage.ends().await;
}

#[tokio::test]
async fn a_rule_in_shadow_mode_decides_nothing_and_is_on_record() {
    let rules = [
        "name: strict, detect: [us_ssn], action: block, mode: shadow",
        "name: mild, detect: [card], action: mask, mode: shadow",
        "name: real, detect: [card], direction: [response], action: mask",
    ];
    let stage = Stage::with(&rules).await;
    let text = format!("SSN {SSN} card {CARD}");
    stage.crm.on_tool("echo", Reply::text(&text));
    let answer = stage.says(&text).await;
    assert_eq!(stage.heard(), json!({ "text": text }));
    assert_eq!(answer.text(), format!("SSN {SSN} card [card]"));
    let mut findings = stage.findings(&answer);
    findings.sort_unstable();
    let expected =
        ["mild shadow request", "mild shadow response", "real mask response", "strict shadow request", "strict shadow response"];
    assert_eq!(findings, expected);
    stage.ends().await;
}

#[tokio::test]
async fn of_two_rules_the_stricter_one_acts() {
    let rules = [
        "name: seen, detect: [us_ssn], action: log",
        "name: gone, detect: [us_ssn], action: block",
        "name: hidden, detect: [us_ssn], action: mask",
    ];
    let stage = Stage::with(&rules).await;
    assert_blocked(&stage.says(SSN).await);
    assert_eq!(stage.crm.count(), 0);
    stage.ends().await;
}

#[tokio::test]
async fn without_rules_of_ones_own_secrets_are_blocked_in_requests_and_masked_in_replies() {
    let stage = Stage::of(&policy("")).await;
    let blocked = stage.says(&format!("use {SECRET}")).await;
    assert_blocked(&blocked);
    assert_eq!(stage.findings(&blocked), ["default-secrets block request"]);
    assert_eq!(stage.crm.count(), 0);
    stage.crm.on_tool("echo", Reply::text(&format!("key {SECRET}, SSN {SSN}, card {CARD}")));
    let answer = stage.says(&format!("{SSN} and {CARD}")).await;
    assert_eq!(stage.heard()["text"], format!("{SSN} and {CARD}"), "nothing else is looked for");
    assert_eq!(answer.text(), format!("key [secret], SSN {SSN}, card {CARD}"));
    assert_eq!(stage.findings(&answer), ["default-secrets mask response"]);
    stage.ends().await;
}

#[tokio::test]
async fn a_rule_holds_for_its_direction_and_its_servers() {
    let rules = [
        "name: out, detect: [us_ssn], direction: [request], action: mask",
        "name: back, detect: [card], direction: [response], action: mask",
        "name: elsewhere, detect: [email], servers: [mail], action: mask",
    ];
    let (crm, mail) = (Upstream::start().await, Upstream::start().await);
    let gateway = Gateway::start().policy(&ruled(&rules)).servers([("crm", &crm), ("mail", &mail)]).await;
    let key = gateway.key("ada", &["staff"]).await;
    let text = format!("{SSN} {CARD} bob@corp.example.com");
    for (server, upstream, address) in [("crm", &crm, "bob@corp.example.com"), ("mail", &mail, "[email]")] {
        upstream.on_tool("echo", Reply::text(&text));
        let answer = gateway.modern(server, &key).call("echo", json!({ "text": text })).await;
        let heard = upstream.calls()[0].json()["params"]["arguments"]["text"].clone();
        assert_eq!(heard, format!("[us_ssn] {CARD} {address}"), "{server}");
        assert_eq!(answer.text(), format!("{SSN} [card] {address}"), "{server}");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_says_where_a_request_goes_is_blocked_and_not_masked() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn, secrets], action: mask"]).await;
    let name = format!("get_{SECRET}");
    assert_blocked(&stage.ada.call(&name, json!({})).await);
    assert_blocked(&stage.ada.request("resources/read", json!({ "uri": format!("file:///{SSN}/x") })).await);
    assert_blocked(&stage.ada.request("tools/list", json!({ "cursor": SSN })).await);
    let call = stage.ada.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    for value in [SSN.to_owned(), yett::protocol::encode_header(&format!("\u{e9} {SSN}"))] {
        assert_blocked(&stage.ada.post(&call).header("Mcp-Param-Region", &value).send().await);
    }
    assert_eq!(stage.crm.count(), 0);
    let clean = stage.ada.post(&call).header("Mcp-Param-Region", "eu").send().await;
    assert_eq!(clean.text(), "echo was called");
    assert_eq!(stage.crm.calls()[0].header("mcp-param-region"), Some("eu"));
    stage.ends().await;
}

#[tokio::test]
async fn a_block_in_the_middle_of_a_stream_ends_it() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], action: block"]).await;
    let note =
        |text: &str| json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": text } });
    let never = Gate::default();
    let steps = [Step::message(&note("fine")), Step::message(&note(SSN)), Step::Wait(never), Step::text("late")];
    stage.crm.on_tool("echo", Reply::stream(steps));
    let answer = stage.says("hello").await;
    let messages = answer.messages();
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!((&messages[0], &messages[1]["id"]), (&note("fine"), &json!(1)));
    assert_withheld(&answer);
    stage.ends().await;
}

#[tokio::test]
async fn structured_content_and_its_text_are_both_masked() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], action: mask"]).await;
    let mut result = tool_result(&format!("{{\"ssn\":\"{SSN}\"}}"));
    result["structuredContent"] = json!({ "ssn": SSN, "list": [{ "deep": format!("a {SSN} b") }] });
    stage.crm.on_tool("echo", Reply::result(&result));
    let answer = stage.says("hello").await;
    assert_eq!(answer.text(), "{\"ssn\":\"[us_ssn]\"}");
    assert_eq!(answer.result()["structuredContent"], json!({ "ssn": "[us_ssn]", "list": [{ "deep": "a [us_ssn] b" }] }));
    stage.ends().await;
}

#[tokio::test]
async fn an_error_of_the_server_is_masked_too() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], action: mask"]).await;
    let error = format!(r#"{{"code":-32000,"message":"no {SSN}","data":{{"who":"{SSN}","n":[1,"{SSN}"]}}}}"#);
    stage.crm.on_tool("echo", Reply::body("application/json", format!(r#"{{"jsonrpc":"2.0","id":{{id}},"error":{error}}}"#)));
    let answer = stage.says("hello").await;
    let expected = json!({ "code": -32000, "message": "no [us_ssn]", "data": { "who": "[us_ssn]", "n": [1, "[us_ssn]"] } });
    assert_eq!(answer.json()["error"], expected);
    stage.ends().await;
}
