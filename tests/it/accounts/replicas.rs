//! Two replicas and their accounts in a real `PostgreSQL`.

use serde_json::{Value, json};

use super::{POLICY, corp, mail, user_oauth, user_token};
use crate::support::browser::Browser;
use crate::support::gateway::Gateway;
use crate::support::postgres::Postgres;
use crate::support::server::Upstream;

async fn call(gateway: &Gateway, token: &str) -> Value {
    gateway.modern("mail", token).call("echo", json!({ "text": "hi" })).await.json()
}

/// Waits until a call there is let through, or is not.
async fn becomes(gateway: &Gateway, token: &str, connected: bool) {
    let poll = async {
        while call(gateway, token).await["result"].is_object() != connected {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    crate::support::within(&format!("connected: {connected}"), poll).await;
}

async fn connect(gateway: &Gateway, login: &str) {
    let mut browser = Browser::default();
    let page = browser.open_as(&format!("http://{}/accounts/mail", gateway.address), login).await;
    let page = browser.press(&page, "connect").await;
    let page = browser.sign_in(page, &format!("{login}-at-home")).await;
    assert!(page.text().contains("is connected"), "{}", page.text());
}

#[tokio::test]
async fn an_account_is_connected_renewed_and_taken_away_once_for_all_replicas() {
    let (database, corp, server) = (Postgres::start().await, corp().await, Upstream::start().await);
    let mail = mail(json!({ "lifetime": 60 })).await;
    let replica = |name: &str| {
        let config = format!(
            "state: {{ url: \"{}\" }}\nmaster_key: 0123456789abcdef0123456789abcdef\naudit: {{ origin: test.localhost, replica: {name} }}",
            database.url()
        );
        Gateway::start()
            .policy(POLICY)
            .issuer_written(&corp.written("corp", "sign_in: { client_id: desk, client_secret: secret-of-desk }"))
            .server("mail", &server, &user_oauth(&mail))
            .server("crm", &server, "")
            .config_extra(&config)
    };
    let (one, two) = tokio::join!(replica("r1"), replica("r2"));
    let (here, there) = (user_token(&corp, "ada", &one.url("mail")).await, user_token(&corp, "ada", &two.url("mail")).await);
    connect(&one, "ada").await;
    becomes(&one, &here, true).await;
    becomes(&two, &there, true).await;

    // It nearly runs out: whoever comes first renews it, and the other one has what came of it.
    for gateway in [&one, &two] {
        gateway.clock.advance(55);
    }
    connect(&one, "eve").await;
    let asked = mail.asked("/token").await;
    // What is remembered of accounts is read again at the other one within a moment.
    becomes(&one, &here, true).await;
    let calls = (0..8).map(|number| if number % 2 == 0 { call(&one, &here) } else { call(&two, &there) });
    let answers = futures_util::future::join_all(calls).await;
    assert!(answers.iter().all(|answer| answer["result"].is_object()), "{answers:?}");
    assert_eq!(mail.asked("/token").await, asked + 1, "once for both");

    let accounts = two.admin("GET", "/v1/accounts").await["accounts"].as_array().unwrap().clone();
    let ada = accounts.iter().find(|account| account["subject"] == "ada").unwrap();
    two.admin("DELETE", &format!("/v1/accounts/{}", ada["id"].as_str().unwrap())).await;
    assert!(call(&two, &there).await["error"].is_object());
    becomes(&one, &here, false).await;
    for gateway in [one, two] {
        gateway.stop_and_verify().await;
    }
}
