//! Rego modules beside the YAML: they take away, are seen in lists as in calls, and deny when they fail.

use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::gateway::{Builder, Gateway};
use crate::support::server::{Upstream, tool};

const POLICY: &str = r#"version: 1
roles:
  user: { allow: [{ servers: [crm], tools: ["*"] }] }
bindings: [{ role: user, issuers: [api-key] }]
"#;

async fn crm() -> Upstream {
    let crm = Upstream::start().await;
    crm.set_tools([tool("search"), tool("export"), tool("pay")]);
    crm
}

fn gateway(crm: &Upstream, module: &str) -> Builder {
    Gateway::start().policy(POLICY).module("rules.rego", module).server(
        "crm",
        crm,
        "tools: { export: { operation: destructive } }",
    )
}

async fn names(client: &Client) -> Vec<String> {
    let answer = client.list_tools().await.json();
    answer["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn what_a_module_denies_by_the_caller_and_the_target_is_not_there() {
    let crm = crm().await;
    let module = r#"package yett

deny contains {"rule": "no-exports"} if {
    input.access.operation == "destructive"
    not "officers" in input.principal.groups
}
"#;
    let gateway = gateway(&crm, module).await;
    let (clerk, officer) = (gateway.key("ada", &["clerks"]).await, gateway.key("bob", &["officers"]).await);
    for client in [gateway.modern("crm", &clerk), gateway.legacy("crm", &clerk).await] {
        assert_eq!(names(&client).await, ["search", "pay"]);
        let seen = crm.count();
        let refused = client.call("export", json!({})).await;
        assert_eq!((refused.code(), refused.message()), (Some(-32602), "Unknown tool: export".to_owned()));
        assert_eq!(crm.count(), seen);
        assert_eq!(gateway.records_of(&refused.call())[0]["dec"]["rule"], "rego:no-exports");
    }
    let client = gateway.modern("crm", &officer);
    assert_eq!(names(&client).await, ["search", "export", "pay"]);
    assert!(client.call("export", json!({})).await.json()["result"].is_object());
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_a_module_denies_by_arguments_is_listed_and_refused_with_its_reason() {
    let crm = crm().await;
    let module = r#"package yett

deny contains {"rule": "large-payments", "reason": msg} if {
    input.access.tool == "pay"
    input.arguments.amount > 1000
    msg := sprintf("At most 1000, and this is %v.", [input.arguments.amount])
}

deny contains "Payments have a purpose." if {
    input.access.tool == "pay"
    not input.arguments.purpose
}
"#;
    let gateway = gateway(&crm, module).await;
    let client = gateway.modern("crm", &gateway.key("ada", &[]).await);
    assert_eq!(names(&client).await, ["search", "export", "pay"]);
    let good = client.call("pay", json!({ "amount": 1000, "purpose": "rent" })).await;
    assert!(good.json()["result"].is_object(), "{good:?}");
    for (arguments, reason, rule) in [
        (json!({ "amount": 1001, "purpose": "rent" }), "At most 1000, and this is 1001.", "rego:large-payments"),
        (json!({ "amount": 5 }), "Payments have a purpose.", "rego:deny"),
    ] {
        let refused = client.call("pay", arguments).await;
        assert_eq!((refused.code(), &refused.json()["error"]["data"]["reason"]), (Some(-31403), &json!(reason)), "{refused:?}");
        assert_eq!(gateway.records_of(&refused.call())[0]["dec"]["rule"], rule);
    }
    gateway.stop_and_verify().await;
}

/// A list has no time of day, so it goes by the module alone; a call has to say the same.
#[tokio::test]
async fn what_a_module_hides_is_not_there_where_a_rule_would_refuse_it_as_well() {
    let crm = crm().await;
    let hides = "package yett\n\ndeny contains {\"rule\": \"no-exports\"} if input.access.tool == \"export\"\n";
    let late = "rules: [{ name: late, deny: { servers: [crm] }, when: 'now.getFullYear() > 2000' }]";
    let gateway =
        Gateway::start().policy(&format!("{POLICY}{late}\n")).module("rules.rego", hides).servers([("crm", &crm)]).await;
    let client = gateway.modern("crm", &gateway.key("ada", &[]).await);
    assert_eq!(names(&client).await, ["search", "pay"]);
    for (tool, code, rule) in
        [("export", -32602, "rego:no-exports"), ("missing", -31403, "rule:late"), ("pay", -31403, "rule:late")]
    {
        let refused = client.call(tool, json!({})).await;
        assert_eq!(refused.code(), Some(code), "{tool}: {refused:?}");
        assert_eq!(gateway.records_of(&refused.call())[0]["dec"]["rule"], rule);
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_a_module_denies_in_shadow_is_on_record_and_passes_and_only_what_says_so_is_in_shadow() {
    let crm = crm().await;
    let module = |shadow: &str| {
        format!(
            r#"package yett

deny contains {{"rule": "tried", "reason": "no", "shadow": {shadow}}} if {{
    input.access.tool == "pay"
    input.arguments.amount > 10
}}

deny contains {{"rule": "kept"}} if input.arguments.amount > 1000
"#
        )
    };
    let shadowed = gateway(&crm, &module("true")).await;
    let client = shadowed.modern("crm", &shadowed.key("ada", &[]).await);
    let passed = client.call("pay", json!({ "amount": 11 })).await;
    assert!(passed.json()["result"].is_object(), "{passed:?}");
    let found = shadowed.records_of(&passed.call())[0]["dec"]["findings"].clone();
    assert_eq!((&found[0]["rule"], &found[0]["action"]), (&json!("rego:tried"), &json!("shadow")), "{found}");
    let refused = client.call("pay", json!({ "amount": 1001 })).await;
    assert_eq!(shadowed.records_of(&refused.call())[0]["dec"]["rule"], "rego:kept", "{refused:?}");
    shadowed.stop_and_verify().await;
    for (shadow, detail) in [("false", Value::Null), ("\"true\"", json!("a Rego module has failed"))] {
        let gateway = gateway(&crm, &module(shadow)).await;
        let client = gateway.modern("crm", &gateway.key("ada", &[]).await);
        let refused = client.call("pay", json!({ "amount": 11 })).await;
        assert_eq!(refused.code(), Some(-31403), "{shadow}: {refused:?}");
        assert_eq!(gateway.records_of(&refused.call())[0]["dec"]["detail"], detail, "{shadow}");
        gateway.stop_and_verify().await;
    }
}

#[tokio::test]
async fn avl_001_a_module_that_fails_or_does_not_end_denies() {
    let crm = crm().await;
    for (what, module, detail) in [
        ("a mistake", "package yett\n\ndeny contains \"x\" if to_number(input.arguments.text) > 5\n", "a Rego module has failed"),
        ("no denial", "package yett\n\ndeny := input.arguments.text\n", "a Rego module has failed"),
        (
            "a long way",
            "package yett\n\ndeny contains \"x\" if {\n    input.arguments.text\n    some a in numbers.range(1, 3000)\n    some b in numbers.range(1, 3000)\n    a * b == 0\n}\n",
            "the condition takes too many steps",
        ),
    ] {
        let gateway = gateway(&crm, module).await;
        let client = gateway.modern("crm", &gateway.key("ada", &[]).await);
        let seen = crm.count();
        let refused = client.call("search", json!({ "text": "no number" })).await;
        assert_eq!(
            (refused.code(), &refused.json()["error"]["data"]["reason"]),
            (Some(-31403), &Value::Null),
            "{what}: {refused:?}"
        );
        let decision = gateway.records_of(&refused.call())[0]["dec"].clone();
        assert_eq!((&decision["reason"], &decision["detail"]), (&json!("policy_error"), &json!(detail)), "{what}: {decision}");
        assert_eq!(crm.count(), seen, "{what}");
        gateway.stop_and_verify().await;
    }
}
