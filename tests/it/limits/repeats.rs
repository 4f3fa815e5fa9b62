//! The same call again and again.

use serde_json::json;

use super::{client, limited};
use crate::support::reply::Reply;

const LOOP: &str = "name: no-loops, repeats: { calls: 2, within: 60s }";

#[tokio::test]
async fn the_same_call_with_the_same_arguments_is_refused_in_words_for_a_model() {
    let (upstream, gateway) = limited(&[LOOP]).await;
    let key = gateway.key("ada", &["staff"]).await;
    for client in [gateway.modern("crm", &key), gateway.legacy("crm", &key).await] {
        let modern = client.session.is_none();
        let before = upstream.calls().len();
        let same = json!({ "q": "weather in Bergen" });
        for _ in 0..2 {
            assert!(client.call("search", same.clone()).await.json()["result"]["isError"] != true);
        }
        for _ in 0..2 {
            let answer = client.call("search", same.clone()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let result = answer.result();
            assert_eq!(result["isError"], true, "{result}");
            assert_eq!(result.get("resultType").is_some(), modern, "{result}");
            assert_eq!(answer.text(), "This is the 3rd identical call of `search` within 60 s. Change the arguments or stop.");
            let record = &gateway.records_of(&answer.call())[0]["dec"];
            assert_eq!((&record["reason"], &record["rule"]), (&json!("loop"), &json!("limit:no-loops")), "{record}");
        }
        assert_eq!(upstream.calls().len(), before + 2, "the server was reached");
        // Another argument, another tool, or another caller: another call.
        assert!(client.call("search", json!({ "q": "weather in Oslo" })).await.json()["result"]["isError"] != true);
        assert!(client.call("echo", same.clone()).await.json()["result"]["isError"] != true);
    }
    let bob = client(&gateway, "bob", "staff").await;
    assert!(bob.call("search", json!({ "q": "weather in Bergen" })).await.json()["result"]["isError"] != true);
    gateway.metric_is(r#"yett_limit_refusals_total{limit="no-loops"}"#, 4.0).await;
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_is_no_tool_is_refused_with_an_error() {
    let (upstream, gateway) = limited(&[LOOP]).await;
    upstream.on_method(
        "resources/read",
        Reply::result(&json!({ "contents": [], "resultType": "complete", "ttlMs": 0, "cacheScope": "private" })),
    );
    let ada = client(&gateway, "ada", "staff").await;
    let read = async || ada.request("resources/read", json!({ "uri": "file:///a" })).await;
    assert_eq!((read().await.code(), read().await.code()), (None, None));
    let answer = read().await;
    assert_eq!((answer.status, answer.code()), (200, Some(-32602)), "{answer:?}");
    let said = "This is the 3rd identical call of `file:///a` within 60 s. Change the arguments or stop.";
    assert_eq!(answer.message(), said);
    for _ in 0..3 {
        assert_eq!(ada.list_tools().await.code(), None, "a list may be asked for as often as anybody likes");
    }
    gateway.stop_and_verify().await;
}
