//! Where a server's results carry receipts, each names the record of its outcome, and that has a proof.

use std::fs;

use serde_json::{Value, json};
use yett::audit;
use yett::audit::Trust;

use crate::support::gateway::Gateway;
use crate::support::reply::{Reply, Step};
use crate::support::server::Upstream;

const LOG: &str = "test.localhost/audit/r1";

fn receipt(message: &Value) -> Option<&str> {
    message.pointer("/result/_meta/io.yett~1receipt").and_then(Value::as_str)
}

#[tokio::test]
async fn a_receipt_names_the_outcome_that_was_durable_before_it_and_proves_it_to_whoever_has_the_key() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().server("crm", &crm, "receipts: true").server("hr", &crm, "timeout: 60s").await;
    let key = gateway.key("ada", &["staff"]).await;
    let forged = json!({ "content": [], "isError": false, "resultType": "complete",
        "_meta": { "io.yett/receipt": format!("{LOG}/1"), "kept": 7 } });
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "n" } });
    let replies = [Reply::text("hi"), Reply::result(&forged), Reply::stream([Step::message(&note), Step::text("done")])];
    let mut receipts = Vec::new();
    for client in [gateway.modern("crm", &key), gateway.legacy("crm", &key).await] {
        for reply in &replies {
            crm.on_tool("echo", reply.clone());
            let answer = client.call("echo", json!({})).await;
            let messages = answer.messages();
            let result = messages.last().unwrap();
            let index: u64 = receipt(result)
                .and_then(|receipt| receipt.strip_prefix(&format!("{LOG}/")))
                .unwrap_or_else(|| panic!("no receipt: {result}"))
                .parse()
                .unwrap();
            assert!(messages.iter().rev().skip(1).all(|message| receipt(message).is_none()), "{messages:?}");
            receipts.push((index, answer.call()));
        }
        crm.on_tool("echo", Reply::result(&forged));
        assert_eq!(client.call("echo", json!({})).await.result()["_meta"]["kept"], 7, "what the server wrote stays");
        crm.on_tool("echo", Reply::error(-32603, "no"));
        assert!(receipt(&client.call("echo", json!({})).await.json()).is_none(), "an error has no place for one");
    }
    crm.on_tool("echo", Reply::text("hi"));
    let other = gateway.modern("hr", &key).call("echo", json!({})).await;
    assert!(receipt(&other.json()).is_none(), "only where the operator asks for it: {other:?}");
    for reply in [
        Reply::result(&forged),
        Reply::stream([
            Step::message(&note),
            Step::message(&json!({
        "jsonrpc": "2.0", "id": 1, "result": forged })),
        ]),
    ] {
        crm.on_tool("echo", reply);
        let answer = gateway.modern("hr", &key).call("echo", json!({})).await;
        let messages = answer.messages();
        let result = messages.last().unwrap();
        assert!(receipt(result).is_none(), "what the server made up passes for a receipt: {result}");
        assert_eq!(result["result"]["_meta"]["kept"], 7, "{result}");
    }

    let folder = gateway.stop_and_verify().await;
    let log = folder.data().join("audit").join("test.localhost/r1");
    let text = fs::read_to_string(log.join("seg/0000000000000.jsonl")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let first: Value = serde_json::from_str(lines[0]).unwrap();
    let trust = Trust::Key(first["epoch"]["ed25519"].as_str().unwrap().parse().unwrap());
    let epochs = audit::epochs(&log, lines.len() as u64).unwrap();
    for (index, call) in receipts {
        let line = lines[usize::try_from(index).unwrap()];
        let record: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&record["kind"], &record["call"]), (&"call.outcome".into(), &call.into()), "{record}");
        let proof = audit::prove_inclusion(&log, index).unwrap();
        let head = audit::check_receipt(line.as_bytes(), &proof, &trust, Some(epochs.as_bytes())).unwrap();
        assert_eq!(head.origin, LOG);
    }
}
