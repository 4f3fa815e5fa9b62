//! What happens when tokens cannot be had: the message does not pass.

use std::fmt::Write as _;

use serde_json::json;
use sqlx::Connection as _;

use super::{SSN, Stage};
use crate::support::reply::Reply;

async fn broken(stage: &Stage, statement: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(stage.gateway.data().join("vault.db"));
    let mut vault = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(statement).execute(&mut vault).await.unwrap();
}

#[tokio::test]
async fn without_the_vault_no_reply_and_no_request_that_may_hold_a_token_passes() {
    let stage = Stage::new().await;
    let token = stage.reads(SSN).await;
    broken(&stage, "ALTER TABLE tokens RENAME TO gone").await;
    let remembered = stage.at("crm").call("update_contact", json!({ "who": token })).await;
    assert_eq!(remembered.text(), "update_contact was called", "what memory has needs no vault");

    stage.crm.on_tool("read", Reply::text("219-09-9998 is new"));
    let withheld = stage.at("crm").call("read", json!({})).await;
    assert_eq!((withheld.status, withheld.code()), (503, Some(-31503)), "{withheld:?}");
    assert!(!String::from_utf8_lossy(&withheld.body).contains("219-09-9998"), "{withheld:?}");
    let outcome = stage.gateway.ended(&withheld.call()).await.remove(1);
    assert_eq!(outcome["out"]["status"], "store_unavailable");

    let before = stage.crm.count();
    let refused = stage.at("crm").call("update_contact", json!({ "who": "219-09-9998" })).await;
    assert_eq!((refused.status, refused.code()), (503, Some(-31503)), "it may be a token: {refused:?}");
    assert_eq!(stage.crm.count(), before, "the server was reached");
    let clean = stage.at("crm").call("echo", json!({ "text": "nothing in it" })).await;
    assert_eq!(clean.text(), "echo was called", "nothing is asked about it");

    broken(&stage, "ALTER TABLE gone RENAME TO tokens").await;
    let again = stage.at("crm").call("read", json!({})).await;
    assert!(again.text().ends_with(" is new") && !again.text().contains("219-09-9998"), "{again:?}");
    stage.ends(&[&token, "219-09-9998"]).await;
}

#[tokio::test]
async fn more_values_than_are_looked_up_are_withheld() {
    let stage = Stage::new().await;
    let list = |count: usize| {
        let mut text = String::new();
        for n in 0..count {
            write!(text, "536-22-{:04}, ", n + 1).unwrap();
        }
        text
    };
    let many = stage.reads(&list(1_000)).await;
    assert!(many.split(", ").take(1_000).all(|token| token.len() == 11 && !token.starts_with("536-22-")), "{many}");
    stage.crm.on_tool("read", Reply::text(&(list(1_000) + &list(1_000))));
    assert_eq!(stage.at("crm").call("read", json!({})).await.text(), many.clone() + &many, "the same values twice are as many");
    stage.crm.on_tool("read", Reply::text(&list(1_001)));
    let withheld = stage.at("crm").call("read", json!({})).await;
    assert_eq!(withheld.result()["isError"], true, "{withheld:?}");
    let outcome = stage.gateway.ended(&withheld.call()).await.remove(1);
    assert_eq!([&outcome["out"]["status"], &outcome["out"]["detail"]], [&json!("result_blocked"), &json!("too_many_values")]);
    let before = stage.crm.count();
    let refused = stage.at("crm").call("update_contact", json!({ "who": list(1_001) })).await;
    assert_eq!((refused.code(), &refused.json()["error"]["data"]["category"]), (Some(-31422), &json!("not_scanned")));
    assert_eq!(stage.crm.count(), before, "the server was reached");
    stage.ends(&["536-22-0001"]).await;
}
