//! What a log keeps of what its decisions were made by, and what becomes of a decision where that is not enough.

use serde_json::{Value, json};
use yett::admin::Order;
use yett::vault::Identity;

use super::{counts, replay};
use crate::support::gateway::{Builder, Gateway};
use crate::support::server::Upstream;

fn two(upstream: &Upstream) -> Builder {
    Gateway::start().server("crm", upstream, "capture: full").server("mail", upstream, "capture: full")
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

/// What conditions look at is masked before it is kept.
const MASKING: &str = "version: 1
roles: { staff: { allow: [{ servers: [crm], tools: [\"*\"], prompts: [\"*\"] }] } }
bindings: [{ role: staff, groups: [staff] }]
rules:
  - { name: masks, deny: { servers: [crm], tools: [echo], prompts: [\"*\"] }, when: 'arguments.text.contains(\"[us_ssn]\")' }
dlp:
  rules:
    - { name: numbers, detect: [us_ssn], action: mask, direction: [request] }
    - { name: credentials, detect: [secrets], action: block, direction: [request] }
";

#[tokio::test]
async fn prv_003_what_was_masked_before_it_was_kept_is_not_taken_for_what_was_judged() {
    let upstream = Upstream::start().await;
    let gateway = Gateway::start().server("crm", &upstream, "capture: masked").policy(MASKING).await;
    let client = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    let mut decided = Vec::new();
    for (tool, arguments) in [
        // As it came, so judged again by it.
        ("echo", json!({ "text": "nothing" })),
        // Let through, and kept as what the rule would deny.
        ("echo", json!({ "text": "536-22-1234" })),
        // Refused as it came: of that nothing is kept.
        ("echo", json!({ "text": "[us_ssn]" })),
        // Let through by the policy and then refused for a credential.
        ("echo", json!({ "text": "AKIAIOSFODNN7EXAMPLE" })),
        // Arguments that nobody looks at.
        ("other", json!({ "text": "536-22-1234" })),
        ("other", json!({ "text": "nothing" })),
        ("other", json!({ "text": "AKIAIOSFODNN7EXAMPLE" })),
    ] {
        let answer = client.call(tool, arguments).await;
        let record = gateway.records_of(&answer.call()).remove(0);
        decided.push((record["dec"]["effect"].as_str().unwrap().to_owned(), record["what"].get("capture").is_some()));
    }
    client.request("prompts/get", json!({ "name": "greeting", "arguments": { "text": "nothing" } })).await;
    let decided: Vec<_> = decided.iter().map(|(effect, kept)| (effect.as_str(), *kept)).collect();
    let kept =
        [("allow", true), ("allow", true), ("deny", false), ("deny", false), ("allow", true), ("allow", true), ("deny", false)];
    assert_eq!(decided, kept);
    let folder = gateway.data().parent().unwrap().to_owned();
    let (output, told) = replay(&folder, &[]).await;
    // For sure `echo` of nothing and `other` of nothing; the other two of `other` whatever they were called with.
    assert_eq!((output.status.code(), counts(&told)), (Some(0), [4, 2, 0]), "{told:#}");
    let why = "its arguments decide, and were not kept (`capture: full` keeps them)";
    assert_eq!((&told["undecidable"], &told["refused_later"]), (&json!({ why: 4 }), &json!(1)), "{told:#}");

    // Where the draft needs them, it is not known either; where it takes all, it is.
    std::fs::create_dir(folder.join("draft")).unwrap();
    for (draft, expected, unknown) in [
        (MASKING.replace("tools: [echo]", "tools: [echo, other]"), [2, 0, 0], 6),
        (MASKING.replace(", when: 'arguments.text.contains(\"[us_ssn]\")'", ""), [4, 3, 4], 0),
        (MASKING.replace("contains(\"[us_ssn]\")", "contains(\"536\")"), [4, 2, 0], 4),
    ] {
        std::fs::write(folder.join("draft/0.yaml"), &draft).unwrap();
        let (_, told) = replay(&folder, &["--policies", "draft"]).await;
        let undecidable = if unknown == 0 { json!({}) } else { json!({ why: unknown }) };
        assert_eq!((counts(&told), &told["undecidable"]), (expected, &undecidable), "{told:#}\n{draft}");
    }
    gateway.stop_and_verify().await;
}
