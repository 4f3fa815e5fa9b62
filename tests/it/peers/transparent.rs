//! Where the policy allows everything, a client sees through the gateway what it sees directly.

use super::client::{
    Client, PYTHON_AUTO, PYTHON_LEGACY, PYTHON_MODERN, TYPESCRIPT_AUTO, TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN, step,
};
use super::differences::{assert_same, through_gateway};
use super::gateway::Gateway;
use super::upstream::Upstream;

/// Everything is allowed and nothing is looked for, except what a policy that says nothing of `dlp:` still looks for.
pub(super) const ALLOW_EVERYTHING: &str = r#"version: 1
roles:
  everything:
    allow:
      - { servers: ["*"], tools: ["**"], prompts: ["**"], resources: ["file://**", "demo://**"] }
bindings:
  - { role: everything, groups: [agents] }
injection: { requests: off, results: off, definitions: off }
"#;

#[test]
fn python_sees_the_fixture_as_directly() {
    sees_the_same(&Upstream::fixture(), &[PYTHON_LEGACY, PYTHON_MODERN, PYTHON_AUTO]);
}

#[test]
fn python_sees_server_everything_as_directly() {
    sees_the_same(&Upstream::everything(), &[PYTHON_LEGACY, PYTHON_MODERN, PYTHON_AUTO]);
}

#[test]
fn typescript_v1_sees_the_fixture_as_directly() {
    sees_the_same(&Upstream::fixture(), &[TYPESCRIPT_LEGACY]);
}

#[test]
fn typescript_v1_sees_server_everything_as_directly() {
    sees_the_same(&Upstream::everything(), &[TYPESCRIPT_LEGACY]);
}

#[test]
fn typescript_v2_sees_the_fixture_as_directly() {
    sees_the_same(&Upstream::fixture(), &[TYPESCRIPT_MODERN, TYPESCRIPT_AUTO]);
}

#[test]
fn typescript_v2_sees_server_everything_as_directly() {
    sees_the_same(&Upstream::everything(), &[TYPESCRIPT_MODERN, TYPESCRIPT_AUTO]);
}

#[test]
fn an_old_server_is_spoken_to_in_the_revision_it_agreed_on() {
    sees_the_same(&Upstream::old_fixture(), &[TYPESCRIPT_LEGACY]);
}

#[test]
fn without_dlp_rules_only_secrets_are_masked() {
    let upstream = Upstream::fixture();
    let gateway = Gateway::start(&upstream, ALLOW_EVERYTHING);
    for client in [TYPESCRIPT_LEGACY, TYPESCRIPT_MODERN] {
        let applied = compare(&upstream, &gateway, client, "sensitive");
        assert!(applied.contains(&"secrets are masked"), "{client}: the walk read no secret, got {applied:?}");
    }
}

/// Each client takes the server's tour directly and through one gateway.
fn sees_the_same(upstream: &Upstream, clients: &[Client]) {
    let gateway = Gateway::start(upstream, ALLOW_EVERYTHING);
    for client in clients {
        compare(upstream, &gateway, *client, upstream.tour);
    }
}

/// Which of the declared differences there were.
fn compare(upstream: &Upstream, gateway: &Gateway, client: Client, scenario: &str) -> Vec<&'static str> {
    let directly = client.begin(&upstream.url, None, scenario, &[]);
    let through = client.begin(&gateway.url, Some(&gateway.key), scenario, &[]);
    let ((directly, complaints), (through, more_complaints)) = (directly.finish(), through.finish());
    assert_eq!(more_complaints, complaints, "what {client} said on standard error");
    // Two refusals would be alike as well. Only a server of the other era may refuse to talk.
    let other_era = upstream.name == "everything" && [PYTHON_MODERN, TYPESCRIPT_MODERN].contains(&client);
    if !other_era {
        assert_eq!(step(&directly, "close")["ok"], true, "{client} on {}: the direct walk broke off", upstream.name);
    }
    let (expected, applied) = through_gateway(&directly);
    assert_same(&format!("{client} on {}", upstream.name), &expected, &through);
    applied
}
