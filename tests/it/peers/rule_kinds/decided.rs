//! The rows of the tables as `tests:` of the policy: `yett policy test` decides each as the gateway has.
//!
//! Not among them, since they are no decisions about one call: limits, kill switches, and whether a server's question reaches the user
//! (of `server_requests` a test says that the call is allowed, which it is).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;
use yett::policy::Effect;

use super::callers::Caller;
use super::row::{Row, Seen, Step};
use super::{limits, modules, rows, stage};
use crate::cli::process::Home;

/// All that the fixture has.
const TOOLS: [&str; 8] = ["add", "ask", "delete_contact", "echo", "get_customer", "get_page", "poisoned_tool", "slow"];
const PROMPTS: [&str; 2] = ["admin_prompt", "greet"];
const RESOURCES: [&str; 2] = ["file:///reports/q1.txt", "file:///secrets/key.txt"];

/// Tests that policy.yaml has of its own.
const OWN: usize = 4;

const REFERENCE: &str = include_str!("../../../../docs/configuration.md");
/// The sections of a policy whose every key has a row, and the keys that name or hold others.
const SECTIONS: [&str; 4] = ["roles", "bindings", "rules", "limits"];
const HOLDERS: [&str; 8] =
    ["roles", "roles.*.allow", "bindings", "rules", "rules[].name", "rules[].deny", "limits", "limits[].name"];

#[test]
fn policy_test_decides_every_row_as_the_gateway_has_for_official_clients() {
    let (tests, count) = written(rows(), Turned::No);
    let all = run(&home(&tests), 0);
    let failed: Vec<_> = all.iter().filter(|test| !test["problem"].is_null()).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(all.len(), count + OWN);
}

#[test]
fn policy_test_decides_what_modules_deny_as_the_gateway_has() {
    for (module, rows) in [(include_str!("refused.rego"), modules::REFUSED), (include_str!("hidden.rego"), modules::HIDDEN)] {
        for (turned, code) in [(Turned::No, 0), (Turned::Effect, 1), (Turned::Rule, 1)] {
            let (tests, count) = written(rows.iter(), turned);
            let home = home(&tests);
            home.write("policies/module.rego", module);
            assert_eq!(run(&home, code).iter().filter(|test| !test["problem"].is_null()).count(), count * usize::from(code == 1));
        }
    }
}

#[test]
fn an_expectation_of_another_effect_or_rule_fails_its_test_and_no_other() {
    for turned in [Turned::Effect, Turned::Rule] {
        let (tests, count) = written(rows(), turned);
        let all = run(&home(&tests), 1);
        let right: Vec<_> = all.iter().filter(|test| test["problem"].is_null()).map(|test| &test["name"]).collect();
        assert_eq!((all.len(), right.len()), (count + OWN, OWN), "these hold although they say something else: {right:#?}");
    }
}

/// A kind of rule that comes later has to come here as well.
#[test]
fn each_key_of_roles_bindings_rules_and_limits_has_a_row() {
    let shown: BTreeSet<&str> = rows().chain([&limits::AT_ONCE]).map(|row| row.kind).collect();
    let keys = REFERENCE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` |")).map(|(key, _)| key);
    let keys = keys.flat_map(|keys| keys.split("`, `"));
    let of_rules: Vec<_> = keys.filter(|key| SECTIONS.contains(&key.split(['.', '[']).next().unwrap())).collect();
    assert!(of_rules.len() > 40, "docs/configuration.md is not written as it was: {of_rules:?}");
    let missing: Vec<_> = of_rules.iter().filter(|key| !shown.contains(*key) && !HOLDERS.contains(key)).collect();
    assert!(missing.is_empty(), "no row shows {missing:?}");
}

/// What a test is made to expect instead of what is right.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turned {
    No,
    Effect,
    Rule,
}

fn home(tests: &str) -> Home {
    // Nobody is called.
    stage::home("http://127.0.0.1:9/mcp", tests, &stage::issuers())
}

/// What `yett policy test` says of each test.
fn run(home: &Home, code: i32) -> Vec<Value> {
    let ran = home.run(&["policy", "test", "--json"]);
    assert_eq!(ran.code, Some(code), "{ran:#?}");
    serde_json::from_str::<Value>(&ran.out).unwrap()["tests"].as_array().unwrap().clone()
}

/// Rows as they stand in `tests:`, and how many tests that is.
fn written(rows: impl Iterator<Item = &'static Row>, turned: Turned) -> (String, usize) {
    let (mut text, mut count) = (String::new(), 0);
    for row in rows {
        for (asked, effect, by) in decisions(row) {
            let name = format!("{count} {}", row.told()).replace('\'', "''");
            let caller = Caller::named(row.caller).as_written();
            let effect = match (turned, effect) {
                (Turned::No | Turned::Rule, effect) => effect,
                (Turned::Effect, Effect::Allow | Effect::Depends) => Effect::Deny,
                (Turned::Effect, Effect::Deny) => Effect::Allow,
            };
            let by = if turned == Turned::Rule { "another" } else { by };
            let rule = if by.is_empty() { String::new() } else { format!(", rule: \"{by}\"") };
            let expect = format!("{{ effect: {}{rule} }}", effect.as_str());
            writeln!(text, "  - {{ name: '{name}', as: {caller}, {asked}, peer: 127.0.0.1, expect: {expect} }}").unwrap();
            count += 1;
        }
    }
    (text, count)
}

/// What is decided about a row: one access with its arguments, or each thing that a list could show, without any.
fn decisions(row: &Row) -> Vec<(String, Effect, &'static str)> {
    let (server, target) = row.step.target();
    let asked = match row.step {
        Step::Call(target, arguments) => format!("call: {target}, arguments: {arguments}"),
        Step::Get(target, arguments) => format!("get: {target}, arguments: {arguments}"),
        Step::Read(..) => format!("read: \"{server} {target}\""),
        Step::Method(..) => format!("method: {server} {target}"),
        Step::Tools(_) => return each(&TOOLS, row.seen, |tool| format!("call: {server}/{tool}")),
        Step::Prompts(_) => return each(&PROMPTS, row.seen, |prompt| format!("get: {server}/{prompt}")),
        Step::Resources(_) => return each(&RESOURCES, row.seen, |uri| format!("read: \"{server} {uri}\"")),
    };
    let effect = match row.seen {
        Seen::Passes | Seen::PassesBeside(_) | Seen::AsksFirst | Seen::AsksInVain | Seen::ReachesServer => Effect::Allow,
        Seen::Unknown
        | Seen::NoMethod
        | Seen::Refused(_)
        | Seen::LacksScope
        | Seen::Told(_)
        | Seen::Invalid(_)
        | Seen::NoServer => Effect::Deny,
        Seen::Lists(_) | Seen::Over(_) | Seen::OverInSession | Seen::Stopped => return Vec::new(),
    };
    // What passes below a limit is no test of it.
    if row.kind.starts_with("limits[]") { Vec::new() } else { vec![(asked, effect, row.by)] }
}

fn each(names: &[&str], seen: Seen, asked: impl Fn(&str) -> String) -> Vec<(String, Effect, &'static str)> {
    let Seen::Lists(shown) = seen else { panic!("a list shows {seen:?}") };
    let effect = |name: &str| shown.iter().find(|(item, _)| *item == name).map_or(Effect::Deny, |(_, effect)| *effect);
    names.iter().map(|name| (asked(name), effect(name), "")).collect()
}
