//! A hundred wrong policies, and every word that `yett check` says of them: the place, what was expected, and the fix.

use std::fmt::Write as _;
use std::fs;

use super::Folder;

const CASES: &str = include_str!("wrong_policies.txt");

const YETT: &str = "version: 1
listeners: [{ name: local, address: \"127.0.0.1:8080\" }]
identity:
  issuers:
    - name: corp
      issuer: https://login.example.com
      jwks_url: https://login.example.com/jwks.json
      algorithms: [ES256]
      claims: { groups: groups, attributes: { department: department } }
servers:
  crm: { url: \"http://127.0.0.1:1/mcp\", region: eu }
  mail: { url: \"http://127.0.0.1:1/mcp\" }
policies: policies/
";

/// Begins a further file of a case, by its path below the folder of the policies.
pub(crate) const FILE: &str = "+++ ";

/// The name of a case, its policy, and what is said of it.
pub(crate) fn cases() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    CASES.split("\n=== ").skip(1).map(|case| {
        let (name, rest) = case.split_once('\n').unwrap();
        let (policy, said) = rest.split_once("\n---\n").unwrap();
        (name, policy, said.trim_end())
    })
}

fn said(policy: &str) -> String {
    let (whole, begins) = (format!("\n{policy}"), format!("\n{FILE}"));
    let mut files = whole.split(&begins);
    let policy = files.next().unwrap().trim_start();
    let mut folder = Folder::new(YETT).file("policies/x.yaml", &format!("version: 1\n{policy}\n"));
    for file in files {
        let (name, text) = file.split_once('\n').unwrap();
        folder = folder.file(&format!("policies/{name}"), &format!("{text}\n"));
    }
    let report = folder.load().expect_err(policy).to_string();
    let report = report.replace(&format!("{}/", folder.dir.path().display()), "");
    // That nobody of the issuer has a role is true of most of them, and not what they are about.
    let aside = |block: &&str| !block.starts_with("warning: no binding gives callers of `corp`");
    report.trim_end().split("\n\n").filter(aside).collect::<Vec<_>>().join("\n\n")
}

#[test]
#[expect(clippy::disallowed_methods, reason = "whoever changes words asks for them to be written down")]
fn every_wrong_policy_is_told_its_place_and_its_fix_in_the_words_that_were_reviewed() {
    if std::env::var("YETT_RECORD").is_ok() {
        let mut text = CASES.split("\n=== ").next().unwrap().to_owned();
        for (name, policy, _) in cases() {
            write!(text, "\n=== {name}\n{policy}\n---\n{}\n", said(policy)).unwrap();
        }
        fs::write(super::root().join("tests/it/config_errors/wrong_policies.txt"), text).unwrap();
        return;
    }
    let mut count = 0;
    for (name, policy, expected) in cases() {
        count += 1;
        assert_eq!(said(policy), expected, "{name}");
        // A place, and after it a word of what to do.
        let places = || expected.lines().filter_map(|line| line.trim_start().strip_prefix("--> policies/"));
        assert!(places().any(|place| place.contains(".yaml:")), "{name}: no place");
        let marked = expected.lines().filter(|line| line.contains('^'));
        assert!(marked.clone().count() > 0, "{name}: nothing is marked");
        for line in marked {
            assert!(!line.trim_end().ends_with('^'), "{name}: nobody is told what to do");
        }
    }
    assert!(count >= 80, "only {count}");
}
