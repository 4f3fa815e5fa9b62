//! What lasts longer than its request: tasks of both eras, and listeners. Asked under one policy and then the same under another, the
//! gateway's own decisions say what replay is to tell.

use std::fs;

use serde_json::{Value, json};

use super::{counts, replay};
use crate::support::client::{Client, meta};
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::reply::{Reply, Step};
use crate::support::server::Upstream;

const POLICY: &str = "version: 1
roles:
  worker:
    allow:
      - { servers: [crm], tools: [slow, other], resources: [\"file:///public/**\"], server_requests: [elicitation] }
bindings: [{ role: worker, groups: [staff] }]
rules:
  - { name: twos, deny: { servers: [crm], tools: [slow] }, when: 'has(arguments.x) && arguments.x == 2' }
";

fn standing(more: &Value) -> Value {
    let mut task = json!({ "taskId": "own", "status": "working", "createdAt": "2026-11-28T10:30:00Z",
        "lastUpdatedAt": "2026-11-28T10:40:00Z", "ttl": 60000, "ttlMs": 60000, "pollInterval": 10, "pollIntervalMs": 10 });
    task.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    task
}

async fn upstream() -> Upstream {
    let crm = Upstream::start().await;
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        crm.on_method(method, Reply::result(&standing(&json!({ "resultType": "complete" }))));
    }
    crm.on_method("tasks/result", Reply::text("done"));
    let acknowledged = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged",
        "params": { "notifications": {}, "_meta": { "io.modelcontextprotocol/subscriptionId": 1 } } });
    let end = json!({ "jsonrpc": "2.0", "id": 1, "result": { "resultType": "complete" } });
    crm.on_method("subscriptions/listen", Reply::stream([Step::message(&acknowledged), Step::message(&end)]));
    crm
}

