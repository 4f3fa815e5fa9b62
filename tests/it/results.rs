//! `results:`, how large the result of a tool may be, through the gateway.

#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::{Gateway, POLICY};
use crate::support::http::Answer;
use crate::support::reply::{Reply, Step, tool_result};
use crate::support::server::Upstream;

const CARD: &str = "4111 1111 1111 1111";

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    ada: Client,
}

impl Stage {
    async fn with(entries: &[&str]) -> Self {
        let list: Vec<_> = entries.iter().map(|entry| format!("  - {{ {entry} }}\n")).collect();
        let list = list.concat();
        let dlp = "dlp: { rules: [{ name: cards, detect: [card], action: mask }] }\n";
        let crm = Upstream::start().await;
        let gateway = Gateway::start().policy(&format!("{POLICY}{dlp}results:\n{list}")).servers([("crm", &crm)]).await;
        let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
        Self { gateway, crm, ada }
    }

    async fn answers(&self, result: &Value, in_stream: bool) -> Answer {
        self.crm.on_tool("echo", if in_stream { Reply::stream([Step::result(result)]) } else { Reply::result(result) });
        self.ada.call("echo", json!({})).await
    }

    /// `rule kind action` of what the limits did.
    async fn deeds(&self, answer: &Answer) -> Vec<String> {
        let outcome = self.gateway.ended(&answer.call()).await.pop().unwrap_or_default();
        let own = outcome["out"]["findings"].as_array().into_iter().flatten().filter(|found| found["layer"] == "results");
        own.map(|found| ["rule", "kind", "action"].map(|key| found[key].as_str().unwrap_or("-").to_owned()).join(" ")).collect()
    }
}

fn result_of(answer: &Answer) -> Value {
    answer.messages().pop().unwrap_or_default()["result"].clone()
}

#[tokio::test]
async fn a_result_that_is_too_large_is_refused_in_words_that_help_and_a_smaller_one_passes() {
    let stage = Stage::with(&["name: small, tools: [echo], size: 2KiB, items: 3, depth: 8"]).await;
    let deep = (0..10).fold(json!(1), |inner, _| json!([inner]));
    for (name, kind, result) in [
        ("size", "size", tool_result(&"x".repeat(3000))),
        ("items", "items", json!({ "content": [], "structuredContent": { "rows": [1, 2, 3, 4] }, "resultType": "complete" })),
        ("depth", "depth", json!({ "content": [], "structuredContent": { "d": deep }, "resultType": "complete" })),
    ] {
        for in_stream in [false, true] {
            let answer = stage.answers(&result, in_stream).await;
            let told = result_of(&answer);
            assert_eq!(told["isError"], json!(true), "{name}: {told}");
            assert!(told["content"][0]["text"].as_str().unwrap_or_default().contains("Ask for less"), "{told}");
            assert_eq!(stage.deeds(&answer).await, [format!("small {kind} block")]);
        }
    }
    let fits = json!({ "content": [], "structuredContent": { "rows": [1, 2, 3] }, "resultType": "complete" });
    assert_eq!(result_of(&stage.answers(&fits, false).await)["structuredContent"], json!({ "rows": [1, 2, 3] }));
    stage.crm.on_tool("other", Reply::text(&"x".repeat(3000)));
    assert_eq!(stage.ada.call("other", json!({})).await.text().len(), 3000, "another tool");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn truncate_cuts_lists_and_texts_says_so_and_shows_no_part_of_what_was_masked() {
    let stage = Stage::with(&["name: short, size: 2KiB, items: 5, over: truncate"]).await;
    for in_stream in [false, true] {
        let mut result = tool_result(&format!("{CARD} ").repeat(500));
        result["structuredContent"] = json!({ "rows": [1, 2, 3, 4, 5, 6, 7] });
        let answer = stage.answers(&result, in_stream).await;
        let told = result_of(&answer);
        let text = told["content"][0]["text"].as_str().unwrap_or_default();
        assert!(text.starts_with("[card] [card] ") && text.contains("Ask for less"), "{text}");
        assert!(!told.to_string().contains("4111"), "{told}");
        assert!(told.to_string().len() <= 2048);
        assert_eq!(told["structuredContent"]["rows"], json!([1, 2, 3, 4, 5]));
        assert_eq!(told["_meta"]["io.yett/truncated"], json!(true));
        assert_eq!(stage.deeds(&answer).await, ["short size truncate"]);
        let outcome = stage.gateway.ended(&answer.call()).await.pop().unwrap_or_default();
        assert!(outcome["out"]["edits"].as_u64().is_some_and(|edits| edits > 500), "masks and cuts count: {outcome:#}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_cannot_be_cut_is_refused_and_shadow_only_tells() {
    let blob = json!({ "content": [{ "type": "image", "mimeType": "image/png", "data": "iVBORw0KGgo".repeat(400) }], "resultType": "complete" });
    let stage = Stage::with(&["name: short, size: 2KiB, over: truncate"]).await;
    let answer = stage.answers(&blob, false).await;
    assert_eq!(result_of(&answer)["isError"], json!(true));
    assert_eq!(stage.deeds(&answer).await, ["short size block"]);
    stage.gateway.stop_and_verify().await;
    let stage = Stage::with(&["name: short, size: 2KiB, mode: shadow"]).await;
    let answer = stage.answers(&blob, false).await;
    assert_eq!(result_of(&answer)["content"], blob["content"]);
    assert_eq!(stage.deeds(&answer).await, ["short size shadow"]);
    stage.gateway.stop_and_verify().await;
}
