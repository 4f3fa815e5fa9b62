//! What a process asks where nobody can be asked: refused, and recorded by itself, for it belongs to no call.

use serde_json::{Value, json};
use yett::audit::Filter;

use super::{ASKING, Stage, heard, told, written};
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::{eventually, within};

/// Records of questions that reached no call, and how many were counted together, as the log has them now.
fn unheard(gateway: &Gateway) -> (Vec<Value>, u64) {
    let records = gateway.records(&Filter::default());
    let of_question = |finding: &Value| finding["rule"] == "server-request" && finding["layer"] == "upstream";
    let alone = records.iter().filter(|record| {
        record.pointer("/dec/findings").and_then(Value::as_array).is_some_and(|all| all.iter().any(of_question))
    });
    let items = records.iter().filter_map(|record| record["refused"].as_array()).flatten();
    let counted = items.filter(|item| item["method"].is_string()).filter_map(|item| item["n"].as_u64()).sum();
    (alone.cloned().collect(), counted)
}

#[tokio::test]
async fn mcp_030_a_question_of_a_process_that_callers_share_is_refused_and_recorded_and_reaches_nobody() {
    let stage = Stage::of(&[], "", "", ASKING).await;
    let capabilities = json!({ "sampling": {} });
    let ada = Client::declaring(stage.gateway.address, "tool", &stage.ada, "2025-11-25", capabilities).await;
    let asked = ada.call("ask", json!({})).await;
    assert_eq!(asked.messages().len(), 1, "the answer alone: {asked:?}");
    assert_eq!(told(&asked)["error"]["code"], -32601, "the question is refused: {asked:?}");

    // On the disk before the server hears of it.
    let (alone, counted) = unheard(&stage.gateway);
    assert_eq!((alone.len(), counted), (1, 0), "{alone:#?}");
    let record = &alone[0];
    let finding = json!({ "action": "block", "count": 1, "kind": "sampling/createMessage", "layer": "upstream", "rule": "server-request", "side": "response" });
    let decided = json!({ "detail": "shared_process", "effect": "deny", "findings": [finding], "reason": "blocked" });
    assert_eq!((&record["kind"], &record["dec"]), (&json!("call.decision"), &decided), "{record:#}");
    assert_eq!(record["what"], json!({ "method": "sampling/createMessage", "server": "tool" }), "{record:#}");
    let own = record["call"].as_str().is_some_and(|call| call.len() == 36 && call != asked.call());
    assert!(own && record.get("open").is_none() && record.get("who").is_none(), "{record:#}");

    // A method that MCP does not know is the server's own text; what it says with it is nobody's business here.
    assert_eq!(ada.call("pester", json!({ "method": "vendor/read-all" })).await.text(), "pestered");
    let (alone, _) = eventually("its record", || Some(unheard(&stage.gateway)).filter(|(alone, _)| alone.len() == 2)).await;
    assert_eq!((&alone[1]["what"]["method"], &alone[1]["dec"]["findings"][0]["kind"]), (&json!("other"), &json!("other")));
    let all = format!("{:?}", stage.gateway.records(&Filter::default()));
    assert!(!all.contains("vendor/read-all") && !all.contains("of the server"), "{all}");

    // A sign of life is given, and is no question.
    assert_eq!(ada.call("pester", json!({ "method": "ping" })).await.text(), "pestered");
    heard(&ada, r#"\"result\":{}"#).await;
    let metrics = stage.gateway.metrics().await;
    assert!(metrics.contains(r#"yett_upstream_questions_unheard_total{server="tool",reason="shared_process"} 2"#), "{metrics}");
    let folder = stage.gateway.stop_and_verify().await;
    assert_eq!(folder.records(&Filter::default()).iter().filter(|record| record["what"]["method"] == "ping").count(), 0);
}

#[tokio::test]
async fn mcp_030_a_flood_of_questions_is_counted_to_the_last_one_and_holds_nobody_up() {
    const TIMES: u64 = 3_000;
    let audit = "audit: { origin: test.localhost, refusals: { per_peer: 10, total: 50 } }";
    let gateway = Gateway::start().policy(ASKING).server_written("tool", &written(&[], "", "")).config_extra(audit).await;
    let stage = Stage::before(gateway).await;
    let (ada, bob) = (stage.legacy(&stage.ada).await, stage.legacy(&stage.bob).await);
    let pestering = ada.call("pester", json!({ "times": TIMES, "method": "roots/list" }));
    let (pestered, served) = tokio::join!(pestering, bob.call("echo", json!({ "text": "bob's" })));
    assert_eq!((pestered.text(), served.text()), ("pestered".into(), "bob's".into()));

    // Stopped at once: what was counted and not recorded yet is recorded before the end.
    let folder = stage.gateway.stop_and_verify().await;
    let records = folder.records(&Filter::default());
    let alone =
        records.iter().filter(|record| record["dec"]["detail"] == "shared_process" && record["kind"] == "call.decision").count();
    let together: Vec<&Value> = records.iter().filter(|record| record["kind"] == "auth.failure").collect();
    let counted: u64 = together.iter().filter_map(|record| record["n"].as_u64()).sum();
    assert_eq!(alone as u64 + counted, TIMES, "{alone} alone, {together:#?}");
    assert!((10..300).contains(&alone) && together.len() < 30, "{alone} alone, {} together", together.len());
    for item in together.iter().filter_map(|record| record["refused"].as_array()).flatten() {
        assert_eq!((&item["method"], &item["server"]), (&json!("roots/list"), &json!("tool")), "{item}");
        assert_eq!((&item["reason"], &item["detail"]), (&json!("blocked"), &json!("shared_process")), "{item}");
        assert!(item.get("peer").is_none() && item["first"].as_str() <= item["last"].as_str(), "{item}");
    }
}

#[tokio::test]
async fn mcp_030_a_question_when_nobody_waits_for_anything_is_refused_and_recorded() {
    let stage = Stage::of(&[], ", per: principal", "", ASKING).await;
    let capabilities = json!({ "sampling": {} });
    let ada = Client::declaring(stage.gateway.address, "tool", &stage.ada, "2025-11-25", capabilities).await;
    assert_eq!(ada.call("afterwards", json!({})).await.text(), "asked later");
    heard(&ada, "later").await;
    let (alone, counted) = unheard(&stage.gateway);
    assert_eq!((alone.len(), counted), (1, 0), "{alone:#?}");
    assert_eq!((&alone[0]["dec"]["detail"], &alone[0]["dec"]["effect"]), (&json!("nobody_waits"), &json!("deny")), "{alone:#?}");
    assert_eq!(alone[0]["what"], json!({ "method": "elicitation/create", "server": "tool" }), "{alone:#?}");

    // Clients of the stateless revision have no session in which they could be asked.
    let modern = stage.modern(&stage.ada);
    let asked = within("the answer", modern.call("ask", json!({}))).await;
    assert_eq!(told(&asked)["error"]["code"], -32601, "{asked:?}");
    assert_eq!(unheard(&stage.gateway).0.len(), 2);
    stage.gateway.stop_and_verify().await;
}