/// A request of a client that knows tasks.
async fn knowing(client: &Client, method: &str, mut params: Value) -> Answer {
    let mut declared = meta();
    declared["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "elicitation": {}, "extensions": { "io.modelcontextprotocol/tasks": {} } });
    params["_meta"] = declared;
    client.request(method, params).await
}

fn id(answer: &Answer) -> String {
    let result = answer.result();
    let task = result.get("task").unwrap_or(&result);
    task["taskId"].as_str().unwrap_or_else(|| panic!("no task: {answer:?}")).to_owned()
}

/// The callers of a gateway, and the tasks that they have.
struct Stage {
    gateway: Gateway,
    crm: Upstream,
    modern: Client,
    legacy: Client,
    /// Holds nothing.
    other: Client,
    tasks: [String; 2],
}

impl Stage {
    async fn set() -> (Self, Vec<String>) {
        let crm = upstream().await;
        let gateway = Gateway::start().server("crm", &crm, "capture: full").policy(POLICY).await;
        let key = gateway.key("ada", &["staff"]).await;
        let (modern, legacy) = (gateway.modern("crm", &key), gateway.legacy("crm", &key).await);
        let other = gateway.modern("crm", &gateway.key("eve", &[]).await);
        crm.on_tool("slow", Reply::result(&standing(&json!({ "resultType": "task" }))));
        let of_modern = knowing(&modern, "tools/call", json!({ "name": "slow", "arguments": { "x": 1 } })).await;
        crm.on_tool("slow", Reply::result(&json!({ "task": standing(&json!({})) })));
        let of_legacy = legacy.request("tools/call", json!({ "name": "slow", "arguments": {}, "task": { "ttl": 60000 } })).await;
        let tasks = [id(&of_modern), id(&of_legacy)];
        (Self { gateway, crm, modern, legacy, other, tasks }, vec![of_modern.call(), of_legacy.call()])
    }

    /// Asks about the tasks, and listens; the calls, in order.
    async fn ask(&self) -> Vec<String> {
        let [of_modern, of_legacy] = &self.tasks;
        let mut calls = Vec::new();
        self.crm.on_tool("slow", Reply::text("done"));
        for x in [1, 2] {
            calls.push(self.modern.call("slow", json!({ "x": x })).await.call());
        }
        for (method, params) in [
            ("tasks/get", json!({ "taskId": of_modern })),
            ("tasks/update", json!({ "taskId": of_modern, "inputResponses": {} })),
            ("tasks/cancel", json!({ "taskId": of_modern })),
            ("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })),
            (
                "subscriptions/listen",
                json!({ "notifications": { "resourceSubscriptions": ["file:///public/a", "file:///secret/a"], "taskIds": [of_modern] } }),
            ),
            ("subscriptions/listen", json!({ "notifications": {} })),
        ] {
            calls.push(knowing(&self.modern, method, params).await.call());
        }
        for (method, params) in [
            ("tasks/get", json!({ "taskId": of_legacy })),
            ("tasks/result", json!({ "taskId": of_legacy })),
            ("tasks/cancel", json!({ "taskId": of_legacy })),
            ("tasks/list", json!({})),
        ] {
            calls.push(self.legacy.request(method, params).await.call());
        }
        // They are nobody's.
        let wanted = json!({ "notifications": { "toolsListChanged": true } });
        calls.push(knowing(&self.other, "subscriptions/listen", wanted).await.call());
        calls
    }

    fn decision(&self, call: &str) -> Value {
        let record = self.gateway.records_of(call).remove(0);
        let dec = &record["dec"];
        let findings = dec["findings"].as_array().cloned().unwrap_or_default();
        let shadow: Vec<_> = findings.into_iter().filter(|finding| finding["action"] == "shadow").collect();
        json!([record["what"]["method"], dec["effect"], dec["rule"], shadow])
    }
}

#[tokio::test]
async fn what_is_asked_about_tasks_and_listened_to_is_judged_again_as_the_gateway_would() {
    let twos = "when: 'has(arguments.x) && arguments.x == 2'";
    for (what, draft, changes) in [
        // The call is refused from now on, its tasks are unknown but for their end, and to listen is to listen still.
        ("a rule", POLICY.replace(&format!(", {twos}"), ""), true),
        // Arguments of a task were judged when it was made.
        ("a rule by arguments", POLICY.replace("arguments.x == 2", "arguments.x == 1"), true),
        ("a grant", POLICY.replace("tools: [slow, other]", "tools: [other]"), true),
        ("everything", POLICY.replace("groups: [staff]", "groups: [none]"), true),
        ("what a server may ask", POLICY.replace(", server_requests: [elicitation]", ""), true),
        ("what may be listened to", POLICY.replace("file:///public/**", "file:///elsewhere/**"), false),
        ("shadow", POLICY.replace(twos, "mode: shadow"), true),
    ] {
        let (stage, begun) = Stage::set().await;
        let asked = stage.ask().await;
        let unknown = knowing(&stage.other, "tasks/get", json!({ "taskId": stage.tasks[0] })).await;
        let folder = stage.gateway.data().parent().unwrap().to_owned();
        // Two handshakes' messages, and what has made the tasks.
        let count = 2 + (begun.len() + asked.len()) as u64;
        let (output, told) = replay(&folder, &[]).await;
        assert_eq!((output.status.code(), counts(&told)), (Some(0), [count, 0, 0]), "{what}: {told:#}");
        assert_eq!(
            (&told["undecidable"], &told["before_policy"]),
            (&json!({}), &json!({ "unknown_task": 1 })),
            "{what}: {unknown:?}"
        );

        fs::create_dir(folder.join("draft")).unwrap();
        fs::write(folder.join("draft/0.yaml"), &draft).unwrap();
        let (_, told) = replay(&folder, &["--policies", "draft"]).await;
        fs::write(folder.join("policies/0.yaml"), &draft).unwrap();
        assert!(stage.gateway.running.reload("signal").await.unwrap().changed);
        let again = stage.ask().await;
        let pairs = asked.iter().zip(&again).map(|(old, new)| (stage.decision(old), stage.decision(new)));
        let differing: Vec<_> = pairs.filter(|(old, new)| old != new).collect();
        // What is not asked again: a session cannot begin twice, nor a task. They are as the list of tasks and the call of `x: 1`.
        let as_list = differing.iter().filter(|(old, _)| old[0] == "tasks/list").count() * 2;
        let as_call = differing.iter().filter(|(old, _)| old[0] == "tools/call" && old[1] == "allow").count();
        let without_x = if what == "a rule by arguments" { 0 } else { as_call };
        let expected = (differing.len() + as_list + as_call + without_x) as u64;
        // Which kind of question was answered is in no record, so that is not said of an answer.
        let (unsure, why) = if what == "what a server may ask" {
            assert!(differing.iter().all(|(old, _)| old[0] == "tasks/update"), "{differing:#?}");
            (1, json!({ "an answer to a question whose kind is in no record": 1 }))
        } else {
            (0, json!({}))
        };
        assert_eq!(counts(&told), [count - expected, 0, expected - unsure], "{what}: {told:#}\n{differing:#?}");
        assert_eq!(told["undecidable"], why, "{what}");
        assert_eq!(expected > 0, changes, "{what}");
        stage.gateway.stop_and_verify().await;
    }
}
