//! Progress tokens and cancellations: each side hears its own names for what it asked, and nobody reaches what another has asked.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test stops at the first surprise")]

use serde_json::{Value, json};

use crate::support::client::{Client, Events, meta};
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::{Arrived, Upstream};

const POLICY: &str = r"version: 1
roles:
  asked:
    allow:
      - { servers: [crm], tools: ['*'], server_requests: [elicitation] }
bindings:
  - { role: asked, groups: [staff] }
";

struct Stage {
    gateway: Gateway,
    crm: Upstream,
}

impl Stage {
    async fn set() -> Self {
        let crm = Upstream::start().await;
        let gateway = Gateway::start().policy(POLICY).servers([("crm", &crm)]).await;
        Self { gateway, crm }
    }

    async fn legacy(&self, name: &str) -> Client {
        let key = self.gateway.key(name, &["staff"]).await;
        Client::declaring(self.gateway.address, "crm", &key, "2025-11-25", json!({ "elicitation": {} })).await
    }

    async fn modern(&self, name: &str) -> Client {
        self.gateway.modern("crm", &self.gateway.key(name, &["staff"]).await)
    }

    /// The token under which the server was asked last.
    fn token_at_server(&self) -> Value {
        self.crm.calls().pop().unwrap().json()["params"]["_meta"]["progressToken"].clone()
    }

    async fn findings(&self, call: &str) -> Value {
        self.gateway.ended(call).await.pop().unwrap()["out"]["findings"].clone()
    }
}

/// How far something is, in the words of the server: `{token}` is the token that it was asked with.
fn progress(token: &str) -> Step {
    Step::Message(format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progressToken":{token},"progress":0.5}}}}"#
    ))
}

async fn call(client: &Client, tool: &str, token: &Value) -> Events {
    let mut meta = if client.session.is_some() { json!({}) } else { meta() };
    meta["progressToken"] = token.clone();
    client.stream("tools/call", json!({ "name": tool, "arguments": {}, "_meta": meta })).await
}

fn foreign(count: u64) -> Value {
    json!([{ "action": "block", "count": count, "kind": "notifications/progress", "layer": "decode", "rule": "progress-token",
        "side": "response" }])
}

