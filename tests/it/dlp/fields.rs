//! Rules for some fields: what stands in them, what does not, and what nobody can say it of.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{CARD, SECRET, SSN, Stage, assert_blocked, assert_withheld, policy};
use crate::support::client::{Client, Events, meta};
use crate::support::gateway::Gateway;
use crate::support::reply::{Reply, Step, tool_result};
use crate::support::server::Upstream;

const OTHER_CARD: &str = "5555 5555 5555 4444";

/// What a server gets of these arguments.
async fn sent(stage: &Stage, arguments: Value) -> Value {
    let answer = stage.ada.call("echo", arguments).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    stage.heard()
}

/// What a caller gets of a result that says `text` and has this structured content.
async fn told(stage: &Stage, text: &str, structured: &Value) -> Value {
    let mut result = tool_result(text);
    result["structuredContent"] = structured.clone();
    stage.crm.on_tool("echo", Reply::result(&result));
    stage.says("go").await.result()
}

#[tokio::test]
async fn a_rule_acts_on_its_fields_and_on_what_lies_in_them() {
    let rules = ["name: ids, detect: [us_ssn], fields: [customer.ssn, rows.*.notes, '**.deep', \"a['b.c']\"], action: mask"];
    let stage = Stage::with(&rules).await;
    for (arguments, heard) in [
        (json!({ "customer": { "ssn": SSN } }), json!({ "customer": { "ssn": "[us_ssn]" } })),
        (json!({ "customer": { "ssn": { "work": [SSN] } } }), json!({ "customer": { "ssn": { "work": ["[us_ssn]"] } } })),
        (json!({ "customer": { "ssn": { SSN: 1 } } }), json!({ "customer": { "ssn": { "[us_ssn]": 1 } } })),
        (json!({ "CUSTOMER": { "Ssn": SSN } }), json!({ "CUSTOMER": { "Ssn": "[us_ssn]" } })),
        (json!({ "rows": [{ "notes": SSN }] }), json!({ "rows": [{ "notes": "[us_ssn]" }] })),
        (json!({ "x": [[{ "deep": SSN }]] }), json!({ "x": [[{ "deep": "[us_ssn]" }]] })),
        (json!({ "a": { "b.c": SSN } }), json!({ "a": { "b.c": "[us_ssn]" } })),
        (json!({ "customer": { "note": SSN } }), json!({ "customer": { "note": SSN } })),
        (json!({ "rows": { "notes": SSN }, "ssn": SSN }), json!({ "rows": { "notes": SSN }, "ssn": SSN })),
        (json!({ "a": { "b": { "c": SSN } }, SSN: "customer" }), json!({ "a": { "b": { "c": SSN } }, SSN: "customer" })),
    ] {
        assert_eq!(sent(&stage, arguments.clone()).await, heard, "{arguments}");
    }
    stage.ends().await;
}

#[tokio::test]
async fn what_says_the_same_elsewhere_in_the_message_is_a_copy_and_anything_else_stays() {
    let rules = ["name: cards, detect: [card], fields: [structuredContent.rows.*.card], action: mask"];
    let stage = Stage::with(&rules).await;
    let structured =
        json!({ "rows": [{ "card": CARD, "order": OTHER_CARD }, { "card": 4_111_111_111_111_111_u64 }], "test": OTHER_CARD });
    let result = told(&stage, &format!("{structured} and 4111-1111-1111-1111"), &structured).await;
    let masked = json!({ "rows": [{ "card": "[card]", "order": OTHER_CARD }, { "card": "[card]" }], "test": OTHER_CARD });
    assert_eq!(result["structuredContent"], masked);
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    assert!(text.contains("[card]") && text.contains(OTHER_CARD) && !text.contains("4111"), "{text}");

    // Written in another way: nobody can say that it is something else.
    let escaped = "4111&#32;1111&#32;1111&#32;1111";
    let result = told(&stage, escaped, &structured).await;
    assert_eq!(result["content"][0]["text"], "[card]");
    let result = told(&stage, escaped, &json!({ "rows": [] })).await;
    assert_eq!(result["content"][0]["text"], escaped, "it is in none of the rule's fields");
    let encoded = STANDARD.encode(format!("{CARD} or {OTHER_CARD}"));
    let result = told(&stage, &encoded, &structured).await;
    assert_eq!(result["content"][0]["text"], STANDARD.encode(format!("[card] or {OTHER_CARD}")));
    stage.ends().await;
}

