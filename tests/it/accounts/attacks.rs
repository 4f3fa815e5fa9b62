//! What others try with links, browsers and ways back.

use serde_json::json;

use super::{Scene, told};
use crate::support::browser::{Browser, Page};

/// Whether anybody has connected anything.
async fn nobody_connected(scene: &Scene) -> bool {
    scene.gateway.admin("GET", "/v1/accounts").await["accounts"].as_array().unwrap().is_empty()
}

#[tokio::test]
async fn a_link_that_is_sent_to_somebody_else_connects_their_account_for_themselves_alone() {
    let scene = Scene::set().await;
    let (eve, ada) = (scene.token("eve", "mail").await, scene.token("ada", "mail").await);
    let (_, link) = told(&scene.call(&eve).await);
    // Eve sends her link to Ada, who goes all the way.
    let mut browser = Browser::default();
    let page = browser.open_as(&link, "ada").await;
    assert!(page.text().contains("ada (corp)"), "she reads for whom it is: {}", page.text());
    let page = browser.press(&page, "connect").await;
    browser.sign_in(page, "ada-at-home").await;
    assert_eq!(told(&scene.call(&eve).await).0, json!(-31203), "Eve has nothing of it");
    assert!(scene.call(&ada).await.json()["result"].is_object());
    scene.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_way_back_is_the_browsers_that_was_sent_and_is_gone_once() {
    let scene = Scene::set().await;
    // Eve begins, and stops where she would come back with a code of her account.
    let mut eve = Browser::default();
    let page = eve.open_as(&scene.page("/accounts/mail"), "eve").await;
    let token = page.attribute("name=\"form\" value=\"").unwrap();
    let origin = scene.page("");
    let sent = eve.post(&page.url, &[("form", &token), ("act", "connect")], Some(&origin)).await;
    let authorize = sent.onward().unwrap();
    let mut at_mail = Browser::default();
    let mut page = at_mail.get(&authorize).await;
    let back = loop {
        match page.onward() {
            Some(to) if to.contains("/accounts/mail/callback") => break to,
            Some(to) => page = at_mail.get(&to).await,
            None => {
                let prompt = page.attribute("name=\"prompt\" value=\"").unwrap();
                let action = page.attribute(" action=\"").unwrap();
                let to = if action.starts_with('/') { format!("{}{action}", scene.mail.url) } else { action };
                let fields = [("prompt", prompt.as_str()), ("login", "eve-at-home"), ("password", "any")];
                page = at_mail.post(&to, &fields, None).await;
            }
        }
    };
    // Ada is lured there: her browser was sent nowhere, or somewhere else.
    let mut ada = Browser::default();
    let refused = ada.get(&back).await;
    assert_eq!(refused.status(), 400, "{}", refused.text());
    let page = ada.open_as(&scene.page("/accounts/mail"), "ada").await;
    let token = page.attribute("name=\"form\" value=\"").unwrap();
    ada.post(&page.url, &[("form", &token), ("act", "connect")], Some(&origin)).await;
    let refused = ada.get(&back).await;
    assert_eq!(refused.status(), 400, "the state of another browser: {}", refused.text());
    assert!(nobody_connected(&scene).await);
    assert_eq!(scene.mail.asked("/token").await, 0, "no code was shown to anybody");

    // A copied cookie is not enough either: Eve's way back with Ada's sign-in.
    let journey = eve.cookie(&origin, "journey").unwrap();
    ada.set_cookie(&origin, "yett-journey", &journey);
    let refused = ada.get(&back).await;
    assert!(refused.status() == 400 && nobody_connected(&scene).await, "{}", refused.text());

    // With an `iss` of another, a parameter twice, none at all; then the right one, once.
    let issuer = back.split("iss=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    for bad in
        [back.replace(&issuer, "http%3A%2F%2Fevil.example"), format!("{back}&state=x"), scene.page("/accounts/mail/callback")]
    {
        let mut copy = eve.clone();
        let refused = copy.get(&bad).await;
        assert!(refused.status() == 400 && nobody_connected(&scene).await, "{bad}: {}", refused.text());
    }
    let elsewhere = back.replace("/accounts/mail/callback", "/sign-in/corp");
    assert_eq!(eve.clone().get(&elsewhere).await.status(), 400, "another one's place to come back to");
    let arrived = eve.open(&back).await;
    assert!(arrived.text().contains("is connected"), "{}", arrived.text());
    let again = eve.open(&back).await;
    assert_eq!(again.status(), 400, "{}", again.text());
    assert!(again.text().contains("Reference: "), "by which an operator finds the record");
    let words: Vec<_> = scene.gateway.denials().iter().map(|record| record["dec"]["reason"].clone()).collect();
    assert!(words.contains(&json!("state")) && words.contains(&json!("no_journey")), "{words:?}");
    scene.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn a_form_is_taken_from_our_own_page_in_the_browser_of_its_user_alone() {
    let scene = Scene::set().await;
    let mut ada = Browser::default();
    let page = ada.open_as(&scene.page("/accounts/mail"), "ada").await;
    let token = page.attribute("name=\"form\" value=\"").unwrap();
    let origin = scene.page("");
    let good: &[(&str, &str)] = &[("form", &token), ("act", "connect")];
    for (fields, from, status) in [
        (good, Some("https://evil.example"), 403),
        (good, Some("null"), 403),
        (good, None, 403),
        (&[("act", "connect")][..], Some(origin.as_str()), 403),
        (&[("form", "guess"), ("act", "connect")], Some(&origin), 403),
        (&[("form", &token), ("form", &token), ("act", "connect")], Some(&origin), 403),
        (&[("form", &token), ("act", "everything")], Some(&origin), 403),
    ] {
        let answer = ada.clone().post(&page.url, fields, from).await;
        assert_eq!((answer.status(), answer.onward()), (status, None), "{fields:?} {from:?}: {}", answer.text());
    }
    let mut nobody = Browser::default();
    assert_eq!(nobody.post(&page.url, good, Some(&origin)).await.status(), 403, "without the cookie");
    let long = "x".repeat(5_000);
    assert_eq!(ada.clone().post(&page.url, &[("form", &long)], Some(&origin)).await.status(), 413);
    // Frames, scripts, caches and other origins get nothing of it.
    for (name, value) in [
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(page.answer.header(name), Some(value), "{name}");
    }
    let policy = page.answer.header("content-security-policy").unwrap();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(page.answer.header("access-control-allow-origin").is_none());
    scene.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn jwt_047_a_page_says_nothing_before_a_sign_in_and_a_token_of_another_kind_is_no_sign_in() {
    let scene = Scene::set().await;
    // Whether there is such a server is not told to a stranger.
    for path in ["/accounts/mail", "/accounts/none"] {
        let mut stranger = Browser::default();
        let answer = stranger.get(&scene.page(path)).await;
        let to = answer.onward().unwrap();
        assert!(answer.status() == 303 && to.starts_with(&format!("{}/auth?", scene.corp.url)), "{path}: {to}");
        assert!(to.contains("code_challenge=") && to.contains("code_challenge_method=S256") && to.contains("nonce="), "{to}");
    }
    let mut ada = Browser::default();
    assert_eq!(ada.open_as(&scene.page("/accounts/none"), "ada").await.status(), 404);
    for path in
        ["/accounts/", "/accounts/MAIL", "/accounts/mail/x", "/accounts/../mcp", "/sign-in/", "/sign-in/none?code=x&state=y"]
    {
        let status = Browser::default().get(&scene.page(path)).await.status();
        assert!(status == 404 || status == 400, "{path}: {status}");
    }
    // An access token is no ID token, and one without the nonce of this browser is another's.
    scene
        .corp
        .trouble(json!({ "kind": "body", "path": "/token", "body": json!({
        "access_token": "a", "token_type": "Bearer", "id_token": scene.token("ada", "mail").await }).to_string() }))
        .await;
    let mut eve = Browser::default();
    let page = eve.open_as(&scene.page("/accounts/mail"), "eve").await;
    assert_eq!(page.status(), 502, "{}", page.text());
    assert!(eve.cookie(&scene.page(""), "visitor").is_none());
    scene.gateway.stop_and_verify().await;
}

/// Status and page, without the id of the record.
fn said(page: &Page) -> (u16, String) {
    (page.status(), page.text().split("<p><small>Reference").next().unwrap().to_owned())
}

#[tokio::test]
async fn a_server_of_another_tenant_is_no_server_at_the_desk() {
    let scene = Scene::set().await;
    // Grace, of `other`, is on her way to an account when the server becomes one of `acme` alone.
    let mut grace = Browser::default();
    let page = grace.open_as(&scene.page("/accounts/mail"), "grace").await;
    assert!(page.text().contains("grace (corp)"), "{}", page.text());
    let token = page.attribute("name=\"form\" value=\"").unwrap();
    let good: &[(&str, &str)] = &[("form", &token), ("act", "connect")];
    let origin = scene.page("");
    let authorize = grace.post(&page.url, good, Some(&origin)).await.onward().unwrap();
    let state = authorize.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let [visitor, journey] = ["visitor", "journey"].map(|name| grace.cookie(&origin, name).unwrap());
    let Scene { corp, mail, server, gateway } = scene;
    let folder = gateway.stop_and_verify().await;
    let config = folder.path().join("yett.yaml");
    let written = std::fs::read_to_string(&config).unwrap();
    assert!(written.contains("auth: { user_oauth:"), "{written}");
    std::fs::write(&config, written.replace("auth: { user_oauth:", "tenants: [acme], auth: { user_oauth:")).unwrap();
    let gateway = folder.start().await;
    let scene = Scene { corp, mail, server, gateway };

    let origin = scene.page("");
    let mut grace = Browser::default();
    grace.set_cookie(&origin, "yett-visitor", &visitor);
    grace.set_cookie(&origin, "yett-journey", &journey);
    let unknown = said(&grace.clone().get(&scene.page("/accounts/none")).await);
    assert_eq!(unknown.0, 404, "{}", unknown.1);
    let opened = grace.clone().get(&scene.page("/accounts/mail")).await;
    assert_eq!(said(&opened), unknown);
    let submitted = grace.clone().post(&scene.page("/accounts/mail"), good, Some(&origin)).await;
    assert_eq!((said(&submitted), submitted.onward()), (unknown.clone(), None));
    for answered in ["code=x", "error=access_denied"] {
        let back = scene.page(&format!("/accounts/mail/callback?{answered}&state={state}"));
        assert_eq!(said(&grace.clone().get(&back).await), unknown, "{answered}");
    }
    // Nor is it one to whoever is of no tenant.
    let eve = Browser::default().open_as(&scene.page("/accounts/mail"), "eve").await;
    assert_eq!(said(&eve), unknown);
    assert_eq!(scene.mail.asked("/token").await, 0, "no code was shown to anybody");
    assert!(nobody_connected(&scene).await);
    scene.connected("ada", "ada-at-home").await;
    scene.gateway.stop_and_verify().await;
}
