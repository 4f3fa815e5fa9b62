//! `servers.*.output_schemas: enforce`: results are held to the schemas that `tools/list` has shown.

#![expect(clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, POLICY};
use crate::support::reply::{Reply, Step, tool_result};
use crate::support::server::{Upstream, tool};

fn weather() -> Value {
    let schema = json!({ "type": "object", "required": ["degrees"], "properties": { "degrees": { "type": "number" } } });
    json!({ "name": "weather", "inputSchema": { "type": "object" }, "outputSchema": schema })
}

fn saying(structured: &Value) -> Value {
    let mut result = tool_result("warm");
    if !structured.is_null() {
        result["structuredContent"] = structured.clone();
    }
    result
}

#[tokio::test]
async fn a_result_that_does_not_fit_its_schema_is_withheld_and_on_record() {
    let crm = Upstream::start().await;
    crm.set_tools([weather(), tool("echo")]);
    let gateway = Gateway::start().policy(POLICY).server("crm", &crm, "output_schemas: enforce").await;
    let key = gateway.key("ada", &["staff"]).await;
    for client in [gateway.modern("crm", &key), gateway.legacy("crm", &key).await] {
        client.list_tools().await;
        for structured in [json!({ "degrees": 21.5 }), json!({ "degrees": 1, "more": [] })] {
            crm.on_tool("weather", Reply::result(&saying(&structured)));
            assert_eq!(client.call("weather", json!({})).await.result()["structuredContent"], structured);
        }
        for (structured, in_stream) in [(json!({ "degrees": "21" }), false), (json!({}), true), (Value::Null, false)] {
            let result = saying(&structured);
            crm.on_tool("weather", if in_stream { Reply::stream([Step::result(&result)]) } else { Reply::result(&result) });
            let answer = client.call("weather", json!({})).await;
            let told = answer.messages().pop().unwrap_or_default()["result"].clone();
            assert_eq!(told["isError"], json!(true), "{structured}: {answer:?}");
            assert!(!told.to_string().contains("warm"), "{told}");
            let outcome = gateway.ended(&answer.call()).await.pop().unwrap_or_default();
            let found = &outcome["out"]["findings"][0];
            assert_eq!((&found["rule"], &found["action"]), (&json!("output_schema"), &json!("block")), "{outcome:#}");
        }
        // A word of the server's own is no way past the schema.
        for (key, value) in [("task", json!({})), ("result", json!({})), ("isError", json!(true))] {
            let mut result = saying(&json!({ "degrees": "21" }));
            result[key] = value;
            crm.on_tool("weather", Reply::result(&result));
            let told = client.call("weather", json!({})).await;
            assert!(!String::from_utf8_lossy(&told.body).contains("warm"), "{key}: {told:?}");
        }
        // What went wrong is told as the server told it, and a tool without a schema is held to nothing.
        let mut failed = tool_result("no such place");
        failed["isError"] = json!(true);
        crm.on_tool("weather", Reply::result(&failed));
        assert_eq!(client.call("weather", json!({})).await.text(), "no such place");
        assert_eq!(client.call("echo", json!({})).await.text(), "echo was called");
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_tool_whose_results_nobody_could_judge_is_not_called() {
    let crm = Upstream::start().await;
    crm.set_tools([weather()]);
    let gateway = Gateway::start().policy(POLICY).server("crm", &crm, "output_schemas: enforce").await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let refused = ada.call("weather", json!({})).await;
    assert_eq!(refused.code(), Some(-32602));
    assert!(refused.message().contains("tools/list"), "{}", refused.message());
    ada.list_tools().await;
    let mut other = weather();
    other["outputSchema"] = json!({ "type": "object" });
    crm.set_tools([other]);
    ada.list_tools().await;
    let before = crm.count();
    let refused = ada.call("weather", json!({})).await;
    assert!(refused.message().contains("cannot be called"), "{}", refused.message());
    assert_eq!(crm.count(), before);
    gateway.stop_and_verify().await;
}
