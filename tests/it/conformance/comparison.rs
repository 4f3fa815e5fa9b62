//! Direct and through the gateway, compared check by check.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use serde::Deserialize;

use super::suite::{Check, Found};
use crate::peers::parts;

/// A difference that is known, and why there is one.
#[derive(Debug, Deserialize)]
struct Known {
    /// The checks of the scenario that do not end as directly; all of them.
    checks: BTreeSet<String>,
    /// What the gateway does not do yet, or does otherwise on purpose.
    because: String,
}

/// Fails unless exactly the differences written down for `leg` exist: one that has gone must go from the list too.
pub(super) fn assert_as_direct(leg: &str, direct: &Found, through: &Found) {
    let known = known(leg);
    let different: BTreeMap<&String, BTreeSet<String>> = direct
        .iter()
        .map(|(scenario, checks)| (scenario, different(checks, through.get(scenario).map_or(&[], Vec::as_slice))))
        .filter(|(_, checks)| !checks.is_empty())
        .collect();
    let mut wrong = String::new();
    for (scenario, checks) in &different {
        match known.get(*scenario) {
            Some(known) if known.checks == *checks => {}
            Some(known) => {
                writeln!(wrong, "{scenario}: expected to differ in {:?}, differs in {checks:?}", known.checks).unwrap();
                writeln!(wrong, "{}", explain(&through[*scenario], checks)).unwrap();
            }
            None => {
                writeln!(wrong, "{scenario}: is not as directly, in {checks:?}").unwrap();
                let none = Vec::new();
                writeln!(wrong, "{}", explain(through.get(*scenario).unwrap_or(&none), checks)).unwrap();
            }
        }
    }
    for (scenario, known) in known.iter().filter(|(scenario, _)| !different.contains_key(scenario)) {
        writeln!(wrong, "{scenario}: is as directly by now; take it off the list (it said: {})", known.because).unwrap();
    }
    assert!(
        wrong.is_empty(),
        "{leg}, through the gateway; known differences are in tests/conformance/differences.json:\n{wrong}"
    );
}

/// Fails unless the fixture, or the client, does by itself all that is asked of it. Two failures would be alike, too.
pub(super) fn assert_all_pass<'a>(leg: &str, found: &Found, scenarios: impl IntoIterator<Item = &'a String>) {
    for scenario in scenarios {
        let failed: Vec<_> = found[scenario].iter().filter(|check| matches!(&*check.status, "FAILURE" | "WARNING")).collect();
        assert!(failed.is_empty(), "{leg}, directly: {scenario} fails: {failed:#?}");
    }
}

/// `passed/all` of scenarios and of checks; what is skipped counts for neither.
pub(super) fn figures<'a>(found: &Found, scenarios: impl IntoIterator<Item = &'a String>) -> String {
    let (mut scenarios_passed, mut scenarios_all, mut checks_passed, mut checks_all) = (0, 0, 0, 0);
    for scenario in scenarios {
        let checks: Vec<_> = found.get(scenario).into_iter().flatten().filter(|check| check.status != "SKIPPED").collect();
        let passed = checks.iter().filter(|check| check.status == "SUCCESS").count();
        scenarios_all += 1;
        scenarios_passed += usize::from(passed == checks.len() && !checks.is_empty());
        checks_all += checks.len();
        checks_passed += passed;
    }
    format!("{scenarios_passed}/{scenarios_all} scenarios, {checks_passed}/{checks_all} checks")
}

fn known(leg: &str) -> BTreeMap<String, Known> {
    let text = fs::read_to_string(parts::conformance("differences.json")).unwrap();
    let mut legs: BTreeMap<String, BTreeMap<String, Known>> = serde_json::from_str(&text).unwrap();
    legs.remove(leg).unwrap_or_default()
}

/// The ids of the checks that end otherwise, come more or less often, or are missing.
fn different(direct: &[Check], through: &[Check]) -> BTreeSet<String> {
    let ends = |checks: &[Check], id: &str| -> Vec<String> {
        checks.iter().filter(|check| check.id == id).map(|check| check.status.clone()).collect()
    };
    let ids = direct.iter().chain(through).map(|check| check.id.clone());
    ids.filter(|id| ends(direct, id) != ends(through, id)).collect()
}

fn explain(through: &[Check], ids: &BTreeSet<String>) -> String {
    let lines = through.iter().filter(|check| ids.contains(&check.id));
    lines.fold(String::new(), |text, check| text + "    " + &check.id + ": " + &check.status + ": " + &check.message + "\n")
}