#[tokio::test]
async fn paths_go_on_in_a_text_that_is_json() {
    let rules = ["name: cards, detect: [card], fields: ['**.card', 'content.*.text.list'], action: mask"];
    let stage = Stage::with(&rules).await;
    for (text, shown) in [
        (
            json!({ "rows": [{ "card": CARD, "order": OTHER_CARD }] }).to_string(),
            json!({ "rows": [{ "card": "[card]", "order": OTHER_CARD }] }).to_string(),
        ),
        (
            json!({ "list": [CARD], "other": OTHER_CARD }).to_string(),
            json!({ "list": ["[card]"], "other": OTHER_CARD }).to_string(),
        ),
        (format!("paid with {CARD}"), format!("paid with {CARD}")),
        // What is no JSON after all may be read as some.
        (format!("{{\"order\":\"{CARD}\"}} {{}}"), "{\"order\":\"[card]\"} {}".to_owned()),
        (STANDARD.encode(format!("{{\"order\":\"{CARD}\"}}")), STANDARD.encode("{\"order\":\"[card]\"}")),
        (STANDARD.encode(format!("paid with {CARD}")), STANDARD.encode(format!("paid with {CARD}"))),
    ] {
        stage.crm.on_tool("echo", Reply::text(&text));
        assert_eq!(stage.says("go").await.text(), shown, "{text}");
    }
    let arguments = json!({ "filter": json!({ "card": CARD, "order": OTHER_CARD }).to_string() });
    let heard = json!({ "filter": json!({ "card": "[card]", "order": OTHER_CARD }).to_string() });
    assert_eq!(sent(&stage, arguments).await, heard);
    stage.ends().await;
}

#[tokio::test]
async fn every_action_holds_in_its_fields_only() {
    let rules = [
        "name: tokens, detect: [card], fields: [card], action: tokenize",
        "name: hashes, detect: [us_ssn], fields: [ssn], action: hash",
        "name: none, detect: [secrets], fields: [key], action: block",
        "name: shown, detect: [email], fields: [mail], action: partial",
        "name: tried, detect: [card, email], fields: [try], action: block, mode: shadow",
        "name: seen, detect: [card], action: log",
    ];
    let stage = Stage::with(&rules).await;
    let all = json!({ "x": [CARD, SSN, SECRET, "ada@corp.example"] });
    assert_eq!(sent(&stage, all.clone()).await, all);
    let heard =
        sent(&stage, json!({ "card": CARD, "ssn": SSN, "mail": "ada@corp.example", "x": [OTHER_CARD, "bob@corp.example"] }))
            .await;
    let of = |key: &str| heard[key].as_str().unwrap_or_default().to_owned();
    assert!(of("card").starts_with("5610") && of("ssn").starts_with("[us_ssn #"), "{heard}");
    assert_eq!((of("mail").as_str(), &heard["x"]), ("[email *@corp.example]", &json!([OTHER_CARD, "bob@corp.example"])));
    assert_blocked(&stage.ada.call("echo", json!({ "key": SECRET })).await);
    let answer = stage.ada.call("echo", json!({ "try": OTHER_CARD, "x": "ada@corp.example" })).await;
    let mut findings = stage.findings(&answer);
    findings.sort_unstable();
    assert_eq!(findings, ["seen log request", "tried shadow request"]);
    stage.ends().await;
}

