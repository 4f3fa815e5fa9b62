//! A policy file as anybody could write it: refused with places inside the file, or a policy whose parts fit together and that the
//! engines take.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;

use tempfile::TempDir;
use yett::clock::SystemClock;
use yett::decide::Engine;
use yett::layers::dlp::Rules;
use yett::layers::quota::Quota;
use yett::layers::rate_limit::RateLimits;
use yett::limits::{HostTime, Ledger};
use yett::policy::{Known, Policy, read_folder};
use yett::yaml::Report;

use super::yaml::{check_report, folder};

/// The oracle.
pub fn check(input: &[u8]) {
    thread_local! {
        static FOLDER: TempDir = folder();
    }
    FOLDER.with(|folder| {
        fs::write(folder.path().join("fuzzed.yaml"), input).unwrap();
        let read = || {
            let mut report = Report::new();
            (read_folder(folder.path(), &known(), &mut report), report)
        };
        let (policy, report) = read();
        check_report(&report, |name| name.ends_with("fuzzed.yaml").then_some(input));
        if !report.has_errors() {
            check_policy(&policy);
        }
        let (again, report_again) = read();
        assert_eq!(format!("{policy:?} {report}"), format!("{again:?} {report_again}"), "read twice, it differs");
    });
}

fn known() -> Known {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Known {
        today: None,
        servers: names(&["crm", "files", "demo"]),
        issuers: names(&["corp"]),
        api_keys: true,
        mtls: true,
        anonymous: Vec::new(),
        tenants: true,
        regions: vec![("crm".to_owned(), "eu".to_owned())],
        issuer_regions: Vec::new(),
        attributes: names(&["clearance", "department"]),
    }
}

fn check_policy(policy: &Policy) {
    assert_eq!(policy.hash.len(), 64);
    let roles: BTreeSet<&str> = policy.roles.iter().map(|role| role.name.as_str()).collect();
    assert_eq!(roles.len(), policy.roles.len(), "two roles of one name");
    for role in &policy.roles {
        assert!(role.inherits.iter().all(|parent| roles.contains(parent.as_str())), "inherits from nobody: {role:?}");
        assert!(!reaches(policy, &role.name, &role.name, policy.roles.len()), "inherits from itself: {role:?}");
    }
    for binding in &policy.bindings {
        assert!(roles.contains(binding.role.as_str()), "binds no role: {binding:?}");
        let conditions =
            [&binding.issuers, &binding.subjects, &binding.groups, &binding.claimed_roles, &binding.clients, &binding.tenants];
        assert!(conditions.iter().any(|list| !list.is_empty()), "binds everybody: {binding:?}");
    }
    for limit in &policy.limits {
        let nothing = limit.rate.is_some_and(|rate| rate.calls == 0 || rate.burst == 0 || rate.period.is_zero());
        assert!(!nothing, "a limit of nothing: {limit:?}");
    }
    let ledger = Ledger::in_memory(HostTime::new(Arc::new(SystemClock)));
    let _limits = (RateLimits::new(&policy.limits, &ledger), Quota::new(&policy.limits, &ledger));
    let _engines = (Engine::new(policy), Rules::new(policy.dlp.as_ref()).expect("detectors that exist"));
}

/// Whether `role` inherits from `wanted` in at most `steps` steps.
fn reaches(policy: &Policy, role: &str, wanted: &str, steps: usize) -> bool {
    let mut level: BTreeSet<&str> = BTreeSet::from([role]);
    for _ in 0..steps {
        let inherited = policy.roles.iter().filter(|role| level.contains(role.name.as_str())).flat_map(|role| &role.inherits);
        let next: BTreeSet<&str> = inherited.map(String::as_str).collect();
        if next.contains(wanted) {
            return true;
        }
        level = next;
    }
    false
}
