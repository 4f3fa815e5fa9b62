//! Detectors that lie in the policy's own folder, as the gateway acts on them.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use yett::audit::Filter;

use super::{Stage, assert_blocked, policy, ruled};
use crate::support::gateway::Gateway;
use crate::support::reply::Reply;
use crate::support::server::Upstream;

const KEY: &str = "acme_dk_Zx81kQmT4vWbY6nR2sLdP0cJ7hF3gAeU";
const FILE: &str = "detectors/secrets/acme.yaml";

/// The example of docs/detectors.md, as it stands there.
fn example() -> String {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/detectors.md")).unwrap_or_default();
    let block = page.split("```yaml\n").skip(1).find(|block| block.starts_with("version: 1\ndetectors:"));
    block.and_then(|block| block.split("```").next()).unwrap_or_else(|| panic!("no example in docs/detectors.md")).to_owned()
}

async fn stage(policy: &str, files: &[(&str, &str)]) -> Stage {
    let crm = Upstream::start().await;
    let builder = files.iter().fold(Gateway::start().policy(policy), |builder, (name, text)| builder.file(name, text));
    let gateway = builder.servers([("crm", &crm)]).await;
    let ada = gateway.modern("crm", &gateway.key("ada", &["staff"]).await);
    Stage { gateway, crm, ada }
}

/// `by kind` of what was found in the reply of the last call.
fn found(stage: &Stage, call: &str) -> Vec<String> {
    let records = stage.gateway.records_of(call);
    let all = records[1]["out"]["findings"].as_array().cloned().unwrap_or_default();
    let word = |found: &Value, key: &str| found[key].as_str().unwrap_or("-").to_owned();
    all.iter().map(|found| format!("{} {}", word(found, "by"), word(found, "kind"))).collect()
}

#[tokio::test]
async fn the_example_of_the_page_is_a_secret_of_the_policy_and_no_rule_has_to_name_it() {
    let stage = stage(&policy(""), &[(FILE, &example())]).await;
    stage.crm.on_tool("echo", Reply::text(&format!("ACME_KEY={KEY}, and all else stays")));
    let answer = stage.says("go").await;
    assert_eq!(answer.text(), "ACME_KEY=[secret], and all else stays");
    // A row of this build finds the same text by the name before it, and knows less of it.
    assert_eq!(found(&stage, &answer.call()), ["acme-deploy-key acme_key", "secret-environment secret"]);
    assert_blocked(&stage.says(&format!("use {KEY}")).await);
    assert_eq!(stage.crm.count(), 1, "a secret reached the server");
    // Still here, what this build has.
    assert_blocked(&stage.says("glpat-Zx81kQmT4vWbY6nR2sLd").await);
    stage.ends().await;
}

#[tokio::test]
async fn a_rule_names_an_own_detector_by_id_kind_or_class() {
    let rows =
        example().replace("acme_dk_", "acme_pn_").replace("acme-deploy-key", "acme-person").replace("acme_key", "acme_person");
    let person = KEY.replace("_dk_", "_pn_");
    for (name, shown) in [("acme-person", "[acme_person]"), ("acme_person", "[acme_person]"), ("pii", "[acme_person]")] {
        let stage =
            stage(&ruled(&[&format!("name: a, detect: [{name}], action: mask")]), &[("detectors/pii/acme.yaml", &rows)]).await;
        stage.crm.on_tool("echo", Reply::text(&format!("of {person}.")));
        let answer = stage.says("go").await;
        assert_eq!(answer.text(), format!("of {shown}."), "{name}");
        stage.ends().await;
    }
}

#[tokio::test]
async fn an_own_row_with_the_id_of_another_stands_in_its_place() {
    let gitlab = "glpat-Zx81kQmT4vWbY6nR2sLd";
    let row = example()
        .replace("id: acme-deploy-key", "id: gitlab-pat")
        .replace("kind: acme_key", "kind: gitlab_token")
        .replace("acme_dk_", "acmelab-");
    let own = KEY.replace("acme_dk_", "acmelab-");
    let rule = "name: a, detect: [gitlab-pat], action: mask";
    for (files, expected) in [
        (vec![], format!("[secret]; {own}")),
        // What this build has is not looked for beside it, or nobody could make a detector narrower.
        (vec![(FILE, row.as_str())], format!("{gitlab}; [secret]")),
        // Its folder says what it is about, not what was there before.
        (vec![("detectors/pii/acme.yaml", row.as_str())], format!("{gitlab}; [gitlab_token]")),
    ] {
        let stage = stage(&ruled(&[rule]), &files).await;
        stage.crm.on_tool("echo", Reply::text(&format!("{gitlab}; {own}")));
        assert_eq!(stage.says("go").await.text(), expected, "{files:?}");
        stage.ends().await;
    }
}

#[tokio::test]
async fn a_reload_puts_detectors_into_force_and_a_broken_one_keeps_those_that_serve() {
    let stage = stage(&policy(""), &[]).await;
    stage.crm.on_tool("echo", Reply::text(KEY));
    let path = stage.gateway.data().parent().map(|home| home.join("policies").join(FILE)).unwrap_or_default();
    let write = |text: &str| {
        let written = path.parent().map(fs::create_dir_all).and_then(|_| fs::write(&path, text).ok());
        assert!(written.is_some(), "{}", path.display());
    };
    let mut hashes = Vec::new();
    for (text, passes) in [(None, true), (Some(example()), false), (Some(example().replace("{32}", "{32")), false)] {
        if let Some(text) = &text {
            write(text);
            let reloaded = stage.gateway.running.reload("signal").await;
            assert_eq!(reloaded.is_ok(), !text.contains("{32'"), "{reloaded:?}");
        }
        let answer = stage.says("go").await;
        assert_eq!(answer.text() == KEY, passes, "{}", answer.text());
        hashes.push(stage.gateway.records_of(&answer.call())[0]["dec"]["policy"].clone());
    }
    assert!(hashes[0] != hashes[1] && hashes[1] == hashes[2], "the record says which detectors were in force: {hashes:?}");
    let changes = stage.gateway.records(&Filter { kinds: vec!["policy.change".to_owned()], ..Filter::default() });
    assert_eq!(changes.len(), 1);
    assert_eq!((&changes[0]["what"]["before"], &changes[0]["what"]["after"]), (&hashes[0], &hashes[1]));
    // Without the file, what it said is gone.
    assert!(fs::remove_file(&path).is_ok() && stage.gateway.running.reload("signal").await.is_ok());
    let answer = stage.ada.call("echo", json!({})).await;
    assert_eq!(answer.text(), KEY);
    assert_eq!(stage.gateway.records_of(&answer.call())[0]["dec"]["policy"], hashes[0]);
    stage.ends().await;
}
