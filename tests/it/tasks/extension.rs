//! 2026-07-28: the server decides to make a task of a call, where its client knows the extension.

use serde_json::{Value, json};

use super::{EXTENSION, ORDERS, OWN, POLICY, SSN, Stage, assert_unknown, comparable, knowing, replies, says, standing, with};
use crate::support::client::Client;
use crate::support::http::Answer;
use crate::support::reply::Reply;

/// A request of a client that knows tasks.
async fn ask(client: &Client, method: &str, params: &Value) -> Answer {
    client.request(method, with(params.clone(), &json!({ "_meta": knowing() }))).await
}

fn created(own: &str) -> Value {
    with(standing(own, "working"), &json!({ "resultType": "task" }))
}

async fn begin(client: &Client) -> Answer {
    ask(client, "tools/call", &json!({ "name": "slow", "arguments": {} })).await
}

/// The id under which a client has got the task `own` of the server.
pub(super) async fn begun(stage: &Stage, client: &Client, own: &str) -> String {
    stage.crm.on_tool("slow", Reply::result(&created(own)));
    let answer = begin(client).await;
    assert_eq!(answer.result()["resultType"], "task", "{answer:?}");
    answer.result()["taskId"].as_str().unwrap().to_owned()
}

async fn about(client: &Client, method: &str, id: &str) -> Answer {
    let answers = if method == "tasks/update" { json!({ "inputResponses": {} }) } else { json!({}) };
    ask(client, method, &with(json!({ "taskId": id }), &answers)).await
}

/// How the server says its task stands.
fn stands(stage: &Stage, more: &Value) {
    replies(&stage.crm, "tasks/get", &with(with(standing(OWN, "working"), &json!({ "resultType": "complete" })), more));
}

#[tokio::test]
async fn a_task_has_an_id_of_ours_by_which_its_caller_follows_and_answers_it() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let id = begun(&stage, &ada, OWN).await;
    assert!(!id.contains(OWN), "the client knows the server's id: {id}");
    let form = json!({ "message": "Which one?", "requestedSchema": { "type": "object", "properties": {} } });
    stands(
        &stage,
        &json!({ "status": "input_required", "inputRequests": { "a": { "method": "elicitation/create", "params": form } } }),
    );
    let asked = about(&ada, "tasks/get", &id).await;
    assert_eq!((&asked.result()["taskId"], &asked.result()["inputRequests"]["a"]["params"]), (&json!(id), &form), "{asked:?}");
    let outcome = &stage.gateway.records_of(&asked.call())[1]["out"];
    assert_eq!(outcome["findings"][0]["kind"], "elicitation/create", "on record is what was asked: {outcome:#}");

    replies(&stage.crm, "tasks/update", &json!({ "resultType": "complete" }));
    let answers = json!({ "a": { "action": "accept", "content": { "which": SSN } } });
    let taken = ask(&ada, "tasks/update", &json!({ "taskId": id, "inputResponses": answers })).await;
    assert_eq!(taken.result(), json!({ "resultType": "complete" }), "{taken:?}");
    let arrived = stage.crm.wait_for("tasks/update").await;
    assert_eq!((arrived.header("mcp-name"), &arrived.json()["params"]["taskId"]), (Some(OWN), &json!(OWN)), "{arrived:?}");
    assert_eq!(arrived.json()["params"]["inputResponses"]["a"]["content"]["which"], "[us_ssn]");

    stands(&stage, &json!({ "status": "completed", "result": says("done") }));
    let done = about(&ada, "tasks/get", &id).await;
    assert_eq!(done.result()["result"], says("done"), "{done:?}");
    assert_eq!(stage.crm.wait_for("tasks/get").await.header("mcp-name"), Some(OWN), "what routers go by");
    replies(&stage.crm, "tasks/cancel", &json!({ "resultType": "complete" }));
    assert_eq!(about(&ada, "tasks/cancel", &id).await.status, 200);
    let record = &stage.gateway.records_of(&done.call())[0];
    assert_eq!((&record["what"]["method"], &record["what"]["name"]), (&json!("tasks/get"), &json!("slow")), "{record:#}");
    assert!(record["dec"]["edits"].is_null(), "another id is no edit: {record:#}");
    stage.end().await;
}

