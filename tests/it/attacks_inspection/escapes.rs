//! Terminal control in anything that servers say.

use serde_json::{Value, json};

use super::{ORDER, Stage, complete, strings, text};
use crate::support::http::Answer;
use crate::support::reply::{Reply, Step};
use crate::support::server::{described_tool, tool};

/// Hidden text, cursor moves, a link, the clipboard, a title; C0, C1 and DEL.
const HOSTILE: &str = "see \u{1b}[8mhidden\u{1b}[28m \u{1b}[2J\u{1b}[1;1Hhere \u{1b}]8;;https://evil.example/?d=1\u{1b}\\docs\u{1b}]8;;\u{1b}\\ \
                       \u{1b}]52;c;cm0gLXJmIC8=\u{7}\u{9d}0;title\u{9c}and\u{9b}31m red\u{0}\u{8}\u{7f}\u{84}";
const LEFT: &str = "see hidden here docs and red";
const COUNT: u64 = 13;

fn assert_clean(answer: &Answer) {
    for message in answer.messages() {
        for text in strings(&message) {
            let plain = text.replace("\r\n", "\n");
            let odd = plain.chars().any(|letter| letter.is_control() && letter != '\n' && letter != '\t');
            assert!(!odd, "{text:?} in {message:#}");
        }
    }
    let raw = String::from_utf8_lossy(&answer.body).into_owned();
    assert!(!raw.contains("evil.example") && !raw.contains("cm0gLXJmIC8"), "what a sequence held went on: {raw}");
}

#[tokio::test]
async fn mcp_035_no_control_character_reaches_the_client_in_any_reply() {
    for more in ["", "injection: { results: strip }\n", "injection: { results: log }\n", "injection: { results: block }\n"] {
        let stage = Stage::with(more).await;
        let mut result = text(HOSTILE);
        result["structuredContent"] = json!({ "page": HOSTILE, (HOSTILE): [HOSTILE], "n": 1 });
        let answer = stage.brings(result).await;
        assert_clean(&answer);
        assert_eq!(answer.text(), LEFT, "{more}");
        assert_eq!(answer.result()["structuredContent"], json!({ "page": LEFT, (LEFT): [LEFT], "n": 1 }), "{more}");
        let finding = stage.finding(&answer, "terminal-control");
        assert_eq!((&finding["action"], &finding["count"]), (&json!("strip"), &json!(4 * COUNT)), "{finding}");
        assert_eq!(stage.records(&answer)[1]["out"]["edits"], 4, "every text that was edited");

        stage.crm.on_tool("echo", Reply::error(-32000, HOSTILE));
        let failed = stage.call().await;
        assert_clean(&failed);
        assert_eq!(failed.message(), LEFT);
        let uri = "file:///a";
        stage.crm.on_method(
            "resources/read",
            complete(json!({ "contents": [{ "uri": uri, "text": HOSTILE }], "ttlMs": 0, "cacheScope": "private" })),
        );
        stage.crm.on_method("prompts/get", complete(json!({ "description": HOSTILE, "messages": [] })));
        for (method, params) in [("resources/read", json!({ "uri": uri })), ("prompts/get", json!({ "name": "p" }))] {
            let answer = stage.ada.request(method, params).await;
            assert_clean(&answer);
            assert!(String::from_utf8_lossy(&answer.body).contains(LEFT), "{answer:?}");
        }
        stage.ends().await;
    }
}