#[tokio::test]
async fn a_server_is_told_a_token_of_ours_and_the_client_hears_its_own() {
    let stage = Stage::set().await;
    stage.crm.on_tool("slow", Reply::stream([progress("{token}"), Step::text("done")]));
    for client in [stage.modern("ada").await, stage.legacy("ada").await] {
        for token in [json!(1), json!("1"), json!("a \"b\" \u{e9}"), json!(-7)] {
            let events = call(&client, "slow", &token).await;
            let id = events.head.call();
            let heard = events.rest().await;
            assert_eq!((heard.len(), &heard[0]["params"]["progressToken"]), (2, &token), "{heard:#?}");
            assert_eq!(stage.token_at_server(), json!(id), "one request of all there are");
            let records = stage.gateway.records_of(&id);
            assert!(records[0]["dec"]["edits"].is_null() && records[1]["out"]["findings"].is_null(), "{records:#?}");
        }
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn progress_of_something_else_is_not_delivered_and_is_on_record() {
    let stage = Stage::set().await;
    // Somebody else's call, which is under way.
    let gate = Gate::default();
    stage.crm.on_tool("held", Reply::stream([progress("{token}"), Step::Wait(gate.clone()), Step::text("done")]));
    let bob = stage.legacy("bob").await;
    let mut others = call(&bob, "held", &json!("bobs")).await;
    assert_eq!(others.next().await.unwrap()["params"]["progressToken"], "bobs");
    let foreign_token = stage.token_at_server().to_string();

    let steps = [
        progress(&foreign_token),
        progress("\"bobs\""),
        progress("1"),
        progress("\"00000000-0000-0000-0000-000000000000\""),
        Step::Message(r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":1}}"#.to_owned()),
        progress("{token}"),
        Step::text("done"),
    ];
    stage.crm.on_tool("slow", Reply::stream(steps));
    for client in [stage.modern("ada").await, stage.legacy("ada").await] {
        let events = call(&client, "slow", &json!(1)).await;
        let id = events.head.call();
        let heard = events.rest().await;
        assert_eq!(heard.len(), 2, "{heard:#?}");
        assert_eq!((&heard[0]["params"]["progressToken"], &heard[1]["id"]), (&json!(1), &json!(1)), "{heard:#?}");
        assert_eq!(stage.findings(&id).await, foreign(5));
    }
    // Who has asked for no progress hears of none.
    stage.crm.on_tool("slow", Reply::stream([progress("{token}"), progress("1"), Step::text("done")]));
    let answer = stage.modern("ada").await.call("slow", json!({})).await;
    assert_eq!(answer.messages().len(), 1, "{answer:?}");
    assert_eq!(stage.findings(&answer.call()).await, foreign(2));
    gate.open();
    assert_eq!(others.rest().await.len(), 1, "another's stream has suffered");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn in_a_session_progress_may_come_on_its_stream_of_pushes_and_on_no_other_sessions() {
    let stage = Stage::set().await;
    let gate = Gate::default();
    stage.crm.on_tool("held", Reply::stream([progress("{token}"), Step::Wait(gate.clone()), Step::text("done")]));
    let (ada, bob) = (stage.legacy("ada").await, stage.legacy("bob").await);
    let mut held = call(&ada, "held", &json!(7)).await;
    assert!(held.next().await.is_some());
    let token = stage.token_at_server().to_string();
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    stage.crm.on_method("GET", Reply::stream([progress(&token), Step::message(&note)]));
    let own = ada.listen().await.rest().await;
    assert_eq!((own.len(), &own[0]["params"]["progressToken"]), (2, &json!(7)), "{own:#?}");
    let events = bob.listen().await;
    let call = events.head.call();
    assert_eq!(events.rest().await, [note], "somebody else's progress");
    assert_eq!(stage.findings(&call).await, foreign(1));
    gate.open();
    assert_eq!(held.rest().await.len(), 1);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_token_that_cannot_be_given_back_as_it_is_is_refused() {
    let stage = Stage::set().await;
    let (modern, legacy) = (stage.modern("ada").await, stage.legacy("ada").await);
    let seen = stage.crm.count();
    for client in [modern, legacy] {
        for token in [json!(1.5), json!(null), json!({}), json!([1]), json!(true), json!("x".repeat(300)), json!(1u64 << 60)] {
            let answer = call(&client, "slow", &token).await.head;
            assert_eq!((answer.status, answer.code()), (200, Some(-32602)), "{token}: {answer:?}");
        }
    }
    assert_eq!(stage.crm.count(), seen, "it reached the server");
    stage.gateway.stop_and_verify().await;
}

fn told(stage: &Stage, method: &str) -> Vec<Arrived> {
    stage.crm.arrived().into_iter().filter(|request| request.rpc_method() == method).collect()
}

#[tokio::test]
async fn a_client_tells_of_progress_with_what_it_was_asked_and_with_nothing_else() {
    let stage = Stage::set().await;
    let (ada, bob) = (stage.legacy("ada").await, stage.legacy("bob").await);
    let params = json!({ "message": "m", "requestedSchema": { "type": "object", "properties": {} }, "_meta": { "progressToken": "theirs" } });
    let question = json!({ "jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": params });
    let gate = Gate::default();
    stage.crm.on_tool("ask", Reply::stream([Step::message(&question), Step::Wait(gate.clone()), Step::text("done")]));
    let mut events = call(&ada, "ask", &json!(1)).await;
    let asked = events.next().await.unwrap();
    let ours = &asked["params"]["_meta"]["progressToken"];
    assert!(ours.is_u64(), "{asked:#}");
    let tell = |token: &Value| json!({ "progressToken": token, "progress": 1 });
    for (what, client, token) in [
        ("another session's", &bob, ours),
        ("the server's own", &ada, &json!("theirs")),
        ("a number never given", &ada, &json!(99)),
    ] {
        let answer = client.notify("notifications/progress", tell(token)).await;
        assert_eq!(answer.status, 202, "{what}: {answer:?}");
        let records = stage.gateway.records_of(&answer.call());
        assert_eq!(records[0]["dec"]["detail"], "not_open", "{what}: {records:#?}");
    }
    assert_eq!(ada.notify("notifications/progress", tell(ours)).await.status, 202);
    let heard = told(&stage, "notifications/progress");
    assert_eq!(heard.len(), 1, "{heard:#?}");
    assert_eq!(heard[0].json()["params"], tell(&json!("theirs")));
    assert_eq!(ada.answer(&asked["id"], json!({ "action": "decline" })).await.status, 202);
    assert_eq!(ada.notify("notifications/progress", tell(ours)).await.status, 202, "too late");
    assert_eq!(told(&stage, "notifications/progress").len(), 1, "what was answered is not open any more");
    gate.open();
    drop(events);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_client_cancels_what_it_has_asked_in_its_session_and_nothing_else() {
    let stage = Stage::set().await;
    let (ada, bob) = (stage.legacy("ada").await, stage.legacy("bob").await);
    let gate = Gate::default();
    stage.crm.on_tool("held", Reply::stream([progress("{token}"), Step::Wait(gate.clone()), Step::text("done")]));
    let mut events = call(&ada, "held", &json!(1)).await;
    assert!(events.next().await.is_some());
    let cancel = |id: Value| json!({ "requestId": id });
    for (what, client, id) in
        [("another session's", &bob, json!(1)), ("no request's", &ada, json!(2)), ("a text", &ada, json!("1"))]
    {
        let answer = client.notify("notifications/cancelled", cancel(id)).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{what}: {answer:?}");
        assert_eq!(stage.gateway.records_of(&answer.call())[0]["dec"]["detail"], "not_open", "{what}");
    }
    assert!(told(&stage, "notifications/cancelled").is_empty(), "the server heard of what is not open");
    // A connection that is lost is no cancellation, and one may follow.
    drop(events);
    stage.crm.wait_for("tools/call").await;
    assert_eq!(ada.notify("notifications/cancelled", cancel(json!(1))).await.status, 202);
    let heard = told(&stage, "notifications/cancelled");
    assert_eq!((heard.len(), heard[0].header("mcp-session-id")), (1, Some("upstream-session-1")), "{heard:#?}");
    // What was answered cannot be cancelled.
    assert_eq!(bob.call("echo", json!({})).await.status, 200);
    assert_eq!(bob.notify("notifications/cancelled", cancel(json!(1))).await.status, 202);
    assert_eq!(told(&stage, "notifications/cancelled").len(), 1);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn at_a_server_without_sessions_no_client_cancels_by_a_number() {
    let stage = Stage::set().await;
    let result = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": { "name": "x", "version": "1" } });
    stage.crm.on_method("initialize", Reply::result(&result));
    let ada = stage.legacy("ada").await;
    let gate = Gate::default();
    stage.crm.on_tool("held", Reply::stream([progress("{token}"), Step::Wait(gate.clone()), Step::text("done")]));
    let mut events = call(&ada, "held", &json!(1)).await;
    assert!(events.next().await.is_some());
    assert_eq!(ada.notify("notifications/cancelled", json!({ "requestId": 1 })).await.status, 202);
    assert!(told(&stage, "notifications/cancelled").is_empty(), "it may mean anybody's request there");
    gate.open();
    assert_eq!(events.rest().await.len(), 1);
    stage.gateway.stop_and_verify().await;
}
