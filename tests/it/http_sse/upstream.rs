//! The other side: a server that speaks nothing newer, behind clients of any transport.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::POLICY;
use super::client::SseClient;
use super::server::SseServer;
use crate::support::client::Client;
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::server::Upstream;
use crate::support::{eventually, within};

struct Behind {
    gateway: Gateway,
    crm: SseServer,
    key: String,
}

impl Behind {
    async fn set() -> Self {
        Self::with("").await
    }

    /// With more keys of the server.
    async fn with(server: &str) -> Self {
        let crm = SseServer::start().await;
        let gateway = Gateway::start()
            .server_at("crm", crm.address, &format!("transport: sse, auth: {{ bearer: of-the-gateway }}{server}"))
            .policy(POLICY)
            .listener_extra("legacy_sse: true")
            .await;
        let key = gateway.key("ada", &["staff"]).await;
        Self { gateway, crm, key }
    }

    async fn client(&self) -> Client {
        Client::declaring(self.gateway.address, "crm", &self.key, "2025-11-25", json!({ "elicitation": {} })).await
    }

    /// Tries to shake hands: the record of how that ended.
    async fn failed_handshake(&self) -> (Answer, Value) {
        let client = Client::before_handshake(self.gateway.address, "crm", &self.key, "2025-11-25");
        let params =
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let answer = client.request("initialize", params).await;
        let records = self.gateway.ended(&answer.call()).await;
        (answer, records[1]["out"].clone())
    }

    async fn end(self) {
        self.gateway.stop_and_verify().await;
    }
}

fn call(id: i64, tool: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": { "name": tool, "arguments": {}, "_meta": { "progressToken": "p" } } })
}

#[tokio::test]
async fn a_call_to_a_server_of_http_sse_looks_like_any_other() {
    let behind = Behind::set().await;
    let ada = behind.client().await;
    assert_eq!(ada.list_tools().await.tools(), ["echo"], "filtered");
    behind.crm.holds("echo");
    let asking = async {
        let mut events = ada.open(&call(7, "echo")).await;
        [events.next().await.unwrap(), events.next().await.unwrap()]
    };
    let answering = async {
        let arrived = behind.crm.wait_for("tools/call").await;
        let wire = arrived.message["id"].clone();
        let progress =
            json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": wire, "progress": 1 } });
        behind.crm.says(1, &progress);
        let result = json!({ "content": [{ "type": "text", "text": "her number is 536-22-1234" }] });
        behind.crm.says(1, &json!({ "jsonrpc": "2.0", "id": wire, "result": result }));
        arrived
    };
    let ([progress, answer], arrived) = tokio::join!(asking, answering);
    assert_eq!(progress["params"]["progressToken"], "p");
    assert_eq!((&answer["id"], &answer["result"]["content"][0]["text"]), (&json!(7), &json!("her number is [us_ssn]")));
    let wire = &arrived.message["id"];
    assert!(wire.is_i64() && *wire != 7, "an id of ours: {}", arrived.message);
    assert_eq!(arrived.message["params"]["_meta"]["progressToken"], *wire, "and its progress by the same");
    assert_eq!(arrived.headers["authorization"], "Bearer of-the-gateway");
    assert!(!format!("{:?}", arrived.headers).contains(&behind.key), "our caller's credential: {:?}", arrived.headers);
    let call = arrived.headers["yett-call"].to_str().unwrap().to_owned();
    let records = behind.gateway.ended(&call).await;
    assert_eq!(records.last().unwrap()["out"]["status"], "ok", "{records:#?}");
    assert_eq!(ada.call("delete", json!({})).await.code(), Some(-32602), "hidden");
    behind.end().await;
}

