//! Tokens run out, are renewed, are refused and are lost.

use serde_json::json;

use super::{Scene, told};
use crate::support::reply::Reply;

/// Good for a minute; seconds before its end a token is not shown any more.
const LIFETIME: i64 = 60;
const NEARLY_OVER: i64 = 55;

async fn scene() -> Scene {
    Scene::with(json!({ "lifetime": LIFETIME }), |builder| builder).await
}

fn counted(event: &str) -> String {
    format!("yett_account_events_total{{server=\"mail\",event=\"{event}\"}}")
}

#[tokio::test]
async fn tokens_are_renewed_once_for_everybody_before_they_run_out_and_when_the_server_refuses_one() {
    let scene = scene().await;
    let ada = scene.token("ada", "mail").await;
    scene.connected("ada", "ada-at-home").await;
    assert!(scene.call(&ada).await.json()["result"].is_object());
    let first = scene.shown();
    scene.gateway.clock.advance(NEARLY_OVER);
    // Whatever becomes of any account, what is remembered of all of them is read again.
    scene.connected("eve", "eve-at-home").await;
    let calls = futures_util::future::join_all((0..8).map(|_| scene.call(&ada))).await;
    assert!(calls.iter().all(|answer| answer.json()["result"].is_object()), "{calls:?}");
    let second = scene.shown();
    assert_ne!(first, second);
    scene.gateway.metric_is(&counted("renewed"), 1.0).await;

    scene.server.on_tool("echo", Reply::empty(401).header("WWW-Authenticate", "Bearer error=\"invalid_token\""));
    let answer = scene.call(&ada).await;
    assert_eq!(answer.json()["error"]["code"], -31502, "no message is sent twice: {answer:?}");
    scene.server.on_tool("echo", Reply::text("back"));
    assert!(scene.call(&ada).await.json()["result"].is_object());
    assert_ne!(scene.shown(), second, "another token");
    scene.gateway.metric_is(&counted("renewed"), 2.0).await;
    scene.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn an_issuer_that_is_down_costs_no_account_and_one_that_takes_it_back_does() {
    let scene = scene().await;
    let ada = scene.token("ada", "mail").await;
    scene.connected("ada", "ada-at-home").await;
    scene.server.on_tool("echo", Reply::empty(401));
    scene.call(&ada).await;
    scene.server.on_tool("echo", Reply::text("back"));
    scene.mail.trouble(json!({ "kind": "status", "status": 500, "path": "/token" })).await;
    let answer = scene.call(&ada).await;
    assert_eq!(answer.json()["error"]["code"], -31502, "{answer:?}");
    scene.gateway.metric_is(&counted("not_renewed"), 1.0).await;
    scene.mail.trouble(json!({})).await;
    // After a failure nobody asks for a second.
    let back = async {
        loop {
            if scene.call(&ada).await.json()["result"].is_object() {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    crate::support::within("the account, which is there still", back).await;

    scene.gateway.clock.advance(NEARLY_OVER);
    scene.connected("eve", "eve-at-home").await;
    let spent = json!({ "kind": "body", "status": 400, "path": "/token", "body": "{\"error\":\"invalid_grant\"}" });
    scene.mail.trouble(spent).await;
    let (code, url) = told(&scene.call(&ada).await);
    assert_eq!((code, url.as_str()), (json!(-31203), &*scene.page("/accounts/mail?issuer=corp")), "connect it again");
    scene.gateway.metric_is(&counted("lost"), 1.0).await;
    assert_eq!(scene.gateway.admin("GET", "/v1/accounts").await["accounts"].as_array().unwrap().len(), 1, "Eve's alone");
    scene.mail.trouble(json!({})).await;
    scene.connected("ada", "ada-at-home").await;
    assert!(scene.call(&ada).await.json()["result"].is_object());
    scene.gateway.stop_and_verify().await;
}
