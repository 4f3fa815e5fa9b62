//! `servers.*.input_schemas: enforce`: calls are held to the schemas that `tools/list` has shown.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::{Gateway, POLICY};
use crate::support::server::{Upstream, tool};

struct Stage {
    gateway: Gateway,
    crm: Upstream,
    key: String,
}

impl Stage {
    async fn set(setting: &str) -> Self {
        let crm = Upstream::start().await;
        crm.set_tools([add(), tool("echo")]);
        let gateway = Gateway::start().policy(POLICY).server("crm", &crm, setting).await;
        let key = gateway.key("ada", &["staff"]).await;
        Self { gateway, crm, key }
    }

    /// A client of each era.
    async fn clients(&self) -> [Client; 2] {
        [self.gateway.modern("crm", &self.key), self.gateway.legacy("crm", &self.key).await]
    }

    /// The server hears nothing, and there is one record of the refusal, which is what is given back.
    async fn refused(&self, client: &Client, tool: &str, arguments: &Value) -> (String, Value) {
        let before = self.crm.calls().len();
        let answer = client.call(tool, arguments.clone()).await;
        assert_eq!(self.crm.calls().len(), before, "{arguments}: the server was reached");
        assert_eq!((answer.status, answer.code()), (200, Some(-32602)), "{arguments}: {answer:?}");
        let records = self.gateway.records_of(&answer.call());
        assert_eq!(records.len(), 1, "{arguments}: {records:?}");
        assert_eq!(records[0]["dec"]["effect"], "deny", "{arguments}: {records:?}");
        (answer.json()["error"]["message"].as_str().unwrap().to_owned(), records[0]["dec"].clone())
    }
}

fn add() -> Value {
    let schema = json!({ "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": { "a": { "type": "integer" }, "b": { "type": "string", "maxLength": 3 } } });
    json!({ "name": "add", "inputSchema": schema })
}

#[tokio::test]
async fn mcp_073_arguments_that_violate_the_input_schema_are_refused_before_the_server_hears_of_them() {
    let stage = Stage::set("input_schemas: enforce").await;
    for client in stage.clients().await {
        assert_eq!(client.list_tools().await.tools(), ["add", "echo"]);
        for (arguments, expected) in [
            (json!({ "a": "1" }), "Invalid arguments: `a` must be a whole number"),
            (json!({ "a": 1.5 }), "Invalid arguments: `a` must be a whole number"),
            (json!({ "a": 1, "c": 2 }), "Invalid arguments: the arguments have `c`, which the tool does not know"),
            (json!({ "b": "x" }), "Invalid arguments: `a` is missing"),
            (json!({ "a": 1, "b": "long" }), "Invalid arguments: `b` must have at most 3 characters"),
        ] {
            let (message, record) = stage.refused(&client, "add", &arguments).await;
            assert_eq!(message, expected);
            assert_eq!(record["reason"], "input_schema", "{record}");
            assert_eq!(record["rule"], "input_schema", "{record}");
        }
        assert_eq!(client.call("add", json!({ "a": 1, "b": "x" })).await.text(), "add was called");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_tool_that_no_list_has_shown_asks_for_the_list_and_an_unknown_one_stays_unknown() {
    let stage = Stage::set("input_schemas: enforce").await;
    for client in stage.clients().await {
        let (message, _) = stage.refused(&client, "never_listed", &json!({})).await;
        assert!(message.contains("tools/list"), "{message}");
    }
    // Who has no grant learns nothing of schemas.
    let nobody = stage.gateway.modern("crm", &stage.gateway.key("eve", &[]).await);
    assert_eq!(nobody.call("add", json!({ "a": "1" })).await.status, 404);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_tool_with_two_schemas_cannot_be_called() {
    let stage = Stage::set("input_schemas: enforce").await;
    let [modern, _] = stage.clients().await;
    modern.list_tools().await;
    let mut other = add();
    other["inputSchema"] = json!({ "type": "object" });
    stage.crm.set_tools([other, tool("echo")]);
    modern.list_tools().await;
    let (message, _) = stage.refused(&modern, "add", &json!({ "a": 1 })).await;
    assert!(message.contains("cannot be called"), "{message}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn without_the_setting_a_schema_is_the_servers_own_affair() {
    let stage = Stage::set("").await;
    for client in stage.clients().await {
        client.list_tools().await;
        assert_eq!(client.call("add", json!({ "a": "1" })).await.text(), "add was called");
    }
    stage.gateway.stop_and_verify().await;
}
