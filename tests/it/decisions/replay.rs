//! Recorded decisions made again: under the same policy each is the same, under another exactly those change that it changes.

use std::path::Path;
use std::process::Output;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use uuid::Uuid;
use yett::admin::Order;
use yett::config::load_policy;
use yett::decide::{Arguments, Caller, Engine, Hints, Scene};
use yett::policy::Effect;
use yett::protocol::json::{Document, Limits};
use yett::protocol::{Access, Method, Shape, Target};
use yett::vault::Identity;

use super::properties::{CONDITIONS, GROUPS, PATTERNS, Role, SERVERS, TOOLS, role, yaml};
use crate::support::gateway::{Builder, Gateway};
use crate::support::server::Upstream;
use crate::support::token::Issuer;

/// What every policy here has beside what chance gives it.
const GRANT: &str = "roles:\n  extra:\n    allow: [{ servers: [crm], resources: [\"file:///docs/**\"], prompts: [greet*], methods: [vendor/x] }]\n";
const BINDING: &str = "bindings:\n  - { role: extra, groups: [g1] }\n";
const RULES: &str = "rules:
  - { name: half, deny: { servers: [mail] }, when: 'now.getMilliseconds() < 500' }
  - { name: secret, deny: { servers: [crm], resources: [\"file:///docs/secret/**\"] } }
  - { name: legal, deny: { servers: [crm], tools: [ab] }, unless: 'principal.attributes.department == \"legal\"' }
";

/// What is asked, and by whom.
struct Asked {
    server: &'static str,
    access: Access,
    arguments: Option<&'static str>,
    caller: usize,
    call: Uuid,
}

/// A caller by token.
struct Who {
    groups: Vec<&'static str>,
    tenant: Option<&'static str>,
    scoped: bool,
    department: Option<&'static str>,
}

async fn replay(folder: &Path, more: &[&str]) -> (Output, Value) {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_yett"));
    command.current_dir(folder).args(["policy", "replay", "--audit", "data", "--json"]).args(more);
    let output = command.output().await.unwrap();
    let told = serde_json::from_slice(&output.stdout).unwrap();
    (output, told)
}

fn two(upstream: &Upstream) -> Builder {
    let more = "tools: { a: { operation: destructive }, ab: { operation: read } }, capture: full";
    Gateway::start().server("crm", upstream, more).server("mail", upstream, "capture: full")
}

fn chance(runner: &mut TestRunner) -> String {
    let strategy = (
        (role(0), role(1), role(2)).prop_map(|(a, b, c)| -> Vec<Role> { vec![a, b, c] }),
        prop::collection::vec((0..3_usize, subsequence(GROUPS.to_vec(), 1..=2)), 1..4),
        prop::collection::vec(
            (
                subsequence(SERVERS.to_vec(), 1..=2),
                subsequence(PATTERNS.to_vec(), 0..=2),
                select(CONDITIONS.to_vec()),
                prop::bool::weighted(0.3),
                prop::bool::weighted(0.3),
            ),
            1..5,
        ),
    );
    let (roles, bindings, taken) = strategy.new_tree(runner).unwrap().current();
    yaml(&roles, &bindings, &taken)
        .replacen("roles:\n", GRANT, 1)
        .replacen("bindings:\n", BINDING, 1)
        .replacen("rules:\n", RULES, 1)
}

async fn ask_everything(gateway: &Gateway, who: &[(Who, [String; 2])]) -> Vec<Asked> {
    let mut asked = Vec::new();
    for (caller, (_, tokens)) in who.iter().enumerate() {
        for (server, token) in SERVERS.into_iter().zip(tokens) {
            let client = gateway.modern(server, token);
            let mut ask = async |method: &str, params: Value, target: Target, arguments: Option<&'static str>| {
                let answer = client.request(method, params).await;
                let call: Uuid = answer.call().parse().unwrap();
                let method = Method::from_name(method);
                let access = Access { method, target, shape: Shape::Request, answers: false, task: false };
                asked.push(Asked { server, access, arguments, caller, call });
            };
            for tool in TOOLS.into_iter().chain(["two words"]) {
                for arguments in [None, Some("{\"x\":1}"), Some("{\"x\":2}"), Some("{\"x\":null}")] {
                    let mut params = json!({ "name": tool });
                    if let Some(arguments) = arguments {
                        params["arguments"] = serde_json::from_str(arguments).unwrap();
                    }
                    ask("tools/call", params, Target::Tool(tool.to_owned()), arguments).await;
                }
            }
            for uri in ["file:///docs/a", "file:///docs/secret/a", "file:///other"] {
                ask("resources/read", json!({ "uri": uri }), Target::Resource(uri.to_owned()), None).await;
            }
            ask("prompts/get", json!({ "name": "greeting" }), Target::Prompt("greeting".to_owned()), None).await;
            ask("vendor/x", json!({}), Target::Method("vendor/x".to_owned()), None).await;
            ask("tools/list", json!({}), Target::None, None).await;
        }
    }
    asked
}

/// How many decisions of these differ between two folders of policies, by an engine of ours.
fn differences(folder: &Path, asked: &[Asked], who: &[(Who, [String; 2])]) -> u64 {
    let [old, new] = ["policies", "draft"].map(|name| load_policy(&folder.join("yett.yaml"), Some(&folder.join(name))).unwrap());
    let engines = [Engine::new(&old.policy), Engine::new(&new.policy)];
    let differs = |asked: &&Asked| {
        let Who { groups, tenant, scoped, department } = &who[asked.caller].0;
        let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
        let scopes = if *scoped { vec!["s".to_owned()] } else { Vec::new() };
        let attributes: Vec<_> = department.iter().map(|value| ("department".to_owned(), (*value).to_owned())).collect();
        let caller = Caller {
            issuer: "corp",
            subject: "una",
            authn: "jwt",
            client: Some("test-client"),
            tenant: *tenant,
            groups: &groups,
            attributes: &attributes,
            scopes: Some(&scopes),
            ..Caller::default()
        };
        let (seconds, nanos) = asked.call.get_timestamp().unwrap().to_unix();
        let now = Timestamp::new(i64::try_from(seconds).unwrap(), i32::try_from(nanos).unwrap()).unwrap();
        let server = old.servers.iter().find(|server| server.name == asked.server).unwrap();
        let scene = Scene { server, now, peer: None, hints: Hints::none() };
        let document =
            asked.arguments.map(|text| Document::parse(Bytes::from_static(text.as_bytes()), Limits::default()).unwrap());
        let arguments = Arguments::Known(document.as_ref().map(Document::root));
        let [old, new] = engines.each_ref().map(|engine| {
            let ruling = engine.held_by(caller, scene).decide(&asked.access, arguments);
            (ruling.verdict.effect(), ruling.verdict.rule().cloned(), ruling.shadow)
        });
        assert_ne!(old.0, Effect::Depends);
        old != new
    };
    asked.iter().filter(differs).count() as u64
}

#[tokio::test]
async fn a_log_judged_by_its_own_policy_has_the_same_decisions_and_by_another_exactly_those_that_it_changes() {
    let mut runner = TestRunner::deterministic();
    let (mut changed, mut allowed) = (0, 0);
    for _ in 0..5 {
        let policy = chance(&mut runner);
        let upstream = Upstream::start().await;
        let issuer = Issuer::new("corp");
        let claims = "claims: { subject: sub, groups: groups, tenant: tenant, attributes: { department: department } }";
        let gateway = two(&upstream).issuer_with(&issuer, claims).policy(&policy).await;
        let who = [
            (vec!["g0", "g1"], Some("t"), true, Some("legal")),
            (vec!["g1", "g2"], None, false, None),
            (vec![], Some("u"), true, Some("sales")),
        ];
        let who: Vec<_> = who
            .map(|(groups, tenant, scoped, department)| {
                let token = |server: &str| {
                    let mut token = issuer.token(&gateway, server, "una", &groups);
                    for (name, value) in [("tenant", tenant), ("department", department), ("scope", scoped.then_some("s"))] {
                        if let Some(value) = value {
                            token = token.claim(name, value);
                        }
                    }
                    token.signed()
                };
                let tokens = SERVERS.map(token);
                (Who { groups, tenant, scoped, department }, tokens)
            })
            .into();
        let asked = ask_everything(&gateway, &who).await;
        let count = asked.len() as u64;

        // Beside the running gateway, and again when it has stopped.
        let folder = gateway.data().parent().unwrap().to_owned();
        let (output, told) = replay(&folder, &[]).await;
        assert_eq!(output.status.code(), Some(0), "{told:#}\n{policy}");
        for (key, value) in [("same", count), ("same_by_effect", 0), ("changed", 0), ("unreadable", 0)] {
            assert_eq!(told[key], value, "{key}: {told:#}\n{policy}");
        }
        assert_eq!([&told["undecidable"], &told["before_policy"]], [&json!({}), &json!({})], "{told:#}\n{policy}");
        allowed += upstream.calls().len();
        let stopped = gateway.stop_and_verify().await;

        let draft = policy
            .replacen("getMilliseconds() < 500", "getMilliseconds() >= 250", 1)
            .replacen(
                "rules:\n",
                "rules:\n  - { name: new, deny: { servers: [crm], tools: [\"a*\"] }, when: 'arguments.x == 1' }\n",
                1,
            )
            .replacen("groups: [g1] }", "groups: [g2] }", 1);
        std::fs::create_dir(folder.join("draft")).unwrap();
        std::fs::write(folder.join("draft/0.yaml"), &draft).unwrap();
        let expected = differences(stopped.path(), &asked, &who);
        let (output, told) = replay(stopped.path(), &["--policies", "draft"]).await;
        assert_eq!(
            (&told["changed"], &told["same"]),
            (&json!(expected), &json!(count - expected)),
            "{told:#}\n{policy}\n{draft}"
        );
        assert_eq!(told["undecidable"], json!({}), "{told:#}");
        assert_eq!(output.status.code(), Some(i32::from(expected > 0)));
        changed += expected;
    }
    assert!(changed > 20 && allowed > 20, "this test shows nothing: {changed} changed, {allowed} allowed");
}

/// The bytes below the data directory that a log or a vault has.
fn stands_in(gateway: &Gateway, wanted: &str) -> bool {
    let (mut open, mut found) = (vec![gateway.data()], false);
    while let Some(path) = open.pop() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if !name.starts_with("state.db") {
            found |= std::fs::read(&path).unwrap().windows(wanted.len()).any(|part| part == wanted.as_bytes());
        }
    }
    found
}

const ONE: &str = "version: 1
roles: { staff: { allow: [{ servers: [crm], tools: [\"*\"] }] } }
bindings: [{ role: staff, groups: [merger-with-initech] }]
rules: [{ name: big, deny: { servers: [crm], tools: [add] }, when: 'arguments.a > 10' }]
";

#[tokio::test]
async fn prv_001_what_a_decision_was_made_by_is_nowhere_in_plain_and_goes_with_its_caller() {
    let upstream = Upstream::start().await;
    let gateway = two(&upstream).policy(ONE).await;
    let (ada, bob) = (gateway.key("ada", &["merger-with-initech"]).await, gateway.key("bob", &["merger-with-initech"]).await);
    for key in [&ada, &ada, &bob] {
        assert_eq!(gateway.modern("crm", key).call("echo", json!({ "text": "x" })).await.status, 200);
    }
    assert!(!stands_in(&gateway, "merger-with-initech"));
    let facts: Vec<_> = gateway.records(&yett::audit::Filter { kinds: vec!["call.decision".into()], ..Default::default() });
    let facts: Vec<_> = facts.iter().map(|record| record["who"]["facts"].as_str().unwrap()).collect();
    assert!(facts[0] == facts[1] && facts[0] != facts[2], "{facts:?}");
    let folder = gateway.data().parent().unwrap().to_owned();
    assert_eq!(replay(&folder, &[]).await.1["same"], 3);

    let who = Identity { issuer: "api-key".into(), subject: "ada".into() };
    let order = Order { who, basis: "art. 17".into(), approver: "dpo".into(), requester: "test".into() };
    gateway.running.operations().privacy().erase(&order).await.unwrap();
    let (output, told) = replay(&folder, &[]).await;
    assert_eq!((&told["same"], output.status.code()), (&json!(1), Some(0)), "{told:#}");
    assert_eq!(told["undecidable"], json!({ "the caller was erased, or the month has expired": 2 }));
    gateway.stop_and_verify().await;
}

#[tokio::test]
async fn what_was_not_kept_is_never_counted_as_the_same() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().server("crm", &upstream, "").policy(ONE).await;
    let key = gateway.key("ada", &["merger-with-initech"]).await;
    let client = gateway.modern("crm", &key);
    client.call("echo", json!({ "text": "x" })).await;
    client.call("add", json!({ "a": 1, "b": 2 })).await;
    client.call("add", json!({ "a": 11, "b": 2 })).await;
    client.request("resources/read", json!({ "uri": "file:///a" })).await;
    gateway.modern("crm", "yett_of_nobody").call("echo", json!({})).await;
    let folder = gateway.stop_and_verify().await;
    let (output, told) = replay(folder.path(), &[]).await;
    assert_eq!(output.status.code(), Some(0), "{told:#}");
    assert_eq!([&told["same"], &told["same_by_effect"]], [&json!(1), &json!(1)], "{told:#}");
    let undecidable = json!({
        "its arguments decide, and were not kept (`capture: full` keeps them)": 2,
        "its URI or name was not kept (`capture: full` keeps it)": 1,
    });
    assert_eq!(told["undecidable"], undecidable);
    assert_eq!(told["before_policy"], json!({ "unauthenticated": 1 }));
    std::fs::create_dir(folder.path().join("draft")).unwrap();
    std::fs::write(folder.path().join("draft/0.yaml"), ONE.replace("tools: [\"*\"]", "tools: [add]")).unwrap();
    let mut diff = tokio::process::Command::new(env!("CARGO_BIN_EXE_yett"));
    diff.current_dir(folder.path()).args(["policy", "diff", "policies", "draft", "--audit", "data", "--json"]);
    let output = diff.output().await.unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seen: Vec<_> = told["changes"].as_array().unwrap().iter().filter(|change| change["who"] == "recorded").collect();
    let [seen] = seen[..] else { panic!("{told:#}") };
    assert_eq!(
        [&seen["access"], &seen["new"]["effect"], &seen["calls"]],
        [&json!("tools/call crm/echo"), &json!("deny"), &json!(1)]
    );
    assert_eq!([&told["recorded"]["judged"], &told["recorded"]["before_policy"]], [&json!(1), &json!(1)], "{told:#}");
    assert_eq!(told["recorded"]["undecidable"], undecidable);
    assert_eq!(output.status.code(), Some(1));
    // A log under another master key, and none at all.
    std::fs::write(folder.path().join("other.key"), [7; 32]).unwrap();
    let run = |arguments: &'static [&'static str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_yett"));
        command.current_dir(folder.path()).args(["policy", "replay", "--audit"]).args(arguments);
        async move { command.output().await.unwrap() }
    };
    for (arguments, says) in [
        (&["data", "--master-key", "other.key"][..], "another master key"),
        (&["policies"], "no audit log"),
        (&["data", "--policies", "nowhere"], "nowhere"),
    ] {
        let output = run(arguments).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains(says), "{arguments:?}: {said}");
    }
}
