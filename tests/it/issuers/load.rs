//! Keys that change and a provider that comes and goes while calls go on: no good token is refused that was good before, no bad one
//! accepted.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serde_json::json;

use super::{OFTEN, call, discovering, trusting};
use crate::support::issuer::Provider;
use crate::support::openbao::OpenBao;
use crate::support::within;

const ASKED: &str = "introspection: { client_id: gateway, client_secret: secret-of-gateway }";

/// Tokens of one kind, and how calls with them ended, in order.
#[derive(Default)]
struct Kind {
    tokens: Vec<String>,
    ended: Vec<u16>,
}

/// All kinds by name.
#[derive(Default)]
struct Load(RefCell<BTreeMap<&'static str, Kind>>);

impl Load {
    fn add(&self, name: &'static str, tokens: Vec<String>) {
        self.0.borrow_mut().insert(name, Kind { tokens, ended: Vec::new() });
    }

    /// Calls with every kind, round and round, for ever.
    async fn run(&self, stage: &crate::support::stage::Stage) {
        for round in 0.. {
            let next: Vec<_> = {
                let kinds = self.0.borrow();
                kinds.iter().map(|(name, kind)| (*name, kind.tokens[round % kind.tokens.len()].clone())).collect()
            };
            let calls = next.iter().map(|(_, token)| call(stage, token));
            let answers = futures_util::future::join_all(calls).await;
            let mut kinds = self.0.borrow_mut();
            for ((name, _), answer) in next.iter().zip(answers) {
                kinds.get_mut(name).unwrap().ended.push(answer.status);
            }
        }
    }

    /// Waits until calls with this kind have ended so, the last of them.
    async fn until(&self, name: &str, status: u16) {
        let poll = async {
            while self.0.borrow()[name].ended.last() != Some(&status) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        within(&format!("{name} to be answered {status}"), poll).await;
    }

    /// Lets so many more calls of each kind end.
    async fn pass(&self, more: usize) {
        let least = || self.0.borrow().values().map(|kind| kind.ended.len()).min().unwrap();
        let until = least() + more;
        let poll = async {
            while least() < until {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        within("calls to end", poll).await;
    }

    /// How calls with this kind ended, without repetitions.
    fn story(&self, name: &str) -> Vec<u16> {
        let mut story = self.0.borrow()[name].ended.clone();
        story.dedup();
        story
    }
}

#[tokio::test]
async fn jwt_026_and_jwt_027_nothing_wrong_is_answered_while_keys_change_and_the_provider_comes_and_goes() {
    let provider = Provider::start().await;
    // Says that it is the same issuer, has keys of the same names, and is somebody else.
    let imposter = Provider::with(&json!({ "issuer": provider.issuer })).await;
    let stage = discovering(&provider, &format!("{ASKED}, {OFTEN}")).await;
    let (crm, hr) = (stage.gateway.url("crm"), stage.gateway.url("hr"));
    let load = Load::default();
    let mint = async |provider: &Provider, client: &str, resource: &str| {
        let mut tokens = Vec::new();
        for _ in 0..5 {
            tokens.push(provider.token(client, resource).await);
        }
        tokens
    };
    load.add("old", mint(&provider, "machine", &crm).await);
    load.add("opaque", mint(&provider, "opaque", &crm).await);
    load.add("elsewhere", mint(&provider, "machine", &hr).await);
    load.add("forged", mint(&imposter, "machine", &crm).await);
    let changes = async {
        load.pass(20).await;
        provider.stop().await;
        load.pass(50).await;
        provider.start_again().await;
        load.pass(20).await;
        // A new key beside the old one, which is good at the latest after the next refresh.
        provider.rotate(true).await;
        load.add("new", mint(&provider, "machine-ES256", &crm).await);
        load.until("new", 200).await;
        provider.stop().await;
        load.pass(50).await;
        provider.start_again().await;
        load.pass(20).await;
        // Both are withdrawn.
        provider.rotate(false).await;
        load.until("old", 401).await;
        load.until("new", 401).await;
        load.add("newest", mint(&provider, "machine-ES256", &crm).await);
        load.until("newest", 200).await;
        provider.stop().await;
        load.pass(50).await;
        provider.start_again().await;
        load.pass(20).await;
    };
    tokio::select! {
        () = changes => {}
        () = load.run(&stage) => {}
    }
    assert_eq!(load.story("old"), [200, 401]);
    assert_eq!(load.story("opaque"), [200]);
    assert_eq!(load.story("elsewhere"), [401]);
    assert_eq!(load.story("forged"), [401]);
    for name in ["new", "newest"] {
        let story = load.story(name);
        let expected: &[u16] = if name == "new" { &[200, 401] } else { &[200] };
        // The first of a new key may come before its key: once, and not again.
        assert!(story == expected || story.strip_prefix(&[401]) == Some(expected), "{name}: {story:?}");
    }
    stage.gateway.stop_and_verify().await;
}

#[tokio::test]
async fn jwt_026_and_jwt_027_nothing_wrong_is_answered_while_openbao_rotates_its_keys_and_falls_silent() {
    let (bao, imposter) = (OpenBao::start().await, OpenBao::start().await);
    let claims = "claims: { subject: sub, groups: groups, tenant: tenant }, token_types: [at+jwt, none]";
    let stage =
        trusting(&format!("{{ name: corp, issuer: \"{}\", algorithms: [ES256], {claims}, {OFTEN} }}", bao.issuer())).await;
    let (crm, hr) = (stage.gateway.url("crm"), stage.gateway.url("hr"));
    bao.issue_for(&crm, "ES256").await;
    imposter.issue_for(&crm, "ES256").await;
    // Says that it is the same issuer, and is somebody else.
    imposter.root(http::Method::POST, "identity/oidc/config", json!({ "issuer": bao.url })).await;
    let mint = async |bao: &OpenBao, audience: &str| {
        bao.root(http::Method::POST, "identity/oidc/role/yett", json!({ "key": "yett", "client_id": audience })).await;
        let mut tokens = Vec::new();
        for _ in 0..3 {
            tokens.push(bao.token().await);
        }
        tokens
    };
    let load = Load::default();
    load.add("elsewhere", mint(&bao, &hr).await);
    load.add("forged", mint(&imposter, &crm).await);
    load.add("old", mint(&bao, &crm).await);
    let first = load.0.borrow()["old"].tokens[0].clone();
    // The gateway was there before its issuer had a key.
    within("the first keys", async { while call(&stage, &first).await.status != 200 {} }).await;
    let silence = async || {
        bao.pause(true);
        // A key that nobody knows is waited for, a second at most: there are fewer rounds than where nobody listens.
        load.pass(8).await;
        bao.pause(false);
        load.pass(20).await;
    };
    let changes = async {
        load.pass(20).await;
        silence().await;
        bao.rotate("1h").await;
        load.add("new", mint(&bao, &crm).await);
        load.until("new", 200).await;
        silence().await;
        // What signed the last ones is withdrawn; what signed the first ones is published for an hour.
        bao.rotate("0s").await;
        load.until("new", 401).await;
        load.add("newest", mint(&bao, &crm).await);
        load.until("newest", 200).await;
        silence().await;
    };
    tokio::select! {
        () = changes => {}
        () = load.run(&stage) => {}
    }
    assert_eq!(load.story("old"), [200]);
    assert_eq!(load.story("elsewhere"), [401]);
    assert_eq!(load.story("forged"), [401]);
    for (name, expected) in [("new", &[200, 401][..]), ("newest", &[200])] {
        let story = load.story(name);
        // The first of a new key may come before its key: once, and not again.
        assert!(story == expected || story.strip_prefix(&[401]) == Some(expected), "{name}: {story:?}");
    }
    stage.gateway.stop_and_verify().await;
}