#[tokio::test]
async fn the_task_of_another_caller_is_as_unknown_as_one_that_was_made_up() {
    let stage = Stage::set().await;
    let (ada, eve) = (stage.modern("ada", "staff").await, stage.modern("eve", "staff").await);
    let id = begun(&stage, &ada, OWN).await;
    let seen = stage.crm.count();
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let foreign = about(&eve, method, &id).await;
        assert_unknown(method, &foreign);
        stage.refusal(&foreign, seen);
        for (what, client, shown) in
            [("made up", &eve, "no-such-task"), ("the server's own id", &ada, OWN), ("10 KB", &ada, &"x".repeat(10 << 10))]
        {
            let answer = about(client, method, shown).await;
            assert_eq!(comparable(&answer), comparable(&foreign), "{method}, {what}");
            stage.refusal(&answer, seen);
        }
    }
    stage.obey(&POLICY.replace("[slow, other]", "[other]")).await;
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        let lost = about(&ada, method, &id).await;
        assert_unknown(method, &lost);
        assert_eq!(stage.refusal(&lost, seen)["what"]["name"], "slow", "the role has lost the tool");
    }
    stage.end().await;
}

#[tokio::test]
async fn who_does_not_know_tasks_gets_none_and_can_ask_of_none() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let id = begun(&stage, &ada, OWN).await;
    let unknowing = ada.call("slow", json!({})).await;
    assert_eq!(unknowing.result()["isError"], true, "{unknowing:?}");
    assert!(!format!("{unknowing:?}").contains("taskId"), "{unknowing:?}");
    let seen = stage.crm.count();
    for shown in [id.as_str(), "no-such-task"] {
        for (method, params) in [
            ("tasks/get", json!({ "taskId": shown })),
            ("tasks/update", json!({ "taskId": shown, "inputResponses": {} })),
            ("tasks/cancel", json!({ "taskId": shown })),
            ("subscriptions/listen", json!({ "notifications": { "taskIds": [shown] } })),
        ] {
            let refused = ada.request(method, params).await;
            assert_eq!((refused.status, refused.code()), (400, Some(-32021)), "{method}: {refused:?}");
            let required = &refused.json()["error"]["data"]["requiredCapabilities"];
            assert_eq!(*required, json!({ "extensions": { (EXTENSION): {} } }));
            assert_eq!(stage.refusal(&refused, seen)["dec"]["reason"], "missing_capability");
        }
    }
    for method in ["tasks/list", "tasks/result"] {
        for removed in [about(&ada, method, &id).await, ada.request(method, json!({ "taskId": id })).await] {
            assert_eq!((removed.status, removed.code()), (404, Some(-32601)), "{method}: {removed:?}");
        }
    }
    let message = ada.message(Some(&json!(1)), "tasks/get", json!({ "taskId": id, "_meta": knowing() }));
    for header in [Some("another"), Some(OWN), None] {
        let post = ada.post(&message);
        let post = header.map_or(post.clone().without("Mcp-Name"), |name| post.header("Mcp-Name", name));
        let refused = post.send().await;
        assert_eq!((refused.status, refused.code()), (400, Some(-32020)), "Mcp-Name: {header:?}: {refused:?}");
    }
    assert_eq!(stage.crm.count(), seen);
    stage.end().await;
}

#[tokio::test]
async fn a_result_that_comes_later_is_looked_at_like_one_that_comes_at_once() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let id = begun(&stage, &ada, OWN).await;
    stands(&stage, &json!({ "status": "completed", "result": says(&format!("it is {SSN}")), "statusMessage": SSN }));
    let masked = about(&ada, "tasks/get", &id).await.result();
    assert_eq!(
        (&masked["result"]["content"][0]["text"], &masked["statusMessage"]),
        (&json!("it is [us_ssn]"), &json!("[us_ssn]"))
    );
    stands(&stage, &json!({ "status": "failed", "error": { "code": -32603, "message": format!("no {SSN}") } }));
    assert_eq!(about(&ada, "tasks/get", &id).await.result()["error"]["message"], "no [us_ssn]");
    stands(&stage, &json!({ "status": "completed", "result": says(ORDERS) }));
    let labelled = about(&ada, "tasks/get", &id).await.result()["result"]["content"][0]["text"].clone();
    assert!(labelled.as_str().unwrap().starts_with("[Yett "), "{labelled}");
    stage.end().await;
}

