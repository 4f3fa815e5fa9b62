//! What DLP takes out is nowhere, and the record counts what it took.

use serde_json::{Value, json};
use yett::audit::Filter;

use super::{Stage, text};
use crate::support::gateway::Gateway;
use crate::support::server::Upstream;
use crate::telemetry::canary::bytes_below;

/// IBANs of examples, with and without spaces.
const IBANS: [&str; 4] =
    ["DE89 3704 0044 0532 0130 00", "GB29NWBK60161331926819", "FR1420041010050500013M02606", "NL91ABNA0417164300"];

const POLICY: &str = "version: 1
roles:
  all: { allow: [{ servers: [crm], tools: ['*'] }] }
bindings:
  - { role: all, groups: [staff] }
dlp:
  rules:
    - { name: accounts, detect: [iban], action: mask }
";

#[tokio::test]
async fn prv_011_an_iban_that_was_masked_is_in_no_store_and_the_record_counts_what_was_replaced() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start()
        .policy(POLICY)
        .config_extra("audit: { origin: gw.test, index: true }\naccept_risks: [open_metrics]\n")
        .server("crm", &crm, "capture: masked")
        .await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let arguments = json!({ "from": IBANS[0], "to": [IBANS[1], { "also": format!("{} or {}", IBANS[2], IBANS[3]) }], "n": 7 });
    let mut result = text(&format!("Sent from {} to {}.", IBANS[0], IBANS[1]));
    result["structuredContent"] = json!({ "rows": IBANS, "again": IBANS[0] });
    result["resultType"] = "complete".into();
    crm.on_tool("pay", crate::support::reply::Reply::result(&result));
    let answer = ada.call("pay", arguments).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let arrived = crm.calls().pop().unwrap().json();
    assert_eq!(
        arrived["params"]["arguments"],
        json!({ "from": "[iban]", "to": ["[iban]", { "also": "[iban] or [iban]" }], "n": 7 }),
        "after the masks"
    );
    assert_eq!(answer.text(), "Sent from [iban] to [iban].");

    // What was counted is what was replaced, on both sides.
    let records = gateway.ended(&answer.call()).await;
    let counted = |findings: &Value| -> u64 {
        findings
            .as_array()
            .into_iter()
            .flatten()
            .filter(|found| found["rule"] == "accounts")
            .filter_map(|found| found["count"].as_u64())
            .sum()
    };
    let replaced = |value: &Value| value.to_string().matches("[iban]").count() as u64;
    let (decision, outcome) = (&records[0]["dec"], &records[1]["out"]);
    assert_eq!((counted(&decision["findings"]), decision["edits"].as_u64()), (4, Some(4)), "{decision:#}");
    assert_eq!(replaced(&arrived["params"]), 4);
    assert_eq!((counted(&outcome["findings"]), outcome["edits"].as_u64()), (7, Some(7)), "{outcome:#}");
    assert_eq!(replaced(&answer.result()), 7);

    // The view after the masks is in the vault, and comes out of it so.
    let call = answer.call().parse().unwrap();
    let kept = gateway.running.operations().privacy().content(call, "auditor").await.unwrap();
    let [content] = &kept[..] else { panic!("{} things were kept", kept.len()) };
    assert_eq!(serde_json::from_slice::<Value>(content.text.expose()).unwrap(), arrived["params"]["arguments"]);

    let found = gateway.admin("GET", "/v1/audit/search?finding=iban").await.to_string();
    let metrics = gateway.metrics().await;
    assert!(found.contains("accounts") && metrics.contains("yett_findings_total"), "{found}");
    let exported: String = gateway.records(&Filter::default()).iter().map(Value::to_string).collect();
    let folder = gateway.stop_and_verify().await;
    let stored = bytes_below(folder.path());
    for (place, bytes) in [
        ("the search", found.as_bytes()),
        ("metrics", metrics.as_bytes()),
        ("the records", exported.as_bytes()),
        ("the folder", &stored[..]),
    ] {
        for iban in IBANS {
            for form in [iban.to_owned(), iban.replace(' ', "")] {
                assert_eq!(crate::support::http::find(bytes, form.as_bytes()), None, "{iban} is in {place}");
            }
        }
    }
}

#[tokio::test]
async fn prv_011_only_an_operator_who_switches_it_on_has_the_original_and_that_encrypted() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().policy(POLICY).server("crm", &crm, "capture: full").await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let answer = ada.call("pay", json!({ "from": IBANS[1] })).await;
    let kept = gateway.running.operations().privacy().content(answer.call().parse().unwrap(), "auditor").await.unwrap();
    assert_eq!(serde_json::from_slice::<Value>(kept[0].text.expose()).unwrap(), json!({ "from": IBANS[1] }));
    let folder = gateway.stop_and_verify().await;
    assert_eq!(crate::support::http::find(&bytes_below(folder.path()), IBANS[1].as_bytes()), None, "in plain text on the disk");
}

#[tokio::test]
async fn prv_011_what_is_masked_in_an_error_a_notification_and_a_key_is_counted_too() {
    let stage = Stage::with("dlp:\n  rules:\n    - { name: accounts, detect: [iban], action: mask }\n").await;
    stage.crm.on_tool("echo", crate::support::reply::Reply::error(-32000, &format!("no account {}", IBANS[0])));
    let failed = stage.call().await;
    assert_eq!(failed.message(), "no account [iban]");
    assert_eq!(stage.finding(&failed, "accounts")["count"], 1);
    let answer = stage.brings(json!({ "content": [], "structuredContent": { (IBANS[1]): IBANS[1] } })).await;
    assert_eq!(answer.result()["structuredContent"], json!({ "[iban]": "[iban]" }));
    assert_eq!(
        (&stage.finding(&answer, "accounts")["count"], &stage.records(&answer)[1]["out"]["edits"]),
        (&json!(2), &json!(2))
    );
    stage.ends().await;
}
