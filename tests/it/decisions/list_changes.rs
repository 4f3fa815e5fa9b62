//! Another policy may show its callers other lists: those it may be so for hear it, where they were told that they would, and nobody else.

use std::time::Duration;

use serde_json::{Value, json};

use super::open::reload;
use crate::http_sse::client::SseClient;
use crate::support::client::Events;
use crate::support::gateway::Gateway;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;

/// What `users` may call; `others` may always call the same.
fn policy(tools: &str) -> String {
    format!(
        "version: 1
roles:
  user: {{ allow: [{{ servers: [crm], tools: [{tools}], prompts: [a] }}] }}
  other: {{ allow: [{{ servers: [crm], tools: [get], prompts: [a] }}] }}
bindings: [{{ role: user, groups: [users] }}, {{ role: other, groups: [others] }}]
"
    )
}

const SESSIONS: &str = "2025-11-25";
const HTTP_SSE: &str = "2024-11-05";

/// A server without sessions whose handshake declares this of its lists, and that pushes nothing.
async fn server(version: &str, tools: Value) -> Upstream {
    let crm = Upstream::start().await;
    let info = json!({ "name": "fake", "version": "1.0.0" });
    let greeting = json!({ "protocolVersion": version, "capabilities": { "tools": tools, "prompts": {} }, "serverInfo": info });
    crm.on_method("initialize", Reply::result(&greeting));
    crm.on_method("GET", Reply::stream([Step::Raw(b": open\n\n".to_vec()), Step::Wait(Gate::default())]));
    crm
}

fn changed(list: &str) -> Value {
    json!({ "jsonrpc": "2.0", "method": format!("notifications/{list}/list_changed") })
}

/// Nothing comes, for longer than it takes to be looked at.
async fn assert_silent(events: &mut Events, who: &str) {
    let next = tokio::time::timeout(Duration::from_millis(1500), events.next()).await;
    assert!(next.is_err(), "{who} hears {next:?}");
}