#[tokio::test]
async fn each_session_has_a_stream_of_its_own_that_ends_with_it() {
    let behind = Behind::set().await;
    let (ada, bob) = (behind.client().await, SseClient::begin(&behind.gateway, "crm", &behind.key).await);
    assert_eq!(behind.crm.opened(), 2);
    assert_eq!(ada.call("echo", json!({})).await.text(), "echo was called");
    assert_eq!(behind.crm.wait_for("tools/call").await.stream, 1);
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": { "level": "info", "data": "bob's" } });
    let mut bob = bob;
    bob.ask("ping", json!({})).await;
    bob.next().await;
    behind.crm.says(2, &note);
    assert_eq!(bob.next().await["params"]["data"], "bob's", "pushed to whoever has the stream");
    drop(bob);
    behind.crm.closed(2).await;
    assert_eq!(ada.end().await.status, 200);
    behind.crm.closed(1).await;
    assert_eq!(ada.call("echo", json!({})).await.status, 404);
    behind.end().await;
}

#[tokio::test]
async fn a_stop_waits_for_calls_of_a_session_and_not_for_the_session() {
    let crm = SseServer::start().await;
    let gateway = Gateway::start()
        .server_at("crm", crm.address, "transport: sse")
        .policy(POLICY)
        .config_extra("shutdown: { delay: 0s, drain: 1h }")
        .await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = Client::declaring(gateway.address, "crm", &key, "2025-11-25", json!({})).await;
    let _idle = Client::declaring(gateway.address, "crm", &key, "2025-11-25", json!({})).await;
    crm.holds("echo");
    let stopping = async {
        let arrived = crm.wait_for("tools/call").await;
        let answering = async {
            crm.closed(2).await;
            let result = json!({ "content": [{ "type": "text", "text": "in time" }] });
            crm.says(arrived.stream, &json!({ "jsonrpc": "2.0", "id": arrived.message["id"], "result": result }));
        };
        tokio::join!(within("the stop", gateway.stop_and_verify()), answering);
    };
    let (answer, ()) = tokio::join!(ada.call("echo", json!({})), stopping);
    assert_eq!(answer.text(), "in time");
}