#[tokio::test]
async fn a_rule_acts_where_nobody_can_say_in_which_field_something_stands() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], fields: [customer.ssn], action: mask"]).await;
    let call = stage.ada.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    assert_blocked(&stage.ada.post(&call).header("Mcp-Param-Region", SSN).send().await);
    let call = stage.ada.message(Some(&json!(SSN)), "tools/call", json!({ "name": "echo", "arguments": {} }));
    assert_blocked(&stage.ada.post(&call).send().await);
    assert_eq!(stage.crm.count(), 0);
    let error = format!(r#"{{"code":-32000,"message":"no {SSN}","data":{{"who":"{SSN}"}}}}"#);
    stage.crm.on_tool("echo", Reply::body("application/json", format!(r#"{{"jsonrpc":"2.0","id":{{id}},"error":{error}}}"#)));
    let answer = stage.says("hello").await;
    assert_eq!(answer.json()["error"], json!({ "code": -32000, "message": "no [us_ssn]", "data": { "who": "[us_ssn]" } }));
    stage.ends().await;
}

#[tokio::test]
async fn a_header_that_repeats_an_argument_is_its_field() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], fields: [customer], action: mask"]).await;
    for (argument, shown) in [("customer", "[us_ssn]"), ("region", SSN)] {
        let call = stage.ada.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": { argument: SSN } }));
        let answer = stage.ada.post(&call).header("Mcp-Param-Which", SSN).send().await;
        assert_eq!(answer.text(), "echo was called", "{answer:?}");
        assert_eq!(stage.heard()[argument], shown);
        assert_eq!(
            stage.crm.calls().last().and_then(|call| call.header("mcp-param-which").map(str::to_owned)).as_deref(),
            Some(shown)
        );
    }
    stage.ends().await;
}

#[tokio::test]
async fn paths_begin_at_the_arguments_or_the_result_and_else_at_the_parameters() {
    let rules = [
        "name: who, detect: [us_ssn], fields: [who, contents.*.text, messages.*.content, argument.value, _meta.note], action: mask",
    ];
    let stage = Stage::with(&rules).await;
    let complete = |mut result: Value| {
        result["resultType"] = "complete".into();
        Reply::result(&result)
    };
    let contents = json!([{ "uri": "file:///a", "text": SSN, "_meta": { "of": SSN, "card": CARD } }]);
    stage.crm.on_method("resources/read", complete(json!({ "contents": contents })));
    let read = stage.ada.request("resources/read", json!({ "uri": "file:///a" })).await;
    assert_eq!(read.result()["contents"][0]["text"], "[us_ssn]");

    let message = json!({ "role": "user", "content": { "type": "text", "text": SSN } });
    stage.crm.on_method("prompts/get", complete(json!({ "description": "536-22-9999", "messages": [message] })));
    let got = stage.ada.request("prompts/get", json!({ "name": "p", "arguments": { "who": SSN, "x": "536-22-9999" } })).await;
    assert_eq!(got.result()["messages"][0]["content"]["text"], "[us_ssn]");
    assert_eq!(got.result()["description"], "536-22-9999");
    let heard = stage.crm.wait_for("prompts/get").await.json()["params"]["arguments"].clone();
    assert_eq!(heard, json!({ "who": "[us_ssn]", "x": "536-22-9999" }));

    let mut noted = meta();
    noted["note"] = json!(SSN);
    stage.ada.request("tools/call", json!({ "name": "echo", "arguments": { "y": "536-22-9999" }, "_meta": noted })).await;
    let arrived = stage.crm.calls().last().map(|call| call.json()["params"].clone()).unwrap_or_default();
    assert_eq!((&arrived["_meta"]["note"], &arrived["arguments"]), (&json!("[us_ssn]"), &json!({ "y": "536-22-9999" })));
    stage.ends().await;
}

#[tokio::test]
async fn an_argument_that_is_being_completed_is_the_field_of_its_name() {
    let stage = Stage::with(&["name: who, detect: [us_ssn], fields: [who], action: mask"]).await;
    stage.crm.on_method(
        "completion/complete",
        Reply::result(&json!({ "resultType": "complete", "completion": { "values": [], "total": 0, "hasMore": false } })),
    );
    for (name, shown) in [("who", "[us_ssn]"), ("what", SSN)] {
        let argument = json!({ "name": name, "value": SSN });
        let context = json!({ "arguments": { "who": "536-22-9999", "x": "536-22-8888" } });
        let params = json!({ "ref": { "type": "ref/prompt", "name": "p" }, "argument": argument, "context": context });
        let answer = stage.ada.request("completion/complete", params).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let arrived = stage.crm.arrived().into_iter().rfind(|request| request.rpc_method() == "completion/complete");
        let params = arrived.map(|request| request.json()["params"].clone()).unwrap_or_default();
        assert_eq!(params["argument"]["value"], shown, "{params}");
        assert_eq!(params["context"]["arguments"], json!({ "who": "[us_ssn]", "x": "536-22-8888" }));
    }
    stage.ends().await;
}

fn log(data: &Value) -> Step {
    Step::message(&json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": data } }))
}

async fn streamed(stage: &Stage, steps: impl IntoIterator<Item = Step>) -> Vec<Value> {
    stage.crm.on_tool("echo", Reply::stream(steps));
    let events: Events = stage.ada.stream("tools/call", json!({ "name": "echo", "arguments": {}, "_meta": meta() })).await;
    let data = |message: &Value| message["params"].get("data").cloned();
    events.rest().await.iter().filter_map(data).collect()
}

#[tokio::test]
async fn what_goes_on_from_message_to_message_stands_in_the_field_of_either() {
    let halves = [log(&json!("card 4111 1111 ")), log(&json!("1111 1111 end.")), Step::text("ready.")];
    let stage = Stage::with(&["name: cards, detect: [card], fields: [data], action: mask"]).await;
    assert_eq!(streamed(&stage, halves.clone()).await, [json!("card [card]"), json!(" end.")]);
    assert_eq!(streamed(&stage, [log(&json!({ "a": CARD })), Step::text("ready.")]).await, [json!({ "a": "[card]" })]);
    stage.ends().await;
    let stage = Stage::with(&["name: cards, detect: [card], fields: [data.card, structuredContent], action: mask"]).await;
    assert_eq!(streamed(&stage, halves).await, [json!("card 4111 1111 "), json!("1111 1111 end.")]);
    let data = json!({ "card": CARD, "order": OTHER_CARD });
    assert_eq!(streamed(&stage, [log(&data), Step::text("ready.")]).await, [json!({ "card": "[card]", "order": OTHER_CARD })]);
    stage.ends().await;
}

#[tokio::test]
async fn a_value_over_two_blocks_is_in_the_field_of_either() {
    let block = |text: &str| json!({ "type": "text", "text": text });
    let result = json!({ "content": [block("card: 4111 11"), block("11 1111 1111, thanks")], "structuredContent": { "n": 1 },
        "isError": false, "resultType": "complete" });
    for (fields, shown) in
        [("content.*.text", ["card: [card]", ", thanks"]), ("structuredContent.card", ["card: 4111 11", "11 1111 1111, thanks"])]
    {
        let stage = Stage::with(&[&format!("name: cards, detect: [card], fields: ['{fields}'], action: mask")]).await;
        stage.crm.on_tool("echo", Reply::result(&result));
        let answer = stage.says("go").await.result();
        let texts = [&answer["content"][0]["text"], &answer["content"][1]["text"]];
        assert_eq!(texts, shown, "{fields}");
        stage.ends().await;
    }
}

#[tokio::test]
async fn what_a_server_asks_and_what_it_is_answered_have_fields() {
    let rules = "dlp:\n  rules:\n    - { name: ids, detect: [us_ssn], fields: [inputRequests.*.params.message, inputResponses.*.content.ssn], action: mask }\n";
    let grants = policy(rules).replace("resources:", "server_requests: [elicitation], resources:");
    let crm = Upstream::start().await;
    let gateway = Gateway::start().policy(&grants).servers([("crm", &crm)]).await;
    let ada: Client = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let schema = json!({ "type": "object", "properties": { "note": { "type": "string", "description": "not 536-22-9999" } } });
    let form =
        json!({ "method": "elicitation/create", "params": { "message": format!("Is it {SSN}?"), "requestedSchema": schema } });
    crm.on_tool(
        "ask",
        Reply::result(&json!({ "resultType": "input_required", "inputRequests": { "q": form }, "requestState": "s" })),
    );
    let mut declared = meta();
    declared["io.modelcontextprotocol/clientCapabilities"] = json!({ "elicitation": {} });
    let params = json!({ "name": "ask", "arguments": {}, "_meta": declared });
    let asked = ada.request("tools/call", params.clone()).await.result();
    let question = &asked["inputRequests"]["q"]["params"];
    assert_eq!((&question["message"], &question["requestedSchema"]), (&json!("Is it [us_ssn]?"), &schema));

    crm.on_tool("ask", Reply::text("thanks"));
    let mut params = params;
    params["requestState"] = asked["requestState"].clone();
    params["inputResponses"] = json!({ "q": { "action": "accept", "content": { "ssn": SSN, "note": "536-22-9999" } } });
    assert_eq!(ada.request("tools/call", params).await.text(), "thanks");
    let arrived = crm.calls().last().map(|call| call.json()["params"]["inputResponses"]["q"]["content"].clone());
    assert_eq!(arrived, Some(json!({ "ssn": "[us_ssn]", "note": "536-22-9999" })));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_blocked_field_withholds_the_result_and_another_does_not() {
    let stage = Stage::with(&["name: ids, detect: [us_ssn], fields: [structuredContent.ssn], action: block"]).await;
    assert_eq!(told(&stage, SSN, &json!({ "note": SSN })).await["structuredContent"], json!({ "note": SSN }));
    let mut result = tool_result("x");
    result["structuredContent"] = json!({ "ssn": [SSN] });
    stage.crm.on_tool("echo", Reply::result(&result));
    assert_withheld(&stage.says("go").await);
    stage.ends().await;
}

#[tokio::test]
async fn many_findings_in_many_fields_take_no_longer_than_they_are_many() {
    let rules =
        ["name: cards, detect: [card], fields: ['**.a.**.b.**.card', '*.*.*.card', structuredContent.rows.*.card], action: mask"];
    let stage = Stage::with(&rules).await;
    let rows: Vec<_> = (0..4_000).map(|_| json!({ "card": CARD, "x": OTHER_CARD })).collect();
    let structured = json!({ "rows": rows });
    let result = told(&stage, &structured.to_string(), &structured).await;
    let shown = result.to_string();
    assert_eq!((shown.matches("[card]").count(), shown.matches(CARD).count()), (8_000, 0));
    assert_eq!(shown.matches(OTHER_CARD).count(), 8_000);
    stage.ends().await;
}
