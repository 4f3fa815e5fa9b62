//! What clients of both eras see, and that those who share a process do not see each other.

use serde_json::{Value, json};

use super::{ASKING, Stage, heard, told, with_token};
use crate::support::client::Client;
use crate::support::gateway::POLICY;
use crate::support::within;

const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

#[tokio::test]
async fn clients_of_every_revision_are_served_in_their_own() {
    let stage = Stage::with("").await;
    for version in VERSIONS {
        let client = Client::legacy(stage.gateway.address, "tool", &stage.ada, version).await;
        assert_eq!(client.call("echo", json!({ "text": version })).await.text(), version);
        let heard = told(&client.call("heard", json!({})).await);
        let hello: Value = serde_json::from_str(heard[0].as_str().unwrap()).unwrap();
        assert_eq!(hello["params"]["protocolVersion"], version, "{heard}");
        assert_eq!(heard[1], r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert!(client.list_tools().await.tools().contains(&"echo".to_owned()));
        assert_eq!(client.end().await.status, 200);
        assert_eq!(client.call("echo", json!({})).await.status, 404, "{version}: the session is over");
    }
    let modern = stage.modern(&stage.ada);
    assert_eq!(modern.request("server/discover", json!({})).await.result()["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(modern.call("echo", json!({ "text": "now" })).await.text(), "now");
    let heard = told(&modern.call("heard", json!({})).await);
    let first: Value = serde_json::from_str(heard[0].as_str().unwrap()).unwrap();
    assert_eq!(first["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28", "{heard}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_of_the_other_era_is_told_in_the_way_that_makes_clients_fall_back() {
    let stage = Stage::of(&["legacy"], "", "", POLICY).await;
    let answer = stage.modern(&stage.ada).request("server/discover", json!({})).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32601)), "{answer:?}");
    let answer = stage.legacy(&stage.ada).await.call("echo", json!({ "text": "x" })).await;
    assert_eq!(answer.text(), "x");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_handshake_that_the_server_refuses_is_refused_in_its_words() {
    let stage = Stage::of(&["refuses"], "", "", POLICY).await;
    let answer = stage.shake("i").await;
    assert_eq!((answer.code(), answer.json()["id"].clone()), (Some(-32602), json!("i")), "{answer:?}");
    assert_eq!(answer.header("mcp-session-id"), None);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn clients_that_share_a_process_may_use_the_same_ids() {
    let stage = Stage::with("").await;
    let (ada, bob) = (stage.legacy(&stage.ada).await, stage.legacy(&stage.bob).await);
    let process = |answer: &crate::support::http::Answer| told(answer)["pid"].clone();
    let (one, other) = (ada.call("facts", json!({})).await, bob.call("facts", json!({})).await);
    assert_eq!(process(&one), process(&other), "one process");
    // Both have a request of id 1 open at once; that of ada is answered last.
    let held = ada.call("hold", json!({ "name": "ada" }));
    let others = async {
        heard(&bob, "hold").await;
        let answer = bob.call("echo", json!({ "text": "bob's" })).await;
        bob.call("release", json!({ "name": "ada", "text": "ada's" })).await;
        answer
    };
    let (ada, bob) = within("both answers", async { tokio::join!(held, others) }).await;
    assert_eq!((ada.text(), bob.text()), ("ada's".to_owned(), "bob's".to_owned()));
    assert_eq!((&ada.json()["id"], &bob.json()["id"]), (&json!(1), &json!(1)));
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn progress_reaches_its_own_client_under_its_own_token() {
    let stage = Stage::with("").await;
    let modern = stage.modern(&stage.ada);
    let mut params = with_token("mine");
    params["_meta"] = crate::support::client::meta();
    params["_meta"]["progressToken"] = json!("mine");
    for (client, params) in [(stage.legacy(&stage.ada).await, with_token("mine")), (modern, params)] {
        let events = client.stream("tools/call", params).await.rest().await;
        let tokens: Vec<&Value> = events.iter().filter_map(|event| event.pointer("/params/progressToken")).collect();
        assert_eq!(tokens, ["mine", "mine"], "{events:?}");
        assert_eq!(events.last().unwrap()["id"], 1);
        let heard = told(&client.call("heard", json!({})).await).to_string();
        assert!(!heard.contains("mine"), "the server was told a client's token: {heard}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_a_shared_server_says_without_saying_whom_it_concerns_reaches_nobody() {
    let stage = Stage::of(&[], "", "", ASKING).await;
    let capabilities = json!({ "sampling": {} });
    let ada = Client::declaring(stage.gateway.address, "tool", &stage.ada, "2025-11-25", capabilities).await;
    let bob = stage.legacy(&stage.bob).await;
    let mut push = bob.listen().await;
    assert_eq!(push.head.status, 200, "{:?}", push.head);
    let held = bob.stream("tools/call", json!({ "name": "hold", "arguments": {} }));
    let others = async {
        heard(&ada, "hold").await;
        assert_eq!(ada.call("notify", json!({ "data": "ada's own" })).await.messages().len(), 1, "the answer alone");
        let asked = ada.call("ask", json!({})).await;
        assert_eq!(told(&asked)["error"]["code"], -32601, "the question is refused: {asked:?}");
        ada.call("release", json!({})).await;
    };
    let (held, ()) = within("the answers", async { tokio::join!(held, others) }).await;
    assert_eq!(held.head.text(), "released", "one message and no stream: {:?}", held.head);
    // The stream on which a server pushes has nothing of it either: it ends with the session, and was empty.
    bob.end().await;
    assert_eq!(within("the end of the stream", push.next()).await, None);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_shared_server_whose_lists_change_without_end_ends_nobodys_stream() {
    let stage = Stage::with("").await;
    let (ada, bob) = (stage.legacy(&stage.ada).await, stage.legacy(&stage.bob).await);
    let mut push = bob.listen().await;
    assert_eq!(push.head.status, 200, "{:?}", push.head);
    let push_call = push.head.call();
    assert_eq!(ada.call("restless", json!({ "times": 5_000 })).await.text(), "changed");
    assert_eq!(within("a change", push.next()).await.unwrap()["method"], "notifications/tools/list_changed");
    assert_eq!(ada.call("restless", json!({ "times": 1 })).await.text(), "changed");
    // It is open still: what ends it is its session.
    bob.end().await;
    let told = within("the end of the stream", push.rest()).await;
    assert!(!told.is_empty() && told.len() < 5_000, "{}", told.len());
    assert!(told.iter().all(|told| told["method"] == "notifications/tools/list_changed"), "{:?}", told.last());
    let records = stage.gateway.ended(&push_call).await;
    assert_eq!(records.last().unwrap()["out"]["status"], "session_ended", "{records:#?}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_shared_server_is_not_asked_to_do_for_one_what_it_would_do_to_all() {
    let stage = Stage::with("").await;
    let client = stage.legacy(&stage.ada).await;
    for (method, params) in [
        ("logging/setLevel", json!({ "level": "debug" })),
        ("resources/subscribe", json!({ "uri": "file:///reports/q1" })),
        ("resources/unsubscribe", json!({ "uri": "file:///reports/q1" })),
    ] {
        let answer = client.request(method, params).await;
        assert_eq!((answer.status, answer.code()), (200, Some(-32601)), "{method}: {answer:?}");
    }
    let heard = told(&client.call("heard", json!({})).await).to_string();
    assert!(!heard.contains("setLevel") && !heard.contains("subscribe"), "{heard}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_cancelled_call_is_cancelled_at_the_server_and_no_other() {
    let stage = Stage::with("").await;
    let (ada, bob) = (stage.legacy(&stage.ada).await, stage.legacy(&stage.bob).await);
    let held = ada.call("hold", json!({ "name": "ada" }));
    let others = async {
        heard(&bob, "hold").await;
        // The same id, of another session: it names nothing.
        assert_eq!(bob.notify("notifications/cancelled", json!({ "requestId": 1 })).await.status, 202);
        let before = told(&bob.call("heard", json!({})).await).to_string();
        assert_eq!(ada.notify("notifications/cancelled", json!({ "requestId": 1 })).await.status, 202);
        before
    };
    let (held, before) = within("the end of the call", async { tokio::join!(held, others) }).await;
    assert!(!before.contains("cancelled"), "{before}");
    assert!(held.json()["error"].is_object(), "{held:?}");
    let heard = told(&bob.call("heard", json!({})).await);
    let lines: Vec<Value> =
        heard.as_array().unwrap().iter().map(|line| serde_json::from_str(line.as_str().unwrap()).unwrap()).collect();
    let call = lines.iter().find(|line| line["params"]["name"] == "hold").unwrap();
    let cancelled: Vec<&Value> = lines.iter().filter(|line| line["method"] == "notifications/cancelled").collect();
    assert_eq!(cancelled.len(), 1, "{heard}");
    assert_eq!(cancelled[0]["params"]["requestId"], call["id"], "by the id that the server knows");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_client_that_goes_away_is_a_cancellation() {
    let stage = Stage::with("").await;
    let (ada, bob) = (stage.modern(&stage.ada), stage.modern(&stage.bob));
    let message = ada.message(Some(&json!(1)), "tools/call", json!({ "name": "hold", "arguments": {} }));
    let connection = ada.post(&message).open().await;
    heard(&bob, "hold").await;
    drop(connection);
    heard(&bob, "notifications/cancelled").await;
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn subscriptions_are_told_apart_by_their_own_ids() {
    let stage = Stage::with("").await;
    let client = stage.modern(&stage.ada);
    let mut events = client.stream("subscriptions/listen", json!({ "notifications": { "toolsListChanged": true } })).await;
    let first = within("the acknowledgement", events.next()).await.unwrap();
    assert_eq!(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1, "the client's own id: {first}");
    drop(events);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_message_of_many_lines_is_one_line_to_the_server() {
    let stage = Stage::with("").await;
    let client = stage.modern(&stage.ada);
    let message = client.message(Some(&json!(1)), "tools/call", json!({ "name": "echo", "arguments": { "text": "a\nb" } }));
    let pretty = serde_json::to_string_pretty(&message).unwrap().replace('\n', "\r\n");
    let answer = client.post_bytes(&message, pretty).send().await;
    assert_eq!(answer.text(), "a\nb", "{answer:?}");
    stage.gateway.stop_and_verify().await;
}