#[tokio::test]
async fn an_endpoint_on_another_origin_is_never_posted_to() {
    let behind = Behind::set().await;
    let evil = Upstream::start().await;
    let port = behind.crm.address.port();
    for announced in [
        format!("http://{}/message", evil.address),
        format!("//{}/message", evil.address),
        format!("https://127.0.0.1:{port}/message"),
        format!("http://localhost:{port}/message"),
        format!("http://127.0.0.1:{port}@{}/message", evil.address),
    ] {
        behind.crm.announces(&announced);
        let (answer, outcome) = behind.failed_handshake().await;
        assert_eq!((answer.status, answer.code()), (200, Some(-31502)), "{announced}: {answer:?}");
        assert!(!format!("{answer:?}").contains("message?"), "what it announced is shown: {answer:?}");
        assert_eq!(
            (&outcome["status"], &outcome["detail"]),
            (&json!("upstream_failed"), &json!("endpoint_origin")),
            "{announced}"
        );
    }
    for announced in ["/a/../admin", "../admin", "/%2e%2e/admin", "/a b", ""] {
        behind.crm.announces(announced);
        let (_, outcome) = behind.failed_handshake().await;
        assert_eq!(outcome["detail"], "endpoint_unreadable", "{announced:?}");
    }
    assert_eq!((evil.count(), behind.crm.posted().len()), (0, 0), "somebody got a message");
    for reason in ["endpoint_origin", "endpoint_unreadable"] {
        let sample = format!(r#"yett_upstream_stream_faults_total{{server="crm",reason="{reason}"}}"#);
        behind.gateway.metric_is(&sample, 5.0).await;
    }
    behind.end().await;
}

#[tokio::test]
async fn an_endpoint_of_the_same_origin_may_be_written_in_any_way() {
    let behind = Behind::set().await;
    let absolute = format!("http://{}/message?x=1", behind.crm.address);
    for announced in [&absolute, "message", "?x=1"] {
        behind.crm.announces(announced);
        let ada = behind.client().await;
        assert_eq!(ada.call("echo", json!({})).await.text(), "echo was called", "{announced}");
    }
    behind.end().await;
}

#[tokio::test]
async fn http_041_a_stream_that_is_lost_fails_its_calls_and_is_opened_again_for_the_next() {
    let behind = Behind::set().await;
    let ada = behind.client().await;
    behind.crm.wait_for("notifications/initialized").await;
    for (lose, detail) in [(Lose::Cut, "closes"), (Lose::Write("event: endpoint\ndata: /elsewhere\n\n"), "second_endpoint")] {
        behind.crm.holds("slow");
        let calling = ada.post(&ada.message(Some(&json!(1)), "tools/call", json!({ "name": "slow", "arguments": {} })));
        let before = behind.crm.opened();
        let losing = async {
            eventually("the call", || {
                behind
                    .crm
                    .posted()
                    .iter()
                    .rfind(|posted| posted.message["params"]["name"] == "slow" && posted.stream == before)
                    .map(drop)
            })
            .await;
            match lose {
                Lose::Cut => behind.crm.cuts(before),
                Lose::Write(text) => behind.crm.writes(before, text),
            }
        };
        let (answer, ()) = tokio::join!(calling.send(), losing);
        assert_eq!((answer.status, answer.code()), (200, Some(-31502)), "{detail}: {answer:?}");
        let records = behind.gateway.ended(&answer.call()).await;
        let status = if detail == "closes" { "upstream_truncated" } else { "upstream_failed" };
        assert_eq!((&records[1]["out"]["status"], &records[1]["out"]["detail"]), (&json!(status), &json!(detail)));
        assert_eq!(ada.call("echo", json!({})).await.text(), "echo was called", "{detail}: the session goes on");
        assert_eq!(behind.crm.opened(), before + 1, "{detail}");
        let slow = behind.crm.posted().into_iter().filter(|posted| posted.message["params"]["name"] == "slow").count();
        assert_eq!(slow, before, "{detail}: a message was sent twice");
    }
    let hands = behind.crm.posted().into_iter().filter(|posted| posted.method() == "initialize").count();
    assert_eq!(hands, 3, "each stream begins with the handshake");
    behind.end().await;
}

enum Lose {
    Cut,
    Write(&'static str),
}

#[tokio::test]
async fn mcp_063_a_reply_to_an_id_that_is_not_open_is_nobodys() {
    let behind = Behind::set().await;
    let ada = behind.client().await;
    behind.crm.holds("echo");
    let asking = ada.call("echo", json!({}));
    let answering = async {
        let wire = behind.crm.wait_for("tools/call").await.message["id"].as_i64().unwrap();
        let said = |id: Value, text: &str| json!({ "jsonrpc": "2.0", "id": id, "result": { "content": [{ "type": "text", "text": text }] } });
        behind.crm.says(1, &said(json!(wire + 1), "foreign"));
        behind.crm.says(1, &said(json!(1), "the client's own"));
        behind.crm.says(1, &said(json!(wire.to_string()), "as a text"));
        behind.crm.writes(1, "event: message\ndata: {\"jsonrpc\n\n");
        behind.crm.says(1, &said(json!(wire), "its own"));
        behind.crm.says(1, &said(json!(wire), "again"));
    };
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.text(), "its own", "{answer:?}");
    assert_eq!(behind.crm.opened(), 1);
    behind.end().await;
}

#[tokio::test]
async fn a_server_asks_in_a_call_and_is_answered_where_messages_go() {
    let behind = Behind::set().await;
    let ada = behind.client().await;
    behind.crm.holds("ask");
    let asking = async {
        let mut events = ada.open(&call(1, "ask")).await;
        (events.next().await.unwrap(), events)
    };
    let questions = async {
        let wire = behind.crm.wait_for("tools/call").await.message["id"].clone();
        let params = json!({ "message": "Who?", "requestedSchema": { "type": "object", "properties": {} } });
        behind.crm.says(1, &json!({ "jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": params }));
        behind.crm.says(1, &json!({ "jsonrpc": "2.0", "id": "s", "method": "sampling/createMessage", "params": {} }));
        wire
    };
    let ((asked, mut events), wire) = tokio::join!(asking, questions);
    assert_eq!(asked["method"], "elicitation/create");
    let refused = eventually("the refusal", || behind.crm.posted().into_iter().find(|posted| posted.message["id"] == "s")).await;
    assert_eq!(refused.message["error"]["code"], -32601, "nobody has granted it");
    assert_eq!(ada.answer(&asked["id"], json!({ "action": "decline" })).await.status, 202);
    let answered = eventually("the answer", || behind.crm.posted().into_iter().find(|posted| posted.message["id"] == "q")).await;
    assert_eq!(answered.message["result"]["action"], "decline");
    behind.crm.says(1, &json!({ "jsonrpc": "2.0", "id": wire, "result": { "content": [] } }));
    assert_eq!(events.next().await.unwrap()["id"], 1);
    behind.end().await;
}

#[tokio::test]
async fn mcp_030_a_question_on_a_stream_on_which_nobody_waits_is_refused_and_recorded() {
    let behind = Behind::set().await;
    let ada = behind.client().await;
    behind.crm.says(1, &json!({ "jsonrpc": "2.0", "id": "s", "method": "sampling/createMessage", "params": {} }));
    let refused = eventually("the refusal", || behind.crm.posted().into_iter().find(|posted| posted.message["id"] == "s")).await;
    assert_eq!(refused.message["error"]["code"], -32601);
    let denials = behind.gateway.denials();
    assert_eq!(denials.len(), 1, "{denials:#?}");
    let (decided, asked) = (&denials[0]["dec"], &denials[0]["what"]);
    assert_eq!((&decided["reason"], &decided["detail"]), (&json!("blocked"), &json!("nobody_waits")), "{denials:#?}");
    assert_eq!(asked, &json!({ "method": "sampling/createMessage", "server": "crm" }), "{denials:#?}");
    assert_eq!(ada.call("echo", json!({})).await.text(), "echo was called");
    behind.end().await;
}

#[tokio::test]
async fn a_client_that_leaves_or_cancels_is_told_to_the_server_by_the_id_that_it_knows() {
    let behind = Behind::set().await;
    let ada = behind.client().await;
    behind.crm.holds("slow");
    let connection = ada.post(&call(5, "slow")).open().await;
    let wire = behind.crm.wait_for("tools/call").await.message["id"].clone();
    drop(connection);
    let cancelled = behind.crm.wait_for("notifications/cancelled").await;
    assert_eq!(cancelled.message["params"]["requestId"], wire);
    behind.end().await;
}

#[tokio::test]
async fn a_client_of_the_stateless_revision_is_told_which_era_the_server_is_of() {
    let behind = Behind::set().await;
    let modern = behind.gateway.modern("crm", &behind.key);
    let probe = modern.request("server/discover", json!({})).await;
    assert_eq!((probe.status, probe.code()), (400, Some(-32601)), "{probe:?}");
    assert!(probe.message().contains("initialize"), "{probe:?}");
    assert_eq!(behind.crm.opened(), 0);
    behind.end().await;
}

#[tokio::test]
async fn http_042_what_is_no_stream_and_what_is_too_large_fails() {
    let behind = Behind::set().await;
    let ada = behind.client().await;
    behind.crm.refuses(Some(StatusCode::NOT_FOUND));
    let refused = ada.call("echo", json!({})).await;
    assert_eq!(refused.code(), Some(-31502), "{refused:?}");
    behind.crm.refuses(None);
    assert_eq!(ada.call("echo", json!({})).await.text(), "echo was called", "on another stream");
    assert_eq!(behind.crm.opened(), 2);
    behind.crm.holds("slow");
    let huge = format!("event: message\ndata: {}\n\n", "x".repeat(5 << 20));
    let writing = async {
        behind.crm.wait_for("tools/call").await;
        eventually("the call", || {
            behind.crm.posted().iter().rfind(|posted| posted.message["params"]["name"] == "slow").map(drop)
        })
        .await;
        behind.crm.writes(2, &huge);
    };
    let (answer, ()) = tokio::join!(ada.call("slow", json!({})), writing);
    let records = behind.gateway.ended(&answer.call()).await;
    assert_eq!(records[1]["out"]["detail"], "too_large", "{records:#?}");

    let nowhere = Upstream::start().await;
    let gateway = Gateway::start().server("crm", &nowhere, "transport: sse").await;
    let key = gateway.key("ada", &["staff"]).await;
    let client = Client::before_handshake(gateway.address, "crm", &key, "2025-11-25");
    let answer =
        within("an answer", client.request("initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {} }))).await;
    assert_eq!(answer.code(), Some(-31502), "{answer:?}");
    assert_eq!(nowhere.arrived().iter().map(|request| request.method.as_str()).collect::<Vec<_>>(), ["GET"]);
    gateway.stop_and_verify().await;
    behind.end().await;
}

#[tokio::test]
async fn http_038_a_reply_without_end_is_cut_off_and_other_calls_of_its_stream_are_not() {
    let behind = Behind::with(", limits: { stream_bytes: 64KiB }").await;
    let ada = behind.client().await;
    behind.crm.holds("slow");
    behind.crm.holds("echo");
    let told = async {
        let events = ada.open(&call(5, "slow")).await;
        let call = events.head.call();
        (events.rest().await, call)
    };
    let telling = async {
        let wire = behind.crm.wait_for("tools/call").await.message["id"].clone();
        let text = "x".repeat(10_000);
        for _ in 0..8 {
            let params = json!({ "progressToken": wire, "progress": 1, "message": text });
            behind.crm.says(1, &json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": params }));
        }
        let cancelled = behind.crm.wait_for("notifications/cancelled").await;
        assert_eq!(cancelled.message["params"]["requestId"], wire, "the server does not hear that nobody waits");
    };
    let ((told, id), ()) = within("the end of the reply", async { tokio::join!(told, telling) }).await;
    let last = told.last().unwrap();
    assert_eq!((told.len(), &last["id"], &last["error"]["code"]), (7, &json!(5), &json!(-31502)), "{last:#}");
    let records = behind.gateway.ended(&id).await;
    assert_eq!(records.last().unwrap()["out"]["status"], "stream_limit", "{records:#?}");
    assert_eq!(behind.crm.opened(), 1, "the stream is other calls' too");
    behind.end().await;
}

#[tokio::test]
async fn avl_008_one_caller_takes_most_of_a_servers_sessions_and_never_all() {
    let behind = Behind::with(", limits: { streams: 8 }").await;
    let handshake = async |key: &str| {
        let client = Client::before_handshake(behind.gateway.address, "crm", key, "2025-11-25");
        let info = json!({ "name": "t", "version": "1" });
        client.request("initialize", json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info })).await
    };
    let mut answers = Vec::new();
    for _ in 0..8 {
        answers.push(handshake(&behind.key).await);
    }
    let begun: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(begun.len(), 6, "three quarters: {answers:#?}");
    let refused = answers.iter().filter(|answer| answer.status == 503 && answer.header("retry-after").is_some());
    assert_eq!(refused.count(), 2, "{answers:#?}");
    assert_eq!(behind.crm.opened(), 6, "the server heard of a session that was refused");
    let bob = behind.gateway.key("bob", &["staff"]).await;
    assert_eq!(handshake(&bob).await.status, 200, "bob is shut out");
    behind.end().await;
}

#[tokio::test]
async fn a_caller_without_a_session_gets_the_place_of_one_that_lies_idle() {
    let behind = Behind::with(", limits: { streams: 2 }").await;
    let client = async |key: &str| Client::declaring(behind.gateway.address, "crm", key, "2025-11-25", json!({})).await;
    let (bob, cyd) = (behind.gateway.key("bob", &["staff"]).await, behind.gateway.key("cyd", &["staff"]).await);
    let (idle, busy) = (client(&behind.key).await, client(&bob).await);
    // Something is open in one of them, though nothing is said on it.
    let push = busy.listen().await;
    assert_eq!(push.head.status, 200, "{:?}", push.head);
    let handshake = async || {
        let info = json!({ "name": "t", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        Client::before_handshake(behind.gateway.address, "crm", &cyd, "2025-11-25").request("initialize", params).await
    };
    let served = async {
        while handshake().await.status != 200 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    within("a place", served).await;
    behind.crm.closed(1).await;
    assert_eq!(idle.call("echo", json!({})).await.status, 404, "it is to start again");
    assert_eq!(busy.call("echo", json!({})).await.text(), "echo was called", "nothing of its own was ended");
    assert_eq!(handshake().await.status, 503, "whoever has one gets nobody's");
    drop(push);
    behind.end().await;
}
