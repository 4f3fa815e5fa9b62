//! Whom an alert stops.

use serde_json::json;
use yett::audit::Filter;

use super::{alerted, denied, told, watched};
use crate::support::server::Upstream;

#[tokio::test]
async fn a_caller_is_stopped_everywhere_before_the_alert_is_told_and_nobody_else_is() {
    let crm = Upstream::start().await;
    let gateway = watched(&crm, "  - { name: probing, denials: 3/5m, quarantine: principal, severity: high }\n").await;
    let key = gateway.key("ada", &["staff"]).await;
    let (ada, other, bob) = (
        gateway.modern("crm", &key),
        gateway.legacy("crm", &key).await,
        gateway.modern("crm", &gateway.key("bob", &["staff"]).await),
    );
    denied(&ada, 3).await;
    assert_eq!(ada.call("search", json!({})).await.status, 200, "three are not too many");
    denied(&ada, 1).await;
    let alert = alerted(&gateway, "probing", 1).await.remove(0);
    assert_eq!((ada.call("search", json!({})).await.status, other.call("search", json!({})).await.status), (503, 503));
    assert_eq!(bob.call("search", json!({})).await.status, 200);
    assert_eq!(
        json!([alert["n"], alert["most"], alert["seconds"], alert["quarantine"], alert["severity"]]),
        json!([4, 3, 300, "principal", "high"])
    );
    let records = gateway.records(&Filter::default());
    let at = |kind: &str| records.iter().position(|record| record["kind"] == kind).unwrap();
    let kill = &records[at("killswitch")];
    assert!(at("killswitch") < at("alert"), "told before it was done");
    assert_eq!(
        (&kill["what"]["requester"], &kill["what"]["reason"], &kill["what"]["sub"]),
        (&json!("alerts"), &json!("alert probing"), &alert["sub"])
    );
    let cause = records.iter().find(|record| record["i"] == alert["record"]).unwrap();
    assert_eq!((&cause["dec"]["effect"], &cause["who"]["sub"]), (&json!("deny"), &alert["sub"]));
    // The log has no name of theirs, and verifies.
    assert!(!serde_json::to_string(&records).unwrap().contains("\"ada\""));
    gateway.metric_is("yett_alerts_total{rule=\"probing\",severity=\"high\"}", 1.0).await;
    assert_eq!(gateway.running.operations().switches(), ["principal:api-key/ada"]);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn nobody_is_spared_because_of_their_name() {
    let crm = Upstream::start().await;
    let gateway = watched(&crm, "  - { name: probing, denials: 1/5m, quarantine: principal }\n").await;
    for (name, stopped) in [("alerts", 1), ("probing", 2)] {
        let client = gateway.modern("crm", &gateway.key(name, &["staff"]).await);
        denied(&client, 2).await;
        alerted(&gateway, "probing", stopped).await;
        assert_eq!(client.call("search", json!({})).await.status, 503, "{name}");
    }
    let records = serde_json::to_string(&gateway.records(&Filter::default())).unwrap();
    assert!(!records.contains("\"requester\":\"alerts\""), "a record that names whom it is about");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_session_is_stopped_and_its_callers_others_go_on_until_an_operator_ends_it() {
    let crm = Upstream::start().await;
    let gateway = watched(&crm, "  - { name: probing, denials: 2/5m, per: session, quarantine: session }\n").await;
    let key = gateway.key("ada", &["staff"]).await;
    let (one, two) = (gateway.legacy("crm", &key).await, gateway.legacy("crm", &key).await);
    denied(&one, 3).await;
    let alert = alerted(&gateway, "probing", 1).await.remove(0);
    assert_eq!((one.call("search", json!({})).await.status, two.call("search", json!({})).await.status), (503, 200));
    let session = alert["about"].as_str().unwrap();
    assert_eq!(gateway.running.operations().switches(), [session]);
    gateway.admin("DELETE", &format!("/v1/switches/{session}")).await;
    assert_eq!(one.call("search", json!({})).await.status, 200);
}

#[tokio::test]
async fn in_shadow_it_is_told_and_nobody_is_stopped() {
    let crm = Upstream::start().await;
    let gateway = watched(&crm, "  - { name: probing, denials: 2/5m, quarantine: principal, mode: shadow }\n").await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    denied(&ada, 6).await;
    let alerts = alerted(&gateway, "probing", 1).await;
    assert_eq!(alerts[0]["quarantine"], "shadow");
    assert_eq!(ada.call("search", json!({})).await.status, 200);
    assert_eq!(told(&gateway).len(), 1, "one word about the same one is enough");
}
