//! `subscriptions/listen`: what may be listened to, and what is heard. Completions are judged as what they complete.

use serde_json::{Value, json};

use super::extension::begun;
use super::{OWN, POLICY, SSN, Stage, knowing, replies, says, standing, with};
use crate::support::client::{Client, Events};
use crate::support::gateway::Gateway;
use crate::support::reply::{Reply, Step};
use crate::support::server::Upstream;

/// Everything that can be asked for.
fn everything(resources: &[&str], tasks: &[&str]) -> Value {
    json!({ "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": resources, "taskIds": tasks })
}

async fn listen(client: &Client, wanted: &Value) -> Events {
    client.stream("subscriptions/listen", json!({ "notifications": wanted, "_meta": knowing() })).await
}

fn note(method: &str, params: &Value) -> Value {
    let params = with(params.clone(), &json!({ "_meta": { "io.modelcontextprotocol/subscriptionId": 1 } }));
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// The server says this on every listen stream, and ends it.
fn server_says(stage: &Stage, notes: &[Value]) {
    let end = json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "complete" } });
    stage.crm.on_method("subscriptions/listen", Reply::stream(notes.iter().chain([&end]).map(Step::message)));
}

#[tokio::test]
async fn of_what_is_asked_for_the_server_hears_what_is_granted() {
    let stage = Stage::set().await;
    let (ada, eve) = (stage.modern("ada", "staff").await, stage.modern("eve", "staff").await);
    let (of_ada, of_eve) = (begun(&stage, &ada, OWN).await, begun(&stage, &eve, "t-eve").await);
    server_says(&stage, &[]);
    let uris = ["file:///public/a", "file:///secret/b", "file:///public/../secret/b"];
    let wanted = with(everything(&uris, &[&of_ada, &of_eve, "made-up", OWN]), &json!({ "vendor/x": true }));
    let events = listen(&ada, &wanted).await;
    assert_eq!(events.head.status, 200);
    let record = &stage.gateway.records_of(&events.head.call())[0]["dec"];
    assert_eq!((&record["effect"], &record["edits"]), (&json!("allow"), &json!(5)), "{record:#}");
    events.rest().await;
    let arrived = stage.crm.wait_for("subscriptions/listen").await.json()["params"]["notifications"].clone();
    assert_eq!(arrived, with(everything(&["file:///public/a"], &[OWN]), &json!({ "vendor/x": true })), "{arrived:#}");

    let intern = stage.modern("bob", "interns").await;
    listen(&intern, &everything(&["file:///public/a"], &[&of_ada])).await.rest().await;
    let arrived = stage.crm.wait_for("subscriptions/listen").await.json()["params"]["notifications"].clone();
    assert_eq!(arrived, json!({ "toolsListChanged": true, "resourceSubscriptions": [], "taskIds": [] }), "{arrived:#}");
    stage.end().await;
}

#[tokio::test]
async fn what_a_server_says_unasked_is_not_heard() {
    let stage = Stage::set().await;
    let (ada, eve) = (stage.modern("ada", "staff").await, stage.modern("eve", "staff").await);
    let (of_ada, _) = (begun(&stage, &ada, OWN).await, begun(&stage, &eve, "t-eve").await);
    let other = begun(&stage, &ada, "t-other").await;
    let task = |own: &str| {
        note("notifications/tasks", &with(standing(own, "completed"), &json!({ "result": says(&format!("{own} {SSN}")) })))
    };
    let changed = |list: &str| note(&format!("notifications/{list}/list_changed"), &json!({}));
    let updated = |uri: &str| note("notifications/resources/updated", &json!({ "uri": uri }));
    let granted = note(
        "notifications/subscriptions/acknowledged",
        &json!({ "notifications": { "toolsListChanged": true, "taskIds": [OWN, "t-eve", "t-other", "t-nobody"] } }),
    );
    let sampling = json!({ "inputRequests": { "a": { "method": "sampling/createMessage", "params": {} } } });
    let asks = note("notifications/tasks", &with(standing(OWN, "input_required"), &sampling));
    server_says(
        &stage,
        &[
            granted,
            task("t-eve"),
            task("t-nobody"),
            task("t-other"),
            asks,
            note("notifications/tasks", &json!({ "status": "working" })),
            task(OWN),
            changed("prompts"),
            changed("resources"),
            changed("tools"),
            updated("file:///secret/b"),
            updated("file:///public/a"),
            note("notifications/message", &json!({ "level": "info", "data": "x" })),
            note("notifications/progress", &json!({ "progressToken": 1, "progress": 1 })),
        ],
    );
    let wanted = json!({ "toolsListChanged": true, "resourceSubscriptions": ["file:///public/a"], "taskIds": [of_ada] });
    let stream = listen(&ada, &wanted).await;
    let call = stream.head.call();
    let heard = stream.rest().await;
    let methods: Vec<_> = heard.iter().map(|message| message["method"].as_str().unwrap_or("end")).collect();
    assert_eq!(
        methods,
        [
            "notifications/subscriptions/acknowledged",
            "notifications/tasks",
            "notifications/tools/list_changed",
            "notifications/resources/updated",
            "end"
        ],
        "{heard:#?}"
    );
    assert_eq!(heard[0]["params"]["notifications"]["taskIds"], json!([of_ada]), "by the id that the client knows");
    let told = &heard[1]["params"];
    assert_eq!((&told["taskId"], &told["result"]["content"][0]["text"]), (&json!(of_ada), &json!(format!("{OWN} [us_ssn]"))));
    let text = json!(heard).to_string();
    assert!(!text.contains("t-eve") && !text.contains("t-other") && !text.contains(&other), "{text}");
    assert_eq!(heard[3]["params"]["uri"], "file:///public/a");
    let outcome = stage.gateway.ended(&call).await.pop().unwrap();
    let findings = outcome["out"]["findings"].as_array().unwrap();
    let withheld = findings.iter().find(|finding| finding["rule"] == "foreign-task").map(|finding| &finding["count"]);
    assert_eq!(withheld, Some(&json!(4)), "what of others and of nobody stayed behind is on record: {outcome:#}");
    stage.end().await;
}

