//! What is made to be slow: a layer that stops reading does not let it pass as read.

use serde_json::{Value, json};

use super::{Stage, complete, text};
use crate::support::server::tool;

/// Addresses without end: at each colon one could begin, and no detector may look at all of them.
fn slow_for_dlp() -> String {
    "00:1B:63:84:45:E6".repeat(30_000)
}

/// Twenty kilobytes out of a hundred letters.
const PACKED: &str = "eNrtx6ERACAMBLBVOgE7VSC4e4fo+qyBSFw6qXNrdrKqRURERERERERERERERERERERERERERERERERERERERERERERERERP7LA+4NIVY=";

/// The same again and again.
fn slow_for_the_injection_scan() -> Value {
    json!({ "content": [{ "type": "text", "text": "Here it is." }], "structuredContent": { "texts": vec![PACKED; 10_000] } })
}

const DLP: &str = "dlp:\n  rules:\n    - { name: addresses, detect: [mac_address], action: mask }\n";

#[tokio::test]
async fn avl_003_dlp_is_closed_what_it_could_not_read_does_not_pass_in_either_direction() {
    let stage = Stage::with(DLP).await;
    let slow = slow_for_dlp();
    let answer = stage.brings(text(&slow)).await;
    assert_eq!(answer.result()["isError"], true, "{} bytes went on unread", answer.body.len());
    let outcome = &stage.records(&answer)[1]["out"];
    assert_eq!((&outcome["status"], &outcome["detail"]), (&json!("result_blocked"), &json!("too_many_values")), "{outcome:#}");

    let seen = stage.crm.count();
    let answer = stage.ada.call("echo", json!({ "text": slow })).await;
    assert_eq!((answer.code(), &answer.json()["error"]["data"]["category"]), (Some(-31422), &json!("not_scanned")), "{answer:?}");
    let decision = &stage.records(&answer)[0]["dec"];
    assert_eq!((&decision["effect"], &decision["detail"]), (&json!("deny"), &json!("too_many_values")), "{decision:#}");
    assert_eq!(stage.crm.count(), seen, "it reached the server unread");
    stage.ends().await;
}

#[tokio::test]
async fn avl_003_the_injection_scan_is_as_open_as_the_policy_says_and_the_record_says_what_was_unread() {
    for (results, action, blocked) in
        [("label", "log", false), ("log", "log", false), ("strip", "strip", false), ("block", "block", true)]
    {
        let stage = Stage::with(&format!("injection: {{ results: {results} }}\n")).await;
        let answer = stage.brings(slow_for_the_injection_scan()).await;
        assert_eq!(answer.result()["isError"] == json!(true), blocked, "{results}");
        let findings = stage.findings(&answer);
        let unread: Vec<_> = findings.iter().filter(|finding| finding["rule"] == "unread").collect();
        assert!(!unread.is_empty() && unread.iter().all(|finding| finding["action"] == action), "{results}: {findings:#?}");
        assert!(unread.iter().all(|finding| finding["layer"] == "inj"), "{unread:#?}");
        stage.ends().await;
    }
}

#[tokio::test]
async fn avl_003_a_text_that_was_not_read_to_its_end_is_labelled_and_a_definition_withheld() {
    let slow = vec![PACKED; 3_000].join(" ");
    let stage = Stage::set().await;
    let answer = stage.brings(text(&slow)).await;
    assert!(answer.text().starts_with("[Yett "), "{}", answer.text().get(..80).unwrap_or_default());
    assert_eq!(stage.finding(&answer, "unread")["action"], "label");
    let mut bad = tool("bad");
    bad["description"] = slow.clone().into();
    stage.crm.on_method("tools/list", complete(json!({ "tools": [bad, tool("echo")], "ttlMs": 0, "cacheScope": "private" })));
    let listed = stage.ada.list_tools().await;
    assert!(!listed.tools().contains(&"bad".to_owned()), "{:?}", listed.tools());
    assert!(stage.findings(&listed).iter().any(|finding| finding["rule"] == "unread" && finding["action"] == "quarantine"));
    stage.ends().await;
}
