//! Servers that break off, dawdle, or answer with something else: the caller hears -31502 or -31504, and nothing of what came.

use serde_json::{Value, json};

use super::{Stage, call, note};
use crate::support::gateway::Gateway;
use crate::support::http::Answer;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::server::Upstream;

/// Stands in everything a failing server says.
const MARKER: &str = "told-by-the-server";

fn assert_hidden(answer: &Answer, what: &str) {
    assert!(!String::from_utf8_lossy(&answer.body).contains(MARKER), "{what}: relayed: {answer:?}");
    assert!(!format!("{:?}", answer.headers).contains(MARKER), "{what}: relayed: {answer:?}");
}

/// The server's failure, by one of its names.
fn assert_failed(outcome: &Value, what: &str) {
    let status = outcome["status"].as_str().unwrap_or_default();
    assert!(matches!(status, "upstream_failed" | "upstream_invalid" | "upstream_truncated"), "{what}: {outcome}");
}

/// The last message is an error with this code for request 1.
fn assert_ends(messages: &[Value], code: i64, what: &str) {
    let last = messages.last().unwrap_or_else(|| panic!("{what}: nothing came"));
    assert_eq!((&last["id"], &last["error"]["code"]), (&json!(1), &json!(code)), "{what}: {messages:?}");
}