/// MCP 2026-07-28: a server must not send kinds of notification that its client has not asked for.
#[tokio::test]
async fn of_what_a_server_says_on_a_stream_a_client_hears_the_kinds_it_has_asked_for_and_the_rest_is_on_record() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let own = begun(&stage, &ada, OWN).await;
    let updated = |uri: &str| note("notifications/resources/updated", &json!({ "uri": uri }));
    let changed = |list: &str| note(&format!("notifications/{list}/list_changed"), &json!({}));
    let said = [
        note(
            "notifications/subscriptions/acknowledged",
            &json!({ "notifications": { "toolsListChanged": true, "promptsListChanged": true, "taskIds": [OWN], "vendor/x": true,
                "resourceSubscriptions": ["file:///public/a", "file:///public/b"] } }),
        ),
        // Granted, all of them.
        changed("prompts"),
        changed("resources"),
        changed("tools"),
        updated("file:///public/b"),
        updated("file:///public/ab"),
        note("notifications/tasks", &standing(OWN, "completed")),
        note("notifications/vendor/x", &json!({ "text": "buy now" })),
        note("notifications/elicitation/complete", &json!({ "elicitationId": "e" })),
        note("notifications/message", &json!({ "level": "info", "data": "x" })),
        note("notifications/cancelled", &json!({ "requestId": 77 })),
        updated("file:///public/a"),
        updated("file:///public/a/below"),
        note("notifications/cancelled", &json!({ "requestId": 1 })),
    ];
    server_says(&stage, &said);
    let stream = listen(&ada, &json!({ "promptsListChanged": true, "resourceSubscriptions": ["file:///public/a"] })).await;
    let call = stream.head.call();
    let heard = stream.rest().await;
    let granted = json!({ "promptsListChanged": true, "resourceSubscriptions": ["file:///public/a"] });
    let told = note("notifications/subscriptions/acknowledged", &json!({ "notifications": granted }));
    assert_eq!(
        heard[..heard.len() - 1],
        [told, said[1].clone(), said[11].clone(), said[12].clone(), said[13].clone()],
        "{heard:#?}"
    );
    let outcome = stage.gateway.ended(&call).await.pop().unwrap();
    let findings = outcome["out"]["findings"].as_array().unwrap();
    let mut dropped: Vec<_> = findings
        .iter()
        .filter(|finding| finding["rule"] == "unasked" && finding["action"] == "block")
        .map(|finding| (finding["kind"].as_str().unwrap(), finding["count"].as_u64().unwrap()))
        .collect();
    dropped.sort_unstable();
    assert_eq!(
        dropped,
        [
            ("notifications/cancelled", 1),
            ("notifications/message", 1),
            ("notifications/resources/list_changed", 1),
            ("notifications/resources/updated", 2),
            ("notifications/tools/list_changed", 1),
            ("other", 2)
        ],
        "{outcome:#}"
    );
    // What no MCP defines passes to whoever asks for something that no MCP defines.
    let heard = listen(&ada, &json!({ "vendor/x": true, "taskIds": [own] })).await.rest().await;
    let methods: Vec<_> = heard.iter().filter_map(|message| message["method"].as_str()?.strip_prefix("notifications/")).collect();
    assert_eq!(methods, ["subscriptions/acknowledged", "tasks", "vendor/x", "elicitation/complete", "cancelled"], "{heard:#?}");
    assert_eq!(heard[0]["params"]["notifications"], json!({ "taskIds": [own], "vendor/x": true }));
    stage.end().await;
}

