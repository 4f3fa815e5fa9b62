//! Attempts to get more than a limit gives.

use serde_json::json;
use tokio_util::task::TaskTracker;

use super::{limited, policy};
use crate::support::gateway::Gateway;
use crate::support::http::Connection;
use crate::support::server::Upstream;
use crate::support::token::Issuer;

const FLOOD: usize = 10_000;
const CONNECTIONS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mcp_066_a_flood_of_notifications_is_429_beyond_the_limit_and_202_within_it() {
    let (upstream, gateway) = limited(&["name: calm, per: [subject], rate: 100/h, burst: 100"]).await;
    let client = gateway.legacy("crm", &gateway.key("mallory", &["staff"]).await).await;
    let before = upstream.count();
    let memory = gateway.metric("process_resident_memory_bytes").await;
    let note = client.message(None, "notifications/progress", json!({ "progressToken": 1, "progress": 1 }));
    let (tasks, bytes, address) = (TaskTracker::new(), client.post(&note).bytes(), gateway.address);
    let work: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let bytes = bytes.clone();
            tasks.spawn(async move {
                let mut wire = Connection::open(address).await;
                let mut accepted = 0;
                for _ in 0..FLOOD / CONNECTIONS {
                    wire.send(&bytes).await;
                    match wire.answer().await.expect("an answer").status {
                        202 => accepted += 1,
                        status => assert_eq!(status, 429),
                    }
                }
                accepted
            })
        })
        .collect();
    let mut accepted = 0;
    for task in work {
        accepted += task.await.expect("an end");
    }
    // The handshake took two of the burst; an hour's hundred drip in slowly.
    assert!((96..=102).contains(&accepted), "{accepted} were accepted");
    assert!(upstream.count() - before <= accepted, "the server was told more");
    let grown = gateway.metric("process_resident_memory_bytes").await - memory;
    assert!(grown < f64::from(64 << 20), "the process has grown by {grown} bytes");
    assert!((gateway.metric("yett_limit_keys").await - 1.0).abs() < f64::EPSILON);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn mcp_086_a_limit_is_the_callers_whatever_they_change_about_their_requests() {
    const BURST: usize = 40;
    let upstream = Upstream::start().await;
    let corp = Issuer::new("corp");
    let limits = ["name: mine, per: [subject], rate: 1/day, burst: 40"];
    let gateway = Gateway::start()
        .listener_extra("trusted_proxies: [\"127.0.0.1/32\"]")
        .issuer(&corp)
        .policy(&policy(&limits, "corp"))
        .servers([("crm", &upstream), ("hr", &upstream)])
        .await;
    let mut passed = 0;
    for number in 0..3 * BURST {
        // Another token, another address in front of the proxy, another connection, another way to write the header.
        let token = corp.token(&gateway, "crm", "u-1", &["staff"]).claim("jti", format!("id-{number}"));
        let token = if number % 2 == 0 { token.claim("client_id", format!("app-{number}")) } else { token };
        let client = gateway.modern("crm", &token.signed());
        let call = client.message(Some(&json!(number)), "tools/call", json!({ "name": "echo", "arguments": { "n": number } }));
        let name = ["X-Forwarded-For", "Forwarded"][number % 2];
        let value = [format!("203.0.113.{number}"), format!("for=203.0.113.{number}")][number % 2].clone();
        let answer = client.post(&call).header(name, &value).send().await;
        match answer.status {
            200 => passed += 1,
            status => assert_eq!(status, 429, "{answer:?}"),
        }
    }
    assert_eq!(passed, BURST);
    // A subject is compared letter by letter, as issuers do: who has another one is somebody else.
    let other = gateway.modern("crm", &corp.token(&gateway, "crm", "U-1", &["staff"]).signed());
    assert_eq!(other.call("echo", json!({})).await.status, 200);
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn the_same_names_at_two_issuers_are_two() {
    let upstream = Upstream::start().await;
    let (corp, club) = (Issuer::new("corp"), Issuer::new("club"));
    for per in ["subject", "group", "client", "tenant"] {
        let limit = format!("name: few, per: [{per}], quota: 1/month");
        let gateway = Gateway::start()
            .issuer(&corp)
            .issuer(&club)
            .policy(&policy(&[&limit], "corp, club"))
            .servers([("crm", &upstream), ("hr", &upstream)])
            .await;
        for issuer in [&corp, &club] {
            let token = issuer.token(&gateway, "crm", "u-1", &["staff"]).claim("client_id", "app");
            let client = gateway.modern("crm", &token.signed());
            let statuses = (client.call("echo", json!({})).await.status, client.call("echo", json!({})).await.status);
            assert_eq!(statuses, (200, 429), "{per} of {}", issuer.name);
        }
        gateway.stop_and_verify().await;
    }
}
