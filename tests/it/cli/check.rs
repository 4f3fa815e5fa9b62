//! `yett check`: every mistake at once, each with its place.

use std::net::SocketAddr;

use serde_json::Value;

use super::process::Home;

const NOWHERE: &str = "127.0.0.1:9";

const SETTINGS: &str = "version: 1
listeners:
  - name: local
    address: 127.0.0.1
    limits: { header_timeout: 10 }
servers:
  crm:
    url: ftp://crm.internal/mcp
    timeout: 60 sec
audit: { durability: sometimes }
shutdown: { drain: 30s, wait: 1s }
policies: policies/
";

const POLICY: &str = "version: 1
roles:
  analyst:
    inherits: [clerk]
    allow: [{ servers: [cmr], tools: [get_*] }]
bindings:
  - { role: analyst, groups: [sales], group: [sales] }
limits:
  - { name: per-user, per: [subject], rate: 120/minute }
injection: { results: blokc }
";

/// The ten mistakes above, and where they stand.
const MISTAKES: [(&str, &str); 11] = [
    ("yett.yaml:4:14", "`127.0.0.1` is not an address"),
    ("yett.yaml:5:31", "`10` is not a duration"),
    ("yett.yaml:8:10", "`ftp://crm.internal/mcp` is not an http or https URL"),
    ("yett.yaml:9:14", "`60 sec` is not a duration"),
    ("yett.yaml:10:22", "`sometimes` is not one of the accepted words"),
    ("yett.yaml:11:25", "unknown key `wait` in `shutdown`"),
    ("policies/access.yaml:4:16", "no role is called `clerk`"),
    ("policies/access.yaml:5:25", "no server is called `cmr`"),
    ("policies/access.yaml:7:39", "unknown key `group` in `bindings[]`"),
    ("policies/access.yaml:9:45", "`120/minute` is not a rate"),
    ("policies/access.yaml:10:23", "`blokc` is not one of the accepted words"),
];

fn home() -> Home {
    Home::new(NOWHERE.parse::<SocketAddr>().unwrap())
}

fn broken() -> Home {
    let home = home();
    home.write("yett.yaml", SETTINGS);
    home.write("policies/access.yaml", POLICY);
    home
}

#[test]
fn every_mistake_in_settings_and_policy_is_told_at_once_with_its_place() {
    let checked = broken().run(&["check", "--config", "yett.yaml"]);
    assert_eq!(checked.code, Some(1), "{}", checked.err);
    let lines: Vec<_> = checked.err.lines().collect();
    let told: Vec<_> = lines
        .windows(2)
        .filter_map(|pair| Some((pair[1].trim_start().strip_prefix("--> ")?, pair[0].strip_prefix("error: ")?)))
        .collect();
    assert_eq!(told, MISTAKES);
    assert!(checked.err.contains("did you mean `crm`?") && checked.err.contains("did you mean `block`?"), "{}", checked.err);
}

#[test]
fn the_same_mistakes_come_as_json() {
    let checked = broken().run(&["check", "--config", "yett.yaml", "--json"]);
    assert_eq!(checked.code, Some(1), "{}", checked.err);
    let findings: Vec<Value> = serde_json::from_str(&checked.out).unwrap();
    let told: Vec<_> = findings
        .iter()
        .map(|found| {
            assert_eq!(found["severity"], "error", "{found}");
            let place = format!("{}:{}:{}", found["file"].as_str().unwrap(), found["line"], found["column"]);
            (place, found["message"].as_str().unwrap())
        })
        .collect();
    let expected: Vec<_> = MISTAKES.iter().map(|(place, message)| ((*place).to_owned(), *message)).collect();
    assert_eq!(told, expected);
}

#[test]
fn a_good_configuration_ends_with_zero_and_one_line() {
    let checked = home().run(&["check", "--config", "yett.yaml"]);
    assert_eq!((checked.code, checked.err.as_str()), (Some(0), ""));
    assert!(checked.out.starts_with("yett.yaml: ok (2 servers, 2 roles, policy "), "{}", checked.out);
    assert_eq!(checked.out.lines().count(), 1, "{}", checked.out);
}

#[test]
fn a_weak_setting_is_a_warning_and_no_failure() {
    let home = home();
    home.edit("${file:metrics.token}", "in-the-file-for-all-to-see");
    let checked = home.run(&["check"]);
    assert_eq!(checked.code, Some(0), "{}", checked.err);
    assert!(checked.err.starts_with("warning: a secret is written in this file\n  --> yett.yaml:4:"), "{}", checked.err);
    assert!(!checked.err.contains("for-all-to-see"), "the secret is shown: {}", checked.err);
}

#[test]
fn serve_refuses_what_check_refuses_and_leaves_nothing_behind() {
    let home = broken();
    let served = home.run(&["serve"]);
    assert_eq!(served.code, Some(1), "{}", served.err);
    assert_eq!(served.err.matches("error: ").count(), MISTAKES.len(), "{}", served.err);
    assert!(!home.path("data").exists(), "a refused configuration made a data directory");
}

#[test]
fn a_command_line_that_is_none_ends_with_two() {
    for arguments in [&[][..], &["chek"], &["check", "--colour"], &["audit"], &["kill"], &["kill", "--all", "--server", "crm"]] {
        let finished = home().run(arguments);
        assert_eq!(finished.code, Some(2), "`yett {}`: {}", arguments.join(" "), finished.err);
        assert_eq!(finished.out, "", "`yett {}` prints a result", arguments.join(" "));
    }
}

#[test]
fn the_configuration_is_named_by_the_environment_too() {
    let home = home();
    std::fs::rename(home.path("yett.yaml"), home.path("other.yaml")).unwrap();
    let mut check = super::process::command(&home.path("."));
    let finished = super::process::finish(check.arg("check").env("YETT_CONFIG", "other.yaml"));
    assert_eq!(finished.code, Some(0), "{}", finished.err);
    assert!(finished.out.starts_with("other.yaml: ok"), "{}", finished.out);
}
