//! Rows of the attack list about one request: its framing, its headers, its method, what is hidden behind it.

use serde_json::json;

use super::{call, chunked, unframed};
use crate::support::client::meta;
use crate::support::eventually;
use crate::support::gateway::Gateway;
use crate::support::raw::RawServer;
use crate::support::reply::{Gate, Reply, Step};
use crate::support::stage::{Stage, good_head};

#[tokio::test]
async fn http_006_a_transfer_coding_in_disguise_is_refused() {
    let stage = Stage::new().await;
    let row = |line: &str| format!("POST /mcp HTTP/1.1\r\nHost: gw\r\n{line}\r\n\r\n0\r\n\r\n");
    for line in [
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding : chunked",
    ] {
        stage.assert_no_request(line, row(line).as_bytes(), 400).await;
        let (name, value) = line.split_once(": ").unwrap();
        let post = unframed(&stage).body(chunked(&call())).header(name, value);
        stage.assert_no_request(&format!("{line}, with a call"), &post.bytes(), 400).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn http_008_chunks_in_http_1_0_are_refused() {
    let stage = Stage::new().await;
    let row = b"POST /mcp HTTP/1.0\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let record = stage.assert_no_request("the row", row, 400).await;
    assert_eq!(record["dec"]["reason"], "transfer_encoding_http_1_0", "{record}");
    stage.end().await;
}

#[tokio::test]
async fn http_010_chunk_extensions_are_refused_before_they_are_many() {
    let stage = Stage::new().await;
    let post = unframed(&stage).header("Transfer-Encoding", "chunked");
    // Never more than 64 KiB is sent, and no end: an answer can only come because enough was seen.
    let long = format!("1;{}\r\na\r\n", "x".repeat(1000)).repeat(64);
    for (what, body) in [
        ("the row", long.clone()),
        ("short ones on many chunks", "1;x\r\na\r\n".repeat(8_000)),
        ("one without end", format!("1;{}", "x".repeat(60_000))),
    ] {
        assert!(body.len() <= 68 << 10, "{what}: {}", body.len());
        let record = stage.assert_no_request(what, &post.clone().body(body).bytes(), 400).await;
        assert_eq!(record["dec"]["reason"], "chunk_extension", "{what}: {record}");
    }
    let small = format!("{:x};name=\"value\"\r\n{}\r\n0;last\r\n\r\n", call().len(), call());
    stage.assert_passes("a small extension", &post.body(small).send().await);
    stage.end().await;
}

#[tokio::test]
async fn http_011_trailers_are_neither_merged_nor_forwarded() {
    let stage = Stage::new().await;
    let body = call();
    let with = |trailers: &str| format!("{:x}\r\n{body}\r\n0\r\n{trailers}\r\n", body.len());
    let authorization = format!("Authorization: Bearer {}\r\n", stage.key);
    for trailers in
        ["Mcp-Name: safe\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n", "X: y\r\n", authorization.as_str()]
    {
        let post = unframed(&stage).header("Transfer-Encoding", "chunked").body(with(trailers));
        let record = stage.assert_no_request(trailers, &post.bytes(), 400).await;
        assert_eq!(record["dec"]["reason"], "trailers", "{record}");
        // Without a credential in the head, one behind the body is none.
        let answer = post.without("Authorization").also("Trailer", "Authorization").send().await;
        // Which of the two is seen first depends on how much of the body has come with the head.
        assert!(matches!(answer.status, 400 | 401), "{trailers}: {answer:?}");
        stage.assert_refused(trailers, &answer, answer.status);
    }
    stage.end().await;
}

#[tokio::test]
async fn http_012_each_of_two_pipelined_requests_is_judged_on_its_own() {
    let stage = Stage::new().await;
    let client = stage.modern();
    let message = |tool: &str, id: u8| {
        let params = json!({ "name": tool, "arguments": {}, "_meta": meta() });
        client.post(&client.message(Some(&json!(id)), "tools/call", params)).bytes()
    };
    for (first, second) in [("danger", "echo"), ("echo", "danger"), ("danger", "danger"), ("echo", "echo")] {
        let what = format!("{first} before {second}");
        let mut connection = stage.gateway.connect().await;
        connection.send(&[message(first, 1), message(second, 2)].concat()).await;
        for (tool, id) in [(first, 1), (second, 2)] {
            let answer = connection.answer().await.unwrap_or_else(|| panic!("{what}: no answer to {id}"));
            assert_eq!(answer.json()["id"], id, "{what}: {answer:?}");
            if tool == "echo" {
                assert_eq!(answer.text(), "echo was called", "{what}: {answer:?}");
            } else {
                assert_eq!(answer.code(), Some(-32602), "{what}: {answer:?}");
                assert_eq!(answer.message(), "Unknown tool: danger", "{what}");
            }
            let records = stage.gateway.records_of(&answer.call());
            let effect = if tool == "echo" { "allow" } else { "deny" };
            assert_eq!(records[0]["dec"]["effect"], effect, "{what}: {records:#?}");
        }
    }
    let named = |tool: &str| stage.upstream.calls().iter().filter(|call| call.json()["params"]["name"] == tool).count();
    assert_eq!((named("danger"), named("echo")), (0, 4));
    assert_eq!(stage.gateway.denials().len(), 4);
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn http_021_bytes_that_are_not_ascii_are_refused_wherever_they_stand() {
    let stage = Stage::new().await;
    let good = String::from_utf8(unframed(&stage).also("X", "a@b").bytes()).unwrap();
    for byte in [0x80_u8, 0xa0, 0xc3, 0xff] {
        for (what, mark) in
            [("a value", "a@b"), ("a name", "X: "), ("the target", "/mcp/crm"), ("a value that is read", "application/json\r\n")]
        {
            let at = good.find(mark).unwrap() + 1;
            let bytes = [&good.as_bytes()[..at], &[byte], &good.as_bytes()[at..]].concat();
            let record = stage.assert_no_request(&format!("{byte:#x} in {what}"), &bytes, 400).await;
            assert_eq!(record["dec"]["reason"], "non_ascii", "{record}");
        }
    }
    let log = stage.gateway.data().join("audit");
    let mut open = vec![log];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_none_or(|extension| extension != "key") {
                assert!(String::from_utf8(std::fs::read(&path).unwrap()).is_ok(), "{} is no UTF-8", path.display());
            }
        }
    }
    stage.end().await;
}

#[tokio::test]
async fn http_022_too_many_headers_too_large_a_header_and_too_long_a_target_are_refused() {
    let stage = Stage::new().await;
    let many = "X: y\r\n".repeat(100);
    let head = |target: &str, more: &str| format!("GET {target} HTTP/1.1\r\nHost: gw\r\n{more}\r\n");
    stage.assert_no_request("101 headers", head("/mcp/crm", &many).as_bytes(), 431).await;
    let large = format!("X: {}\r\n", "a".repeat(65_536));
    stage.assert_no_request("a header of 64 KiB", head("/mcp/crm", &large).as_bytes(), 431).await;
    stage.assert_no_request("a target of 70 KB", head(&format!("/{}", "a".repeat(70_000)), "").as_bytes(), 414).await;
    stage.end().await;
}

#[tokio::test]
async fn http_023_a_header_with_an_underscore_is_never_read_as_its_dashed_twin() {
    let stage = Stage::new().await;
    let twins = [
        ("Mcp_Name", "danger"),
        ("x_forwarded_for", "10.0.0.1"),
        ("content_length", "0"),
        ("Mcp_Method", "tools/list"),
        ("MCP_Protocol_Version", "2025-11-25"),
        ("Transfer_Encoding", "chunked"),
        ("X_Forwarded_Host", "evil.example"),
        ("_", "x"),
    ];
    for (name, value) in twins {
        let record = stage.assert_no_request(name, &unframed(&stage).also(name, value).bytes(), 400).await;
        assert_eq!(record["dec"]["reason"], "header_underscore", "{record}");
    }
    for name in ["Authorization", "Mcp-Name", "Mcp-Method", "Content-Type", "Host"] {
        let post = unframed(&stage);
        let text = String::from_utf8(post.bytes()).unwrap();
        let twin = text.replacen(&format!("{name}: "), &format!("{}: ", name.replace('-', "_") + "_"), 1);
        stage.assert_no_request(&format!("a twin in the place of {name}"), twin.as_bytes(), 400).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn http_028_methods_that_the_endpoint_does_not_have_are_405() {
    let stage = Stage::new().await;
    let address = stage.gateway.address;
    let head = |method: &str, target: &str| {
        format!(
            "{method} {target} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Accept: application/json, text/event-stream\r\nX-Echo: echo-marker\r\n\r\n",
            stage.key
        )
    };
    for (method, target) in [
        ("GET", "/mcp/crm"),
        ("DELETE", "/mcp/crm"),
        ("PUT", "/mcp/crm"),
        ("PATCH", "/mcp/crm"),
        ("TRACE", "/mcp/crm"),
        ("OPTIONS", "/mcp/crm"),
        ("OPTIONS", "*"),
        ("CONNECT", "/mcp/crm"),
        ("CONNECT", "evil.example:443"),
        ("PROPFIND", "/mcp/crm"),
    ] {
        let what = format!("{method} {target}");
        let answer = stage.gateway.raw_answer(head(method, target).as_bytes()).await;
        stage.assert_refused(&what, &answer, 405);
        assert!(answer.header("allow").is_some_and(|allowed| allowed.contains("POST")), "{what}: {answer:?}");
        assert!(!format!("{answer:?}").contains("echo-marker"), "{what}: it came back: {answer:?}");
    }
    // A HEAD is answered without a body, which the harness would wait for.
    let mut connection = stage.gateway.connect().await;
    connection.send(head("HEAD", "/mcp/crm").as_bytes()).await;
    stage.assert_refused("HEAD", &connection.head().await.unwrap(), 405);
    stage.end().await;
}

#[tokio::test]
async fn http_057_a_client_that_leaves_takes_its_call_along_and_leaves_nothing_behind() {
    let stage = Stage::new().await;
    let idle = stage.gateway.running.open_tasks();
    let never = Gate::default();
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": { "progressToken": "p", "progress": 1 } });
    let replies = [
        ("before the head", Reply::text("late").after(&never)),
        ("in a stream", Reply::stream([Step::message(&note), Step::Wait(never.clone()), Step::text("late")])),
        ("before the first event", Reply::stream([Step::Wait(never.clone()), Step::text("late")])),
    ];
    let mut gone = 0;
    for (what, reply) in replies {
        stage.upstream.on_tool("echo", reply);
        for abrupt in [true, false] {
            let before = stage.upstream.count();
            let mut waiting = good_head(&stage.modern(), call().as_bytes()).open().await;
            eventually("the call is with the server", || (stage.upstream.count() > before).then_some(())).await;
            let call = stage.upstream.arrived().pop().unwrap().header("yett-call").unwrap().to_owned();
            if !abrupt {
                waiting.half_close().await;
            }
            drop(waiting);
            gone += 1;
            eventually("the server's connection is closed", || (stage.upstream.cancelled() == gone).then_some(())).await;
            let records = stage.gateway.ended(&call).await;
            assert_eq!(records[1]["out"]["status"], "client_gone", "{what}: {records:#?}");
            assert_eq!(records.len(), 2, "{what}: {records:#?}");
        }
    }
    eventually("no task is left", || (stage.gateway.running.open_tasks() <= idle).then_some(())).await;
    stage.upstream.on_tool("echo", Reply::text("well again"));
    assert_eq!(stage.modern().call("echo", json!({})).await.text(), "well again");
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_070_no_way_of_writing_a_request_reaches_a_server_that_is_not_configured() {
    let other = RawServer::start();
    let stage = Stage::new().await;
    let at = other.address;
    for (what, target, status) in [
        ("its name", "/mcp/other".to_owned(), 404),
        ("its address", format!("/mcp/{at}"), 404),
        ("its URL", format!("/mcp/http://{at}/mcp"), 404),
        ("its URL, escaped", format!("/mcp/http%3A%2F%2F{at}%2Fmcp"), 404),
        ("a step up", "/mcp/crm/../other".to_owned(), 404),
        ("a query", format!("/mcp/other?server=crm&url=http://{at}/mcp"), 404),
        ("a double slash", format!("//{at}/mcp"), 404),
    ] {
        stage.assert_refused(what, &unframed(&stage).target(&target).send().await, status);
        let forwarded = unframed(&stage).target(&target).also("X-Forwarded-Host", &at.to_string());
        let forwarded = forwarded.also("Forwarded", &format!("host={at}")).also("X-Original-URL", &format!("http://{at}/mcp"));
        stage.assert_refused(&format!("{what}, and forwarded"), &forwarded.send().await, status);
    }
    stage.assert_no_request("an absolute URI", &unframed(&stage).target(&format!("http://{at}/mcp")).bytes(), 400).await;
    stage.assert_no_request("an authority", &unframed(&stage).target(&at.to_string()).bytes(), 400).await;
    let host = unframed(&stage).header("Host", &at.to_string());
    stage.assert_refused("its Host", &host.send().await, 403);
    // Where the path is a good one, these headers say nothing.
    let forwarded = unframed(&stage).also("X-Forwarded-Host", &at.to_string()).also("X-Forwarded-Prefix", "/other");
    stage.assert_passes("a good path", &forwarded.send().await);
    assert_eq!(other.connections(), 0, "somebody was led there");
    stage.end().await;
}

#[tokio::test]
async fn an_idle_gateway_has_no_task_for_a_client_that_came_and_went() {
    let gateway = Gateway::start().server_at("crm", ([127, 0, 0, 1], 9).into(), "").await;
    let idle = gateway.running.open_tasks();
    let connections: Vec<_> = futures_util::future::join_all((0..20).map(|_| gateway.connect())).await;
    eventually("all are served", || (gateway.running.open_tasks() >= idle + 20).then_some(())).await;
    drop(connections);
    eventually("all are gone", || (gateway.running.open_tasks() == idle).then_some(())).await;
    gateway.stop_and_verify().await;
}