/// Readings bring no arguments, so a rule that wants some takes every one away.
#[tokio::test]
async fn what_a_rule_lets_nobody_read_by_its_arguments_is_not_listened_to_either() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let rule = "rules: [{ name: closed, deny: { servers: [crm], resources: ['file:///public/closed/**'] }, unless: 'has(arguments.ticket)' }]";
    stage.obey(&format!("{POLICY}{rule}\n")).await;
    let updated = |uri: &str| note("notifications/resources/updated", &json!({ "uri": uri }));
    server_says(&stage, &[updated("file:///public/closed/b"), updated("file:///public/a")]);
    let uris = ["file:///public/a", "file:///public/closed/b"];
    assert_eq!(ada.request("resources/read", json!({ "uri": uris[1] })).await.code(), Some(-31403));
    let heard = listen(&ada, &json!({ "resourceSubscriptions": uris })).await.rest().await;
    let arrived = stage.crm.wait_for("subscriptions/listen").await.json()["params"]["notifications"].clone();
    assert_eq!(arrived, json!({ "resourceSubscriptions": ["file:///public/a"] }));
    assert_eq!(heard[0], updated("file:///public/a"), "{heard:#?}");
    stage.end().await;
}

#[tokio::test]
async fn a_role_that_loses_a_tool_hears_no_more_of_its_tasks() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let id = begun(&stage, &ada, OWN).await;
    stage.obey(&POLICY.replace("[slow, other]", "[other]")).await;
    server_says(&stage, &[note("notifications/tasks", &standing(OWN, "completed"))]);
    let heard = listen(&ada, &json!({ "taskIds": [id] })).await.rest().await;
    assert_eq!(heard.len(), 1, "{heard:#?}");
    assert_eq!(stage.crm.wait_for("subscriptions/listen").await.json()["params"]["notifications"], json!({ "taskIds": [] }));
    stage.end().await;
}

#[tokio::test]
async fn a_list_of_what_is_listened_to_that_is_none_is_refused() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    for odd in [
        json!({ "taskIds": "x" }),
        json!({ "taskIds": [7] }),
        json!({ "taskIds": null }),
        json!({ "taskIds": vec!["x"; 257] }),
        json!({ "resourceSubscriptions": {} }),
        json!({ "resourceSubscriptions": vec!["file:///public/a"; 1_025] }),
    ] {
        let refused = ada.request("subscriptions/listen", json!({ "notifications": odd, "_meta": knowing() })).await;
        assert_eq!((refused.status, refused.code()), (400, Some(-32600)), "{odd}: {refused:?}");
    }
    stage.end().await;
}

#[tokio::test]
async fn mcp_017_a_completion_of_what_is_denied_is_one_of_what_is_not_there() {
    let stage = Stage::set().await;
    for client in [stage.modern("ada", "staff").await, stage.legacy("bob", "staff").await] {
        let seen = stage.crm.count();
        let complete = async |reference: Value| {
            let params = json!({ "ref": reference, "argument": { "name": "a", "value": "b" } });
            client.request("completion/complete", params).await
        };
        for (hidden, unknown) in [
            (json!({ "type": "ref/prompt", "name": "admin" }), json!({ "type": "ref/prompt", "name": "nothing" })),
            (
                json!({ "type": "ref/resource", "uri": "file:///secret/{x}" }),
                json!({ "type": "ref/resource", "uri": "file:///nothing/{x}" }),
            ),
            (
                json!({ "type": "ref/resource", "uri": "file:///public/../secret/b" }),
                json!({ "type": "ref/resource", "uri": "file:///nothing" }),
            ),
            (
                json!({ "type": "ref/resource", "uri": "file:///public/../secret/{x}" }),
                json!({ "type": "ref/resource", "uri": "file:///nothing/{y}" }),
            ),
        ] {
            let (hidden, unknown) = (complete(hidden).await, complete(unknown).await);
            assert_eq!((hidden.status, hidden.code()), (200, Some(-32602)), "{hidden:?}");
            assert_eq!((unknown.status, unknown.code()), (200, Some(-32602)), "{unknown:?}");
            stage.refusal(&hidden, seen);
            stage.refusal(&unknown, seen);
        }
        // A server that folds case would complete the other.
        let two = complete(json!({ "type": "ref/prompt", "name": "hello", "Name": "admin" })).await;
        assert_eq!((two.status, two.code()), (400, Some(-32600)), "{two:?}");
        stage.refusal(&two, seen);
    }
    stage.end().await;
}