#[tokio::test]
async fn mcp_030_what_a_task_asks_without_a_grant_stays_behind() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let id = begun(&stage, &ada, OWN).await;
    let sampling = json!({ "method": "sampling/createMessage", "params": { "messages": [], "maxTokens": 1 } });
    let form = json!({ "method": "elicitation/create", "params": { "message": "m", "requestedSchema": {} } });
    let orders = json!({ "method": "elicitation/create", "params": { "message": ORDERS, "requestedSchema": {} } });
    for (what, more) in [
        ("the model", json!({ "inputRequests": { "a": sampling } })),
        ("the user and the model", json!({ "inputRequests": { "a": form, "b": sampling } })),
        ("a form with orders", json!({ "inputRequests": { "a": orders } })),
        ("in its result", json!({ "result": { "inputRequests": { "a": form } } })),
        ("by a state in its result", json!({ "result": { "requestState": "s" } })),
        ("by sending to a URL", json!({ "error": { "code": -32042, "message": "go there" } })),
    ] {
        stands(&stage, &more);
        let withheld = about(&ada, "tasks/get", &id).await;
        assert_eq!(withheld.code(), Some(-31422), "{what}: {withheld:?}");
    }
    stands(&stage, &json!({ "requestState": SSN }));
    let leak = about(&ada, "tasks/get", &id).await;
    assert!(leak.code() == Some(-31502) && !format!("{leak:?}").contains(SSN), "a task has no state: {leak:?}");

    let with_state = json!({ "taskId": id, "inputResponses": {}, "requestState": "s" });
    assert_eq!(ask(&ada, "tasks/update", &with_state).await.code(), Some(-32602));
    stage.obey(&POLICY.replace(", server_requests: [elicitation]", "")).await;
    let seen = stage.crm.count();
    let answer = about(&ada, "tasks/update", &id).await;
    assert_eq!(answer.code(), Some(-32602), "an answer to what nobody may ask: {answer:?}");
    stage.refusal(&answer, seen);
    stage.end().await;
}

#[tokio::test]
async fn a_secret_in_an_answer_never_reaches_the_server() {
    let stage = Stage::set().await;
    let ada = stage.modern("ada", "staff").await;
    let id = begun(&stage, &ada, OWN).await;
    let seen = stage.crm.count();
    let secret = json!({ "a": { "action": "accept", "content": { "key": "AKIAIOSFODNN7EXAMPLE" } } });
    let refused = ask(&ada, "tasks/update", &json!({ "taskId": id, "inputResponses": secret })).await;
    assert_eq!(refused.code(), Some(-31422), "{refused:?}");
    stage.refusal(&refused, seen);
    stage.end().await;
}

#[tokio::test]
async fn the_extension_is_declared_to_who_could_use_it() {
    let stage = Stage::set().await;
    let extensions = json!({ (EXTENSION): {}, "vendor/x": {} });
    let discovered = json!({ "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {}, "extensions": extensions },
        "resultType": "complete", "ttlMs": 0, "cacheScope": "public" });
    replies(&stage.crm, "server/discover", &discovered);
    let ada = stage.modern("ada", "staff").await;
    assert_eq!(ada.request("server/discover", json!({})).await.result()["capabilities"]["extensions"], extensions);
    stage.obey(&POLICY.replace("tools: [slow, other], ", "")).await;
    let told = ada.request("server/discover", json!({})).await.result()["capabilities"].clone();
    assert_eq!(told, json!({ "tools": { "listChanged": true }, "extensions": { "vendor/x": {} } }));
    stage.end().await;
}

#[tokio::test]
async fn what_the_other_era_has_given_is_good_in_this_one() {
    let stage = Stage::set().await;
    let key = stage.gateway.key("ada", &["staff"]).await;
    let (modern, legacy) = (stage.gateway.modern("crm", &key), stage.gateway.legacy("crm", &key).await);
    let id = begun(&stage, &modern, OWN).await;
    replies(&stage.crm, "tasks/get", &standing(OWN, "working"));
    let told = legacy.request("tasks/get", json!({ "taskId": id })).await;
    assert_eq!(told.result()["taskId"], id.as_str(), "{told:?}");
    stage.end().await;
}