#[tokio::test]
async fn a_session_hears_of_the_list_that_has_changed_for_its_caller_on_one_stream_and_others_do_not() {
    let crm = server(SESSIONS, json!({ "listChanged": true })).await;
    let gateway = Gateway::start().policy(&policy("get")).servers([("crm", &crm)]).await;
    let (user, other) = (gateway.key("ada", &["users"]).await, gateway.key("bob", &["others"]).await);
    let ada = gateway.legacy("crm", &user).await;
    let (mut first, mut second) = (ada.listen().await, ada.listen().await);
    let mut bob = gateway.legacy("crm", &other).await.listen().await;
    reload(&gateway, &policy("get, put")).await;
    let heard = tokio::select! { heard = first.next() => heard, heard = second.next() => heard };
    assert_eq!(heard, Some(changed("tools")));
    assert_silent(&mut bob, "who is granted what they were").await;
    for events in [&mut first, &mut second] {
        assert_silent(events, "who has heard").await;
    }
    let tools = ada.list_tools().await.json();
    assert!(tools["result"]["tools"].is_array(), "{tools}");
    drop((first, second, bob));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn whatever_a_server_says_of_its_own_lists_its_clients_are_told_that_they_hear_and_do() {
    let (crm, old) = (server(SESSIONS, json!({})).await, server(HTTP_SSE, json!({ "listChanged": false })).await);
    let both = |tools: &str| policy(tools).replace("servers: [crm]", "servers: [crm, old]");
    let servers = [("crm", &crm), ("old", &old)];
    let gateway = Gateway::start().policy(&both("get")).servers(servers).listener_extra("legacy_sse: true").await;
    let key = gateway.key("ada", &["users"]).await;
    let ada = gateway.legacy("crm", &key).await;
    let greeting = json!({ "protocolVersion": SESSIONS, "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let told = ada.request("initialize", greeting).await.json();
    let hears = json!({ "listChanged": true });
    assert_eq!(told["result"]["capabilities"], json!({ "tools": hears, "prompts": hears }), "what it offers, and nothing else");
    let mut events = ada.listen().await;
    let mut old = SseClient::begin(&gateway, "old", &key).await;
    reload(&gateway, &both("get, put")).await;
    assert_eq!(events.next().await, Some(changed("tools")), "a session");
    assert_eq!(old.next().await, changed("tools"), "a session of HTTP+SSE");
    drop((events, old));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_session_whose_server_pushes_nothing_hears_it_on_a_stream_of_the_gateways_own() {
    let crm = server(SESSIONS, json!({})).await;
    crm.on_method("GET", Reply::empty(405));
    let gateway = Gateway::start().policy(&policy("get")).servers([("crm", &crm)]).await;
    let (user, other) = (gateway.key("ada", &["users"]).await, gateway.key("bob", &["others"]).await);
    let mut ada = gateway.legacy("crm", &user).await.listen().await;
    let mut bob = gateway.legacy("crm", &other).await.listen().await;
    assert_eq!((ada.head.status, bob.head.status), (200, 200));
    reload(&gateway, &policy("get, put")).await;
    assert_eq!(ada.next().await, Some(changed("tools")));
    assert_silent(&mut bob, "who is granted what they were").await;
    // What lets it begin has to hold, as of any other.
    reload(&gateway, &policy("get").replace("groups: [users]", "groups: [nobody]")).await;
    assert_eq!(ada.next().await, None, "who is granted nothing any more");
    drop((ada, bob));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn streams_of_the_gateways_own_are_counted_and_beyond_them_the_servers_answer_stands() {
    let crm = server(SESSIONS, json!({})).await;
    crm.on_method("GET", Reply::empty(405));
    crm.on_method("subscriptions/listen", Reply::error(-32601, "Method not found").status(404));
    let gateway = Gateway::start().policy(&policy("get")).server("crm", &crm, "limits: { streams: 4 }").await;
    let key = gateway.key("ada", &["users"]).await;
    let (ada, modern) = (gateway.legacy("crm", &key).await, gateway.modern("crm", &key));
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let mut open = Vec::new();
    loop {
        let events = ada.listen().await;
        if events.head.status == 405 {
            break;
        }
        assert_eq!(events.head.status, 200);
        open.push(events);
        assert!(open.len() <= 4, "nobody counts them");
    }
    assert!(!open.is_empty());
    // The other way to one counts them together.
    assert_eq!(modern.request("subscriptions/listen", wanted).await.code(), Some(-32601));
    open.pop();
    let again = async {
        while ada.listen().await.head.status != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.expect("a place that was given back");
    drop(open);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_session_hears_what_has_changed_before_its_stream_was_open_and_until_it_has_asked() {
    let crm = server(SESSIONS, json!({})).await;
    let gateway = Gateway::start().policy(&policy("get")).servers([("crm", &crm)]).await;
    let key = gateway.key("ada", &["users"]).await;
    let (ada, idle) = (gateway.legacy("crm", &key).await, gateway.legacy("crm", &key).await);
    assert_eq!(ada.list_tools().await.status, 200);
    reload(&gateway, &policy("get, put")).await;
    let mut first = ada.listen().await;
    assert_eq!(first.next().await, Some(changed("tools")), "it has changed before");
    let mut none = idle.listen().await;
    assert_silent(&mut none, "a session that was shown nothing").await;
    drop(first);
    let mut second = ada.listen().await;
    assert_eq!(second.next().await, Some(changed("tools")), "whoever read the first may not have been the client");
    assert_eq!(ada.list_tools().await.status, 200);
    let mut third = ada.listen().await;
    assert_silent(&mut third, "who has asked since").await;
    drop((second, third, none));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_listener_hears_from_the_gateway_where_its_server_knows_no_listeners() {
    let crm = server(SESSIONS, json!({})).await;
    crm.on_method("subscriptions/listen", Reply::error(-32601, "Method not found").status(404));
    let gateway = Gateway::start().policy(&policy("get")).servers([("crm", &crm)]).await;
    let client = gateway.modern("crm", &gateway.key("ada", &["users"]).await);
    let listen = |wanted: Value| client.message(Some(&json!("l-1")), "subscriptions/listen", json!({ "notifications": wanted }));
    let wanted = json!({ "toolsListChanged": true, "resourcesListChanged": true, "resourceSubscriptions": ["file:///a"] });
    let mut events = client.open(&listen(wanted)).await;
    let first = events.next().await.unwrap();
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["notifications"], json!({ "toolsListChanged": true }), "of resources nothing is granted");
    assert_eq!(first["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "l-1", "{first}");
    let nothing = json!({ "notifications": { "resourcesListChanged": true } });
    let refused = client.request("subscriptions/listen", nothing).await.json();
    assert_eq!(refused["error"]["code"], -32601, "nothing to hear of: {refused}");
    reload(&gateway, &policy("get, put")).await;
    let heard = events.next().await.unwrap();
    assert_eq!(heard["method"], "notifications/tools/list_changed");
    assert_eq!(heard["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "l-1", "{heard}");
    drop(events);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_session_of_http_sse_hears_it_also_from_a_server_that_pushes_nothing() {
    let crm = server(HTTP_SSE, json!({ "listChanged": true })).await;
    crm.on_method("GET", Reply::empty(405));
    let gateway = Gateway::start().policy(&policy("get")).servers([("crm", &crm)]).listener_extra("legacy_sse: true").await;
    let (user, other) = (gateway.key("ada", &["users"]).await, gateway.key("bob", &["others"]).await);
    let mut ada = SseClient::begin(&gateway, "crm", &user).await;
    let mut bob = SseClient::begin(&gateway, "crm", &other).await;
    reload(&gateway, &policy("get, put")).await;
    assert_eq!(ada.next().await, changed("tools"));
    assert_silent(&mut ada.events, "who has heard").await;
    assert_silent(&mut bob.events, "who is granted what they were").await;
    drop((ada, bob));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_listener_hears_of_what_it_asked_for_by_its_own_id_whatever_its_server_agrees_to() {
    let crm = server(SESSIONS, json!({})).await;
    let agreed = |wanted: Value| {
        let note = json!({ "jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": { "notifications": wanted } });
        Reply::stream([Step::message(&note), Step::Wait(Gate::default())])
    };
    crm.on_method("subscriptions/listen", agreed(json!({ "toolsListChanged": true, "promptsListChanged": true })));
    let gateway = Gateway::start().policy(&policy("get")).servers([("crm", &crm)]).await;
    let (user, other) = (gateway.key("ada", &["users"]).await, gateway.key("bob", &["others"]).await);
    let listen = async |key: &str, wanted: Value| {
        let client = gateway.modern("crm", key);
        let message = client.message(Some(&json!("l-1")), "subscriptions/listen", json!({ "notifications": wanted }));
        let mut events = client.open(&message).await;
        assert!(events.next().await.is_some(), "{:?}", events.head);
        events
    };
    let both = json!({ "toolsListChanged": true, "promptsListChanged": true });
    let mut ada = listen(&user, both.clone()).await;
    let mut prompts = listen(&user, json!({ "promptsListChanged": true })).await;
    let mut bob = listen(&other, both.clone()).await;
    crm.on_method("subscriptions/listen", agreed(json!({ "promptsListChanged": true })));
    let mut not_agreed = listen(&user, both).await;
    reload(&gateway, &policy("get, put")).await;
    for events in [&mut ada, &mut not_agreed] {
        let heard = events.next().await.unwrap();
        assert_eq!(heard["method"], "notifications/tools/list_changed");
        assert_eq!(heard["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "l-1", "{heard}");
    }
    assert_silent(&mut ada, "who has heard").await;
    for (events, who) in [(&mut prompts, "who listens for prompts"), (&mut bob, "who is granted what they were")] {
        assert_silent(events, who).await;
    }
    drop((ada, prompts, bob, not_agreed));
    gateway.stop_and_verify().await;
}