#[tokio::test]
async fn a_completion_is_looked_at_both_ways() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let complete = async |value: &str, known: &str| {
        let reference = json!({ "type": "ref/prompt", "name": "hello" });
        let params =
            json!({ "ref": reference, "argument": { "name": "a", "value": value }, "context": { "arguments": { "b": known } } });
        ada.request("completion/complete", params).await
    };
    replies(
        &stage.crm,
        "completion/complete",
        &json!({ "resultType": "complete", "completion": { "values": [format!("it is {SSN}")] } }),
    );
    let answer = complete(SSN, "x").await;
    assert_eq!(answer.result()["completion"]["values"], json!(["it is [us_ssn]"]), "{answer:?}");
    assert_eq!(stage.crm.wait_for("completion/complete").await.json()["params"]["argument"]["value"], "[us_ssn]");
    let seen = stage.crm.count();
    for (value, known) in [("AKIAIOSFODNN7EXAMPLE", "x"), ("x", "AKIAIOSFODNN7EXAMPLE")] {
        let refused = complete(value, known).await;
        assert_eq!(refused.code(), Some(-31422), "{refused:?}");
        stage.refusal(&refused, seen);
    }
    stage.end().await;
}

#[tokio::test]
async fn what_a_task_has_come_to_is_told_unasked_only_as_far_as_its_tool_may_answer() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let own = begun(&stage, &ada, OWN).await;
    let tells = |text: &str| note("notifications/tasks", &with(standing(OWN, "completed"), &json!({ "result": says(text) })));
    for (over, shadow) in [("refuse", false), ("truncate", false), ("refuse", true)] {
        let limit = format!(
            "results: [{{ name: short, tools: [slow], size: 1KiB, over: {over}, mode: {} }}]\n",
            if shadow { "shadow" } else { "enforce" }
        );
        stage.obey(&format!("{POLICY}{limit}")).await;
        let (long, short) = ("x".repeat(2000), "y".repeat(20));
        server_says(&stage, &[tells(&long), tells(&short)]);
        let stream = listen(&ada, &json!({ "taskIds": [own] })).await;
        let call = stream.head.call();
        let told: Vec<Value> =
            stream.rest().await.into_iter().filter(|message| message["method"] == "notifications/tasks").collect();
        let texts: Vec<_> = told.iter().map(|task| &task["params"]["result"]["content"][0]["text"]).collect();
        let first = if shadow { json!(long) } else { Value::Null };
        assert_eq!(texts, [&first, &json!(short)], "{over} {shadow}");
        assert_eq!((&told[0]["params"]["taskId"], &told[0]["params"]["status"]), (&json!(own), &json!("completed")));
        let outcome = stage.gateway.ended(&call).await.pop().unwrap();
        let found =
            outcome["out"]["findings"].as_array().into_iter().flatten().find(|found| found["layer"] == "results").cloned();
        let found = found.unwrap_or_else(|| panic!("{outcome:#}"));
        assert_eq!((&found["rule"], &found["kind"]), (&json!("short"), &json!("size")));
        assert_eq!(found["action"], if shadow { "shadow" } else { "block" });
    }
    stage.end().await;
}

#[tokio::test]
async fn what_a_task_has_come_to_is_held_to_the_schema_of_its_tool() {
    let crm = Upstream::start().await;
    let slow = json!({ "name": "slow", "inputSchema": { "type": "object" },
        "outputSchema": { "type": "object", "required": ["n"], "properties": { "n": { "type": "number" } } } });
    crm.set_tools([slow]);
    let gateway = Gateway::start().policy(POLICY).server("crm", &crm, "output_schemas: enforce");
    let mail = Upstream::start().await;
    let stage = Stage { gateway: gateway.server("mail", &mail, "").await, crm, mail };
    let ada = stage.modern("ada", "staff").await;
    ada.list_tools().await;
    let own = begun(&stage, &ada, OWN).await;
    let tells = |content: Value| {
        let result = json!({ "content": [], "structuredContent": content });
        note("notifications/tasks", &with(standing(OWN, "completed"), &json!({ "result": result })))
    };
    server_says(&stage, &[tells(json!({ "n": 1 })), tells(json!({ "n": "one" }))]);
    let stream = listen(&ada, &json!({ "taskIds": [own] })).await;
    let call = stream.head.call();
    let told: Vec<Value> = stream.rest().await.into_iter().filter(|message| message["method"] == "notifications/tasks").collect();
    let results: Vec<_> = told.iter().map(|task| &task["params"]["result"]["structuredContent"]).collect();
    assert_eq!(results, [&json!({ "n": 1 }), &Value::Null], "{told:#?}");
    let outcome = stage.gateway.ended(&call).await.pop().unwrap();
    let rules: Vec<_> = outcome["out"]["findings"].as_array().into_iter().flatten().map(|found| &found["rule"]).collect();
    assert_eq!(rules, ["output_schema"], "{outcome:#}");
    stage.end().await;
}
