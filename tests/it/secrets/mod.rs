//! Secrets that the configuration refers to: read from real stores, rotated, lost and withdrawn while the gateway serves.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at the first surprise")]

mod aws;
mod files;
mod openbao;

use std::time::Duration;

use serde_json::Value;
use yett::audit::Filter;

use crate::support::gateway::Gateway;
use crate::support::http::{Answer, Connection};
use crate::support::{eventually, within};

/// Values of the token of `/metrics`, which is the secret here.
const FIRST: &str = "first-token-of-metrics";
const SECOND: &str = "second-token-of-metrics";

/// The configuration of a health listener with that token, and of its provider.
fn metrics_token(reference: &str, secrets: &str) -> String {
    let health = format!("health: {{ address: \"127.0.0.1:0\", metrics_token: \"{reference}\" }}");
    format!("accept_risks: []\n{health}\nsecrets: {{ refresh: 1s, {secrets} }}\n")
}

async fn asked(gateway: &Gateway, token: &str) -> Answer {
    let address = gateway.running.health;
    let mut connection = Connection::open(address).await;
    let head = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n");
    connection.send(head.as_bytes()).await;
    connection.answer().await.unwrap()
}

/// What `/metrics` answers to this token.
async fn metrics(gateway: &Gateway, token: &str) -> u16 {
    asked(gateway, token).await.status
}

/// Waits until this token is the one.
async fn in_force(gateway: &Gateway, token: &str) {
    let asking = async {
        while metrics(gateway, token).await != 200 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within("a new secret", asking).await;
}

/// What was recorded of secrets: act and setting.
fn acts(gateway: &Gateway) -> Vec<(String, String)> {
    let records = gateway.records(&Filter { kinds: vec!["admin".to_owned()], ..Filter::default() });
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let acts = records.iter().map(|record| (text(&record["what"]["act"]), text(&record["what"]["target"])));
    acts.filter(|(act, _)| act.starts_with("secret.")).collect()
}

async fn recorded(gateway: &Gateway, act: &str) {
    let wanted = (act.to_owned(), "health.metrics_token".to_owned());
    eventually("a record of a secret", || acts(gateway).contains(&wanted).then_some(())).await;
}

/// Status and text of readiness.
async fn ready(gateway: &Gateway) -> (u16, String) {
    let answer = gateway.health("/readyz").await;
    (answer.status, String::from_utf8(answer.body).unwrap())
}

/// Waits until readiness says this.
async fn said(gateway: &Gateway, text: &str) {
    let asking = async {
        while !ready(gateway).await.1.contains(text) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    within(&format!("readiness to say {text}"), asking).await;
}
