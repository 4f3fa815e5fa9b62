//! A caller connects an account, uses it, and takes it away again.

use serde_json::json;

use super::{Scene, told};
use crate::support::browser::Browser;
use crate::support::client::Client;
use crate::support::issuer::claims;

#[tokio::test]
async fn a_caller_connects_an_account_once_and_calls_with_it_and_no_byte_of_their_token_arrives() {
    let scene = Scene::set().await;
    let (ada, grace) = (scene.token("ada", "mail").await, scene.token("eve", "mail").await);
    let answer = scene.call(&ada).await;
    let (code, url) = told(&answer);
    assert_eq!(
        (answer.status, code, url.as_str()),
        (200, json!(-31203), &*scene.page("/accounts/mail?issuer=corp")),
        "{answer:?}"
    );
    assert!(answer.json()["error"]["message"].as_str().unwrap().contains(&url), "a person reads where to go: {answer:?}");
    assert_eq!(scene.server.count(), 0);
    let record = scene.gateway.ended(&answer.call()).await.pop().unwrap();
    assert_eq!(record["out"]["status"], "not_connected", "{record}");

    // A client of 2025-11-25 that can send its user to a page does; any other one is told, whatever it begins with.
    for (capabilities, code) in [(json!({ "elicitation": { "url": {} } }), -32042), (json!({ "elicitation": {} }), -31203)] {
        let client = Client::before_handshake(scene.gateway.address, "mail", &ada, "2025-11-25");
        let info = json!({ "name": "test", "version": "0" });
        let hello = json!({ "protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info });
        let answer = client.request("initialize", hello).await;
        let error = answer.json()["error"].clone();
        assert_eq!((&error["code"], &error["data"]["url"]), (&json!(code), &json!(url)), "{answer:?}");
        let asked = json!([{ "mode": "url", "url": url, "elicitationId": answer.call(), "message": error["message"] }]);
        assert_eq!(error["data"].get("elicitations"), (code == -32042).then_some(&asked), "{answer:?}");
    }

    let mut browser = Browser::default();
    let consent = browser.open_as(&url, "ada").await;
    let text = consent.text();
    for said in ["Connect your account at mail", "ada (corp)", "mail.read"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert!(!text.contains("<script"));
    let page = browser.press(&consent, "connect").await;
    let page = browser.sign_in(page, "ada-at-home").await;
    assert!(page.status() == 200 && page.text().contains("is connected"), "{}", page.text());

    // Modern and legacy, all of it with the account's token, which is for this server.
    let answer = scene.call(&ada).await;
    assert!(answer.json()["result"].is_object(), "{answer:?}");
    let shown = scene.shown();
    let said = claims(&shown);
    let resource = format!("http://{}/mcp", scene.server.address);
    assert_eq!((&said["sub"], &said["aud"], &said["scope"]), (&json!("ada-at-home"), &json!(resource), &json!("mail.read")));
    let legacy = scene.gateway.legacy("mail", &ada).await;
    legacy.listen().await;
    assert!(legacy.call("echo", json!({})).await.json()["result"].is_object());
    legacy.end().await;
    assert_eq!(scene.mail.asked("/token").await, 1, "asked once");
    let everything = format!("{:?}", scene.server.arrived());
    for part in ada.split('.').skip(1) {
        assert!(part.len() > 40 && !everything.contains(part), "a part of the caller's token arrived");
    }
    // Nobody else has it, whatever they call.
    assert_eq!(told(&scene.call(&grace).await).0, json!(-31203));
    scene.gateway.metric_is("yett_account_events_total{server=\"mail\",event=\"connected\"}", 1.0).await;
    let records = scene.gateway.records(&yett::audit::Filter::default());
    let signed_in = records.iter().filter(|record| record["what"]["act"] == "account.sign_in").count();
    assert_eq!(signed_in, 1, "before anything was shown to them");
    let connected: Vec<_> = records.iter().filter(|record| record["what"]["act"] == "account.connect").collect();
    assert_eq!(connected.len(), 1);
    assert_eq!((&connected[0]["what"]["target"], &connected[0]["what"]["by"]), (&json!("mail"), &json!("user")));

    // It outlives the gateway, and what stands in its files is no token.
    let Scene { corp, mail, server, gateway } = scene;
    let folder = gateway.stop_and_verify().await;
    for file in ["state.db", "state.db-wal", "vault.db"] {
        let bytes = std::fs::read(folder.data().join(file)).unwrap_or_default();
        assert!(!bytes.windows(40).any(|window| shown.as_bytes().windows(40).next() == Some(window)), "{file}");
    }
    let gateway = folder.start().await;
    let scene = Scene { corp, mail, server, gateway };
    let ada = scene.token("ada", "mail").await;
    assert!(scene.call(&ada).await.json()["result"].is_object());
    assert_eq!(scene.shown(), shown);
    scene.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn an_account_is_taken_away_by_its_user_and_by_an_operator_and_at_its_issuer() {
    let scene = Scene::set().await;
    let ada = scene.token("ada", "mail").await;
    let mut browser = scene.connected("ada", "ada-at-home").await;
    assert!(scene.call(&ada).await.json()["result"].is_object());
    let page = browser.open(&scene.page("/accounts/mail")).await;
    let page = browser.press(&page, "disconnect").await;
    assert!(page.text().contains("Connect your account"), "{}", page.text());
    let seen = scene.server.count();
    assert_eq!(told(&scene.call(&ada).await).0, json!(-31203), "at once");
    assert_eq!(scene.mail.asked("/token/revocation").await, 1);

    let page = browser.press(&page, "connect").await;
    let page = browser.sign_in(page, "ada-at-home").await;
    assert!(page.text().contains("is connected"), "{}", page.text());
    assert!(scene.call(&ada).await.json()["result"].is_object());
    let list = scene.gateway.admin("GET", "/v1/accounts").await;
    let accounts = list["accounts"].as_array().unwrap().clone();
    assert_eq!(accounts.len(), 1, "{list}");
    let account = &accounts[0];
    assert_eq!((&account["server"], &account["issuer"], &account["subject"]), (&json!("mail"), &json!("corp"), &json!("ada")));
    assert!(account.get("access").is_none() && account.get("tokens").is_none());
    let id = account["id"].as_str().unwrap();
    let gone = scene.gateway.admin("DELETE", &format!("/v1/accounts/{id}?requester=kim")).await;
    assert_eq!(gone["account"]["id"], json!(id), "{gone}");
    assert_eq!(told(&scene.call(&ada).await).0, json!(-31203));
    assert_eq!((scene.server.count(), scene.mail.asked("/token/revocation").await), (seen + 1, 2));
    let records = scene.gateway.records(&yett::audit::Filter::default());
    let by: Vec<_> =
        records.iter().filter(|record| record["what"]["act"] == "account.revoke").map(|r| r["what"].clone()).collect();
    assert_eq!(by.len(), 2, "{by:?}");
    assert_eq!((&by[0]["by"], &by[1]["requester"]), (&json!("user"), &json!("kim")));
    scene.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_key_has_no_account_and_says_so_without_a_page() {
    let scene = Scene::set().await;
    let key = scene.gateway.key("ci", &["staff"]).await;
    let answer = scene.call(&key).await;
    let error = answer.json()["error"].clone();
    assert_eq!(error["code"], -31403, "{answer:?}");
    assert!(error["data"]["reason"].as_str().is_some_and(|reason| reason.contains("an account of your own")), "{answer:?}");
    assert_eq!(scene.server.count(), 0);
    scene.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn an_account_goes_with_whoever_is_erased_and_with_the_terms_that_it_was_given_for() {
    let scene = Scene::set().await;
    let (ada, eve) = (scene.token("ada", "mail").await, scene.token("eve", "mail").await);
    scene.connected("ada", "ada-at-home").await;
    scene.connected("eve", "eve-at-home").await;
    assert!(scene.call(&ada).await.json()["result"].is_object() && scene.call(&eve).await.json()["result"].is_object());
    let who = yett::vault::Identity { issuer: "corp".to_owned(), subject: "ada".to_owned() };
    let [basis, approver, requester] = ["case 7", "dpo", "ticket-1"].map(str::to_owned);
    let order = yett::admin::Order { who, basis, approver, requester };
    scene.gateway.running.operations().privacy().erase(&order).await.unwrap();
    assert_eq!(told(&scene.call(&ada).await).0, json!(-31203), "at once, though its token was remembered");
    assert!(scene.call(&eve).await.json()["result"].is_object());

    // The server gets another authorization server: nothing of the old one is shown to it.
    let Scene { corp, mail, server, gateway } = scene;
    let folder = gateway.stop_and_verify().await;
    let other = super::mail(json!({})).await;
    let config = folder.path().join("yett.yaml");
    let written = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, written.replace(&mail.issuer, &other.issuer)).unwrap();
    let (seen, gateway) = (server.count(), folder.start().await);
    let scene = Scene { corp, mail: other, server, gateway };
    let eve = scene.token("eve", "mail").await;
    assert_eq!(told(&scene.call(&eve).await).0, json!(-31203));
    assert_eq!((scene.server.count(), scene.mail.asked("/token").await), (seen, 0));
    scene.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_server_that_is_stopped_gets_no_new_accounts_and_loses_those_that_are_taken_away() {
    let scene = Scene::set().await;
    let mut browser = scene.connected("ada", "ada-at-home").await;
    scene.gateway.admin("PUT", "/v1/switches/server:mail").await;
    let page = browser.open(&scene.page("/accounts/mail")).await;
    let refused = browser.clone().press(&page, "connect").await;
    assert!(refused.status() == 503 && refused.text().contains("Reference: "), "{}", refused.text());
    let gone = browser.press(&page, "disconnect").await;
    assert!(gone.text().contains("Connect your account"), "{}", gone.text());
    assert_eq!(scene.mail.asked("/token/revocation").await, 1);
    scene.gateway.stop_and_verify().await;
}
