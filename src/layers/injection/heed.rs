//! What a policy makes of findings before anything is done about them: exceptions, rules in shadow, and from which severity on it acts.

use std::collections::HashSet;

use jiff::Timestamp;

use super::layer::LAYER;
use crate::chain::{Action, Direction, Finding, Trail};
use crate::decide::{Exceptions, Excused};
use crate::policy::{Injection, On, Policy, Thresholds};
use crate::scan::injection::{Hit, Severity, UNREAD};

/// The parts of a policy that have a say in findings.
#[derive(Debug)]
pub(super) struct Heed {
    exceptions: Exceptions,
    shadow: HashSet<String>,
    thresholds: Thresholds,
}

/// Where findings stand, and when they were made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'p> {
    pub(super) server: &'p str,
    pub(super) tool: Option<&'p str>,
    pub(super) on: On,
    pub(super) at: Timestamp,
}

impl Place<'_> {
    fn side(&self) -> Direction {
        match self.on {
            On::Request => Direction::Request,
            On::Response | On::Definition => Direction::Response,
        }
    }
}

impl Heed {
    pub(super) fn new(policy: &Policy) -> Self {
        Self {
            exceptions: Exceptions::new(&policy.exceptions),
            shadow: policy.injection_shadow.iter().cloned().collect(),
            thresholds: policy.injection.unwrap_or(Injection::DEFAULT).thresholds,
        }
    }

    /// Of what was found from `first` on, takes out what the policy does not want acted on, and writes that into the trail. What is left has
    /// the severity that the policy gives it: [`Hit::is_flag`] says whether something is to be done.
    pub(super) fn weigh(&self, hits: &mut Vec<Hit>, first: usize, place: Place<'_>, trail: &Trail) {
        if hits.len() <= first {
            return;
        }
        let excused = self.excused(place);
        let threshold = self.threshold(place.on);
        let new = hits.split_off(first);
        for mut hit in new {
            hit.severity = weighed(&hit, threshold);
            let action = match () {
                () if excused.covers(&[hit.rule]) => Action::Excused,
                () if hit.is_flag() && self.shadow.contains(hit.rule) => Action::Shadowed,
                () => {
                    hits.push(hit);
                    continue;
                }
            };
            let (rule, side) = (hit.rule.into(), place.side());
            trail.find(Finding { layer: LAYER, rule, kind: "injection", action, side, count: 1, by: None, about: None });
        }
    }

    /// Whether nothing is done about this rule in definitions, whoever found it when.
    pub(super) fn lets_go(&self, rule: &str, place: Place<'_>) -> bool {
        self.shadow.contains(rule) || self.excused(place).covers(&[rule])
    }

    fn excused<'e>(&'e self, place: Place<'_>) -> Excused<'e> {
        self.exceptions.at(place.server, place.tool, place.on, place.at)
    }

    fn threshold(&self, on: On) -> Severity {
        match on {
            On::Request => self.thresholds.requests,
            On::Response => self.thresholds.results,
            On::Definition => self.thresholds.definitions,
        }
    }
}

/// The severity that a finding has where those from `threshold` on are acted on.
///
/// SECURITY: a text that was not read is no finding of little weight: nobody knows what stands in it.
fn weighed(hit: &Hit, threshold: Severity) -> Severity {
    match threshold {
        Severity::Low => hit.severity.max(Severity::Medium),
        Severity::High if hit.severity < Severity::High && hit.rule != UNREAD => Severity::Low,
        Severity::Medium | Severity::High => hit.severity,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_moves_what_is_acted_on_and_never_what_was_not_read() {
        let flags = |rule, severity, threshold| {
            let hit = Hit { rule, severity, start: 0, end: 1 };
            Hit { severity: weighed(&hit, threshold), ..hit }.is_flag()
        };
        let all = [Severity::Low, Severity::Medium, Severity::High];
        for (threshold, expected) in
            [(Severity::Low, [true, true, true]), (Severity::Medium, [false, true, true]), (Severity::High, [false, false, true])]
        {
            assert_eq!(all.map(|severity| flags("model", severity, threshold)), expected, "{threshold:?}");
            assert!(flags(UNREAD, Severity::Medium, threshold), "{threshold:?}");
        }
    }
}
