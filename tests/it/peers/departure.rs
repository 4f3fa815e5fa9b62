//! A client that goes away takes its request at the server with it, and the log says so.

use serde_json::Value;

use super::client::{PYTHON_LEGACY, PYTHON_MODERN, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN};
use super::eventually;
use super::gateway::Gateway;
use super::upstream::Upstream;

const SLOW: &str = r"version: 1
roles:
  slow: { allow: [{ servers: [fixture], tools: [slow] }] }
bindings:
  - { role: slow, groups: [agents] }
";

/// A call that takes longer than a test waits for anything.
const WORK: [&str; 4] = ["--tool", "slow", "--args", r#"{"seconds":50}"#];

#[test]
fn a_client_that_dies_takes_its_request_at_the_server_with_it() {
    let upstream = Upstream::fixture();
    let gateway = Gateway::start(&upstream, SLOW);
    let clients = [PYTHON_MODERN, TYPESCRIPT_LEGACY];
    for client in clients {
        let doomed = client.begin_to_be_killed(&gateway.url, &gateway.key, "call", &WORK);
        eventually(&format!("{client}: its call arrived"), || arrived(&upstream).then_some(()));
        drop(doomed);
        eventually(&format!("{client}: the server lost its sender"), || upstream.noted("disconnected", "slow").then_some(()));
        upstream.forget();
    }
    assert_eq!(ends_of_calls(&gateway.stop().records()), ["client_gone", "client_gone"], "outcomes of the calls");
}

#[test]
fn a_client_that_gives_up_ends_the_work_at_the_server() {
    let upstream = Upstream::fixture();
    let gateway = Gateway::start(&upstream, SLOW);
    let clients = [PYTHON_LEGACY, PYTHON_MODERN, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN];
    for client in clients {
        let transcript = client.walk(&gateway.url, Some(&gateway.key), "abandoned", &[]);
        assert_eq!(transcript[1]["error"]["code"], "abandoned", "{client}: {:#}", transcript[1]);
        // A legacy client says `notifications/cancelled`, a modern one closes the stream.
        eventually(&format!("{client}: the work was ended"), || upstream.noted("cancelled", "slow").then_some(()));
        upstream.forget();
    }
    let records = gateway.stop().records();
    let ends = ends_of_calls(&records);
    assert!(
        ends.len() == clients.len() && !ends.contains(&"ok"),
        "expected an outcome other than `ok` for each call, got {ends:?}"
    );
}

fn arrived(upstream: &Upstream) -> bool {
    upstream.seen().iter().any(|entry| entry["method"] == "tools/call")
}

/// The status of the outcome of each `tools/call`.
fn ends_of_calls(records: &[Value]) -> Vec<&str> {
    let calls = records.iter().filter(|record| record["what"]["method"] == "tools/call").map(|record| &record["call"]);
    calls
        .flat_map(|call| records.iter().filter(move |record| record["kind"] == "call.outcome" && record["call"] == *call))
        .map(|record| record["out"]["status"].as_str().unwrap())
        .collect()
}