#[tokio::test]
async fn http_041_a_server_that_dies_in_the_middle_of_a_stream_ends_it_with_an_error_that_says_so() {
    let stage = Stage::set().await;
    let half = format!("data: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"x\":\"{MARKER}");
    let endings = [
        ("between events", vec![Step::Cut]),
        ("in an event", vec![Step::Raw(half.clone().into_bytes()), Step::Cut]),
        ("in order, without a response", vec![]),
        ("in order, in an event", vec![Step::Raw(half.into_bytes())]),
    ];
    for (what, ending) in endings {
        stage.answers([Step::message(&note("one"))].into_iter().chain(ending));
        let answer = stage.ada.call("echo", json!({})).await;
        assert_hidden(&answer, what);
        let messages = answer.messages();
        assert_eq!(messages.len(), 2, "{what}: {messages:?}");
        assert_ends(&messages, -31502, what);
        assert_eq!(messages[1]["error"]["data"]["call"], answer.call(), "{what}");
        let outcome = stage.outcome(&answer.call()).await;
        assert_eq!((&outcome["status"], &outcome["events"]), (&json!("upstream_truncated"), &json!(1)), "{what}: {outcome}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn an_event_that_is_no_message_ends_the_stream() {
    let stage = Stage::set().await;
    let response = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"text":"{MARKER}"}}}}"#);
    let events = [
        ("another request's answer", response("2")),
        ("an answer to the same number as text", response("\"1\"")),
        ("an answer to nothing", response("null")),
        ("no JSON", format!("{MARKER} is not JSON")),
        ("a batch", format!("[{}]", response("{id}"))),
        ("a key twice", format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"a":1,"a":"{MARKER}"}}}}"#)),
        ("not UTF-8 as JSON has it", format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":"{MARKER}\ud800"}}"#)),
        ("another JSON-RPC", response("{id}").replace("2.0", "1.0")),
    ];
    for (what, event) in events {
        stage.answers([Step::message(&note("one")), Step::Message(event), Step::text("never")]);
        let answer = stage.ada.call("echo", json!({})).await;
        assert_hidden(&answer, what);
        assert_eq!(answer.messages().len(), 2, "{what}: {answer:?}");
        assert_ends(&answer.messages(), -31502, what);
        assert_eq!(stage.outcome(&answer.call()).await["status"], "upstream_invalid", "{what}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_042_an_answer_that_is_no_message_is_not_relayed() {
    let stage = Stage::set().await;
    let json = |body: String| Reply::body("application/json", body);
    let good = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"result":{{"text":"{MARKER}"}}}}"#);
    let foreign = good.replace("{id}", "2");
    let question = format!(r#"{{"jsonrpc":"2.0","id":{{id}},"method":"sampling/createMessage","params":{{"text":"{MARKER}"}}}}"#);
    let not_found = format!(r#"{{"jsonrpc":"2.0","id":99,"error":{{"code":-32601,"message":"{MARKER}"}}}}"#);
    let replies = [
        ("another request's answer", json(foreign)),
        ("a question in the place of an answer", json(question)),
        ("a notification in the place of an answer", json(note(MARKER).to_string())),
        ("no JSON", json(MARKER.to_owned())),
        ("a batch", json(format!("[{good}]"))),
        ("nothing", json(String::new())),
        ("a page", Reply::body("text/html", format!("<h1>{MARKER}</h1>"))),
        ("JSON by another name", Reply::body("text/plain", good.clone())),
        ("JSON that calls itself a stream", Reply::body("text/event-stream", good.clone())),
        ("a stream that calls itself JSON", json(format!("data: {good}\n\n"))),
        ("JSON in another charset", Reply::body("application/json; charset=utf-16", good.clone())),
        ("JSON in a charset of bytes", Reply::body("application/json;a=b; Charset = \"ISO-8859-1\"", good.clone())),
        (
            "a stream in another charset",
            Reply::stream([Step::text(MARKER)]).header("Content-Type", "text/event-stream;charset=utf-7"),
        ),
        ("a coded body", json(good.clone()).header("Content-Encoding", "gzip")),
        ("a coded stream", Reply::stream([Step::text(MARKER)]).header("Content-Encoding", "br")),
        ("202 for a request", Reply::empty(202)),
        ("a redirect", json(good.clone()).status(302).header("Location", &format!("http://{MARKER}.example/mcp"))),
        ("a redirect that keeps the method", Reply::empty(307).header("Location", &format!("/{MARKER}"))),
        ("401", json(good.clone()).status(401).header("WWW-Authenticate", &format!("Bearer realm=\"{MARKER}\""))),
        ("403", Reply::body("text/plain", MARKER).status(403)),
        ("404", Reply::body("text/plain", MARKER).status(404)),
        ("404 with another request's error", json(not_found).status(404)),
        ("429", json(good.clone()).status(429).header("Retry-After", MARKER)),
        ("500", json(good).status(500)),
        ("no HTTP", Reply::wire(MARKER)),
        ("a head that ends", Reply::wire(format!("HTTP/1.1 200 OK\r\nX: {MARKER}"))),
        (
            "a body that ends",
            Reply::wire(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{MARKER}")),
        ),
        ("two lengths", Reply::wire(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{MARKER}"))),
    ];
    for (what, reply) in replies {
        stage.crm.on_tool("echo", reply);
        let seen = stage.crm.count();
        let answer = stage.ada.call("echo", json!({})).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_hidden(&answer, what);
        assert_ends(&answer.messages(), -31502, what);
        assert_failed(&stage.outcome(&answer.call()).await, what);
        assert_eq!(stage.crm.count(), seen + 1, "{what}: tried again, or led elsewhere");
    }
    stage.crm.on_tool("echo", Reply::text("well again"));
    assert_eq!(stage.ada.call("echo", json!({})).await.text(), "well again");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_relayed() {
    let crm = Upstream::start().await;
    let gateway = Gateway::start().servers([("crm", &crm)]).listener_extra("limits: { body: 4KiB }").await;
    let key = gateway.key("ada", &["staff"]).await;
    let ada = gateway.modern("crm", &key);
    let fits = "x".repeat(3_500);
    for (what, reply) in [("as JSON", Reply::text(&fits)), ("as a stream", Reply::stream([Step::text(&fits)]))] {
        crm.on_tool("echo", reply);
        let answer = ada.call("echo", json!({})).await;
        assert_eq!(answer.messages()[0]["result"]["content"][0]["text"], fits, "{what}");
    }
    let large = format!("{MARKER}{}", "x".repeat(8_000));
    // One that never ends must not be waited for.
    let endless = Step::Raw(format!("data: {MARKER}{}", "x".repeat(8_000)).into_bytes());
    let replies = [
        ("as JSON", Reply::text(&large)),
        ("as a stream", Reply::stream([Step::text(&large)])),
        ("as a line without end", Reply::stream([endless, Step::Wait(Gate::default())])),
    ];
    for (what, reply) in replies {
        crm.on_tool("echo", reply);
        let answer = ada.call("echo", json!({})).await;
        assert_hidden(&answer, what);
        assert_ends(&answer.messages(), -31502, what);
    }
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_takes_too_long_is_given_up() {
    let stage = Stage::with("timeout: 100ms").await;
    let never = Gate::default();
    let replies = [
        ("before the head", Reply::text(MARKER).after(&never)),
        ("in a stream", Reply::stream([Step::message(&note("one")), Step::Wait(never.clone()), Step::text(MARKER)])),
        ("before the first event", Reply::stream([Step::Wait(never.clone()), Step::text(MARKER)])),
    ];
    for (number, (what, reply)) in replies.into_iter().enumerate() {
        stage.crm.on_tool("echo", reply);
        let answer = stage.ada.call("echo", json!({})).await;
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_ends(&answer.messages(), -31504, what);
        assert_hidden(&answer, what);
        assert_eq!(stage.outcome(&answer.call()).await["status"], "upstream_timeout", "{what}");
        let gone = || (stage.crm.cancelled() == number + 1).then_some(());
        crate::support::eventually("the server's connection is closed", gone).await;
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_failure_with_an_outcome() {
    let stage = Stage::set().await;
    let Stage { gateway, crm, ada } = stage;
    drop(crm);
    let answer = ada.request("tools/call", call()).await;
    assert_eq!((answer.status, answer.code()), (200, Some(-31502)), "{answer:?}");
    let records = gateway.ended(&answer.call()).await;
    assert_eq!(records[1]["out"]["status"], "upstream_failed", "{records:#?}");
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn an_error_of_the_server_is_its_answer() {
    let stage = Stage::set().await;
    stage.crm.on_tool("echo", Reply::error(-32000, "no such customer"));
    let answer = stage.ada.call("echo", json!({})).await;
    assert_eq!((answer.status, answer.code(), &*answer.message()), (200, Some(-32000), "no such customer"), "{answer:?}");
    let outcome = stage.outcome(&answer.call()).await;
    assert_eq!((&outcome["status"], &outcome["code"]), (&json!("error"), &json!(-32000)), "{outcome}");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn json_025_a_reply_that_readers_could_take_for_different_ones_is_invalid_and_not_passed_on() {
    let stage = Stage::set().await;
    let good = format!(r#""result":{{"content":[{{"type":"text","text":"{MARKER}"}}]}}"#);
    let error = format!(r#""error":{{"code":1,"message":"{MARKER}"}}"#);
    let reply = |members: &str| format!(r#"{{"jsonrpc":"2.0","id":{{id}},{members}}}"#);
    let deep = format!(r#""result":{{"x":{}"{MARKER}"{}}}"#, "[".repeat(100), "]".repeat(100));
    let replies = [
        ("two results", reply(&format!("{good},{good}"))),
        ("two errors", reply(&format!("{error},{error}"))),
        ("a result and an error", reply(&format!("{good},{error}"))),
        ("a number that is none", reply(&format!(r#""result":{{"text":"{MARKER}","n":NaN}}"#))),
        ("an infinite number", reply(&format!(r#""result":{{"text":"{MARKER}","n":-Infinity}}"#))),
        ("more levels than there may be", reply(&deep)),
        ("a byte order mark", format!("\u{feff}{}", reply(&good))),
    ];
    for (what, reply) in replies {
        let as_event = Reply::stream([Step::message(&note("first")), Step::Message(reply.clone())]);
        for (form, reply) in [("JSON", Reply::body("application/json", reply)), ("a stream", as_event)] {
            stage.crm.on_tool("echo", reply);
            let answer = stage.ada.call("echo", json!({})).await;
            let what = format!("{what}, as {form}");
            assert_hidden(&answer, &what);
            assert_ends(&answer.messages(), -31502, &what);
            let outcome = stage.outcome(&answer.call()).await;
            assert_eq!(outcome["status"], "upstream_invalid", "{what}: {outcome}");
            assert!(outcome["detail"] == "not_a_message" || outcome["detail"] == "too_deep", "{what}: {outcome}");
        }
    }
    stage.gateway.stop_and_verify().await;
}
