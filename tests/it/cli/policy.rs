//! `yett policy`: the engine asked without a gateway.

use std::fs;
use std::path::Path;

use serde_json::Value;
use yett::config::load_policy;
use yett::policy::Effect;

use super::process::Home;

const NOWHERE: &str = "127.0.0.1:9";

const POLICY: &str = "version: 1
roles:
  analyst:
    allow: [{ servers: [crm], tools: [search_*, get_*, delete_contact] }]
  clerk:
    allow: [{ servers: [mail], tools: [read_inbox] }]
bindings:
  - { role: analyst, groups: [sales] }
  - { role: clerk, groups: [office] }
rules:
  - { name: no-deletes, deny: { servers: [crm], tools: [delete_*] } }
tests:
  - { name: analysts search, as: { issuer: api-key, groups: [sales] }, call: crm/search_x, expect: allow }
  - { name: analysts never delete, as: { issuer: api-key, groups: [sales] }, call: crm/delete_contact, expect: { effect: deny, rule: no-deletes } }
  - { name: others see nothing, as: { issuer: api-key }, call: crm/search_x, expect: deny }
";

fn home(policy: &str) -> Home {
    let home = Home::new(NOWHERE.parse().unwrap());
    home.write("policies/access.yaml", policy);
    home
}

#[test]
fn tests_that_hold_are_ok_and_a_folder_without_any_is_not() {
    let out = home(POLICY).done(&["policy", "test"]);
    assert_eq!(out, "ok    analysts search\nok    analysts never delete\nok    others see nothing\n3 tests, 0 failed\n");
    let without = POLICY.split("tests:").next().unwrap();
    let run = home(without).run(&["policy", "test"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.err.contains("add `tests:`"), "{run:?}");
}

#[test]
fn a_test_that_fails_says_what_was_decided_why_and_where_it_is_written() {
    let home = home(
        &POLICY
            .replace("rule: no-deletes }", "rule: no-reads }")
            .replace("as: { issuer: api-key }", "as: { issuer: api-key, groups: [sales] }"),
    );
    let run = home.run(&["policy", "test", "--junit", "report.xml"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    for line in [
        "FAIL  analysts never delete\n      expected deny by no-reads, got deny by rule:no-deletes (tools/call crm/delete_contact)\n      at policies/access.yaml:14:",
        "FAIL  others see nothing\n      expected deny, got allow by role:analyst: a role grants it and no rule takes it away (tools/call crm/search_x)",
        "3 tests, 2 failed",
    ] {
        assert!(run.out.contains(line), "{line}\n{}", run.out);
    }
    let junit = fs::read_to_string(home.path("report.xml")).unwrap();
    assert!(junit.contains("tests=\"3\" failures=\"2\""), "{junit}");
    assert!(junit.contains("<failure message=\"expected deny by no-reads, got deny by rule:no-deletes\">"), "{junit}");
    let json = home.run(&["policy", "test", "--json"]);
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(json["tests"][1]["rule"], "rule:no-deletes");
    assert_eq!(json["tests"][0]["problem"], Value::Null);
}

#[test]
fn an_explanation_names_every_binding_grant_and_rule_with_its_place() {
    let home = home(POLICY);
    let out = home.done(&["policy", "explain", "--issuer", "api-key", "--group", "sales", "--call", "crm/delete_contact"]);
    for line in [
        "tools/call crm/delete_contact: deny by rule:no-deletes\n",
        "  a rule takes it away; for this caller it does not exist\n",
        "policies/access.yaml:9:13 is for others: clerk\n",
        "policies/access.yaml:4:13 role:analyst grants it\n",
        " rule:no-deletes denies it\n",
    ] {
        assert!(out.contains(line), "{line}\n{out}");
    }
    let json = home.done(&["policy", "explain", "--issuer", "api-key", "--group", "office", "--call", "crm/get_x", "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["effect"].as_str(), &json["rule"]), (Some("deny"), &Value::Null));
    assert_eq!(json["because"], "no role of the caller grants anything on this server");
    assert_eq!(json["bindings"][1]["applies"], true);
    let run = home.run(&["policy", "explain", "--issuer", "corp", "--call", "crm/get_x"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.err.contains("no issuer is called `corp`; there are api-key"), "{run:?}");
}

#[test]
fn a_matrix_shows_roles_by_tools() {
    let home = home(POLICY);
    let out = home.done(&["policy", "matrix", "--tool", "crm/search_x"]);
    let expected = "tool                analyst  clerk
crm/delete_contact  -        -
crm/search_x        allow    -
mail/read_inbox     -        allow
";
    assert_eq!(out, expected);
    let csv = home.done(&["policy", "matrix", "--format", "csv"]);
    assert!(csv.starts_with("tool,operation,analyst,clerk\r\ncrm/delete_contact,write,deny,deny\r\n"), "{csv}");
    let page = home.done(&["policy", "matrix", "--format", "html"]);
    assert!(
        page.contains(
            "<th scope=\"row\">mail/read_inbox</th><td>write</td><td class=\"deny\">deny</td><td class=\"allow\">allow</td>"
        ),
        "{page}"
    );
}

/// A machine that tests policies holds no secrets.
#[test]
fn policies_are_tested_where_the_secrets_of_the_configuration_are_not() {
    let home = home(POLICY);
    home.edit("policies:", "master_key: \"${file:/nowhere/yett.key}\"\npolicies:");
    assert_eq!(home.run(&["check"]).code, Some(1));
    assert!(home.done(&["policy", "test"]).ends_with("3 tests, 0 failed\n"));
}

#[test]
fn a_draft_in_another_folder_is_judged_in_place_of_the_policy_in_force() {
    let home = home(POLICY);
    fs::create_dir(home.path("draft")).unwrap();
    home.write(
        "draft/access.yaml",
        &POLICY.replace("rules:\n  - { name: no-deletes, deny: { servers: [crm], tools: [delete_*] } }\n", ""),
    );
    let run = home.run(&["policy", "test", "--policies", "draft"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    assert!(run.out.contains("FAIL  analysts never delete"), "{run:?}");
}

#[test]
fn the_shipped_policies_pass_their_own_tests() {
    let config = format!("{}/config/yett.yaml", env!("CARGO_MANIFEST_DIR"));
    let out = home(POLICY).done(&["policy", "test", "--config", &config]);
    assert!(out.ends_with("5 tests, 0 failed\n"), "{out}");
}

/// Each pack, with the servers and the issuer that it speaks of.
#[test]
fn every_pack_passes_its_tests_loads_without_a_warning_and_says_what_it_does_not_do() {
    let packs = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies/packs");
    let config = packs.join("yett.yaml");
    let mut seen = Vec::new();
    for entry in fs::read_dir(&packs).unwrap() {
        let path = entry.unwrap().path();
        if !path.is_dir() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let judged = load_policy(&config, Some(&path)).unwrap_or_else(|report| panic!("{name}\n{report}"));
        assert!(judged.warnings.is_empty(), "{name}\n{}", judged.warnings);
        let effects = |effect| judged.policy.cases.iter().filter(|case| case.expect.effect == effect).count();
        assert!(judged.policy.cases.len() >= 8 && effects(Effect::Allow) >= 2 && effects(Effect::Deny) >= 2, "{name}");
        let arguments = ["policy", "test", "--config", config.to_str().unwrap(), "--policies", path.to_str().unwrap()];
        let out = home(POLICY).done(&arguments);
        assert!(out.ends_with(" tests, 0 failed\n"), "{name}\n{out}");
        let head = fs::read_to_string(path.join("access.yaml")).unwrap();
        for word in ["# Supports: ", "# Does not do: ", "# Change first: "] {
            assert!(head.contains(word), "{name} does not say `{word}`");
        }
        assert!(!head.contains("compliant") || head.contains("make anybody compliant"), "{name} promises too much");
        seen.push(name);
    }
    seen.sort();
    assert_eq!(seen, ["finance", "gdpr", "hipaa", "read-only", "soc2", "starter"]);
}

#[test]
fn a_diff_names_who_gains_or_loses_what_by_which_rule_and_where_it_is_written() {
    let home = home(POLICY);
    fs::create_dir(home.path("draft")).unwrap();
    let draft = POLICY
        .replace("tools: [search_*, get_*, delete_contact]", "tools: [search_*, get_*, delete_contact, merge]")
        .replace(
            "allow: [{ servers: [mail], tools: [read_inbox] }]",
            "allow: [{ servers: [mail], tools: [read_inbox], arguments: { n: { enum: [1] } } }]",
        )
        .replace("tools: [delete_*] } }", "tools: [delete_*, get_*] }, when: 'arguments.all == true' }");
    home.write("draft/access.yaml", &draft);
    let run = home.run(&["policy", "diff", "policies", "draft"]);
    assert_eq!(run.code, Some(1), "{run:?}");
    for line in [
        "group office, tools/call mail/read_inbox: allow by role:clerk -> depends by role:clerk (draft/access.yaml:5:3)\n",
        "group sales, tools/call crm/delete_contact: deny by rule:no-deletes -> depends by rule:no-deletes (draft/access.yaml:11:13)\n",
        "group sales, tools/call crm/get_any: allow by role:analyst -> depends by rule:no-deletes (draft/access.yaml:11:13)\n",
        "group sales, tools/call crm/merge: deny -> allow by role:analyst (draft/access.yaml:3:3)\n",
        "role analyst, tools/call crm/merge: deny -> allow by role:analyst (draft/access.yaml:3:3)\n",
        "test `analysts never delete`, tools/call crm/delete_contact: deny by rule:no-deletes -> depends by rule:no-deletes",
    ] {
        assert!(run.out.contains(line), "{line}\n{}", run.out);
    }
    assert!(!run.out.contains("search_"), "what stays is not told: {}", run.out);
    let json: Value = serde_json::from_str(&home.run(&["policy", "diff", "policies", "draft", "--json"]).out).unwrap();
    let told = json["changes"].as_array().unwrap();
    assert_eq!((&json["changed"], run.out.lines().count()), (&Value::from(told.len()), told.len()));
    let merge = told.iter().find(|change| change["who"] == "role analyst" && change["access"] == "tools/call crm/merge").unwrap();
    assert_eq!((&merge["old"]["effect"], &merge["new"]["at"]), (&Value::from("deny"), &Value::from("draft/access.yaml:3:3")));

    let same = home.run(&["policy", "diff", "policies", "policies"]);
    assert_eq!((same.code, same.out.as_str()), (Some(0), ""), "{same:?}");
    let missing = home.run(&["policy", "diff", "policies", "nowhere"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
}