#[tokio::test]
async fn mcp_035_nor_in_definitions_handshakes_notifications_and_questions() {
    let stage = Stage::set().await;
    let mut deep = tool("deep");
    deep["inputSchema"]["properties"]["text"]["description"] = HOSTILE.into();
    stage.crm.set_tools([described_tool("add", HOSTILE), deep, tool("se\u{1b}[1march"), tool("echo")]);
    let listed = stage.ada.list_tools().await;
    assert_clean(&listed);
    assert_eq!(listed.tools(), ["add", "deep", "echo"], "by another name it would be another tool");
    assert_eq!(listed.result()["tools"][0]["description"], LEFT);
    assert_eq!(stage.finding(&listed, "terminal-control")["count"], 2 * COUNT + 1);

    let said =
        json!({ "capabilities": {}, "serverInfo": { "name": "x", "version": "1", "title": HOSTILE }, "instructions": HOSTILE });
    let mut found = said.clone();
    found["supportedVersions"] = json!(["2026-07-28"]);
    stage.crm.on_method("server/discover", complete(found));
    let discovered = stage.ada.request("server/discover", json!({})).await;
    assert_clean(&discovered);
    assert_eq!((&discovered.result()["instructions"], &discovered.result()["serverInfo"]["title"]), (&json!(LEFT), &json!(LEFT)));

    let note = |method: &str, params: Value| Step::message(&json!({ "jsonrpc": "2.0", "method": method, "params": params }));
    stage.crm.on_tool(
        "echo",
        Reply::stream([
            note("notifications/message", json!({ "level": "info", "logger": HOSTILE, "data": { (HOSTILE): HOSTILE } })),
            Step::Message(format!(
                r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{{token}},"progress":1,"message":{}}}}}"#,
                json!(HOSTILE)
            )),
            Step::text(HOSTILE),
        ]),
    );
    let mut params = json!({ "name": "echo", "arguments": {}, "_meta": crate::support::client::meta() });
    params["_meta"]["progressToken"] = json!("p");
    let streamed = stage.ada.request("tools/call", params).await;
    assert_clean(&streamed);
    let told = streamed.messages();
    assert_eq!(told.len(), 3, "{told:#?}");
    assert_eq!((&told[0]["params"]["data"], &told[1]["params"]["message"]), (&json!({ (LEFT): LEFT }), &json!(LEFT)));

    let schema = json!({ "type": "object", "properties": { "name": { "type": "string", "title": HOSTILE } } });
    let form = json!({ "message": HOSTILE, "requestedSchema": schema });
    let asked = json!({ "who": { "method": "elicitation/create", "params": form } });
    let result = json!({ "resultType": "input_required", "inputRequests": asked, "requestState": "s\u{1b}[0m" });
    stage.crm.on_tool("ask", Reply::result(&result));
    let answer = stage.ask("tools/call", json!({ "name": "ask", "arguments": {} })).await;
    assert_clean(&answer);
    assert_eq!(answer.result()["inputRequests"]["who"]["params"]["message"], LEFT, "{answer:?}");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_035_what_is_left_is_what_the_scans_judge() {
    let stage =
        Stage::with("injection: { results: block }\ndlp:\n  rules:\n    - { name: cards, detect: [card], action: mask }\n").await;
    let answer = stage.brings(text("4111 11\u{1b}[0m11 1111\u{8} 1111 is the number")).await;
    assert_eq!(answer.text(), "[card] is the number");
    let split = ORDER.replace("previous", "pre\u{1b}]0;x\u{7}vious");
    let answer = stage.brings(text(&split)).await;
    assert_eq!(answer.result()["isError"], true, "an order in two halves: {answer:?}");
    // Keys that differ by an escape alone would be equal.
    let answer = stage.brings(json!({ "content": [], "structuredContent": { "a": 1, "a\u{7}": 2 } })).await;
    assert_eq!(answer.result()["isError"], true, "{answer:?}");
    assert_eq!(stage.finding(&answer, "terminal-control")["action"], "block");
    // A client must give back as it is what says where a list goes on.
    let list = json!({ "tools": [tool("echo")], "nextCursor": "a\u{1b}[0m", "ttlMs": 0, "cacheScope": "private" });
    stage.crm.on_method("tools/list", complete(list));
    let answer = stage.ada.list_tools().await;
    assert_eq!(answer.json()["error"]["data"]["category"], "not_scanned", "{answer:?}");
    stage.ends().await;
}

#[tokio::test]
async fn mcp_035_lines_of_every_kind_stay_lines() {
    let stage = Stage::set().await;
    for (said, left) in [
        ("one\r\ntwo\tthree\n", "one\r\ntwo\tthree\n"),
        ("safe.exe\rmalware.exe", "safe.exe\nmalware.exe"),
        ("page\u{c}page\u{b}line\u{85}line", "page\npage\nline\nline"),
    ] {
        assert_eq!(stage.brings(text(said)).await.text(), left, "{said:?}");
    }
    // Untouched, byte by byte, where there is nothing to take out.
    let body = r#"{"id":{id},"jsonrpc":"2.0","result":{"content":[{"type":"text","text":"a\r\n\\u001b \u00e9 \tb é"}],"n":1.0}}"#;
    stage.crm.on_tool("echo", Reply::body("application/json", body));
    let answer = stage.call().await;
    assert_eq!(String::from_utf8_lossy(&answer.body), body.replace("{id}", "1"));
    assert_eq!(stage.findings(&answer), [Value::Null; 0]);
    stage.ends().await;
}

#[tokio::test]
async fn mcp_035_an_operator_may_only_have_it_counted_or_left_alone() {
    for (terminal, counted) in [("log", true), ("off", false)] {
        let stage = Stage::with(&format!("injection: {{ terminal: \"{terminal}\" }}\n")).await;
        let answer = stage.brings(text("\u{1b}[32mok\u{1b}[0m")).await;
        assert_eq!(answer.text(), "\u{1b}[32mok\u{1b}[0m", "{terminal}");
        let found: Vec<_> =
            stage.findings(&answer).iter().map(|finding| (finding["action"].clone(), finding["count"].clone())).collect();
        let expected = if counted { vec![(json!("log"), json!(2))] } else { Vec::new() };
        assert_eq!(found, expected, "{terminal}");
        stage.ends().await;
    }
}
