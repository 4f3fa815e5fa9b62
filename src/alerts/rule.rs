//! One rule at work: what happened goes in, and an alert comes out where it was too much.

use std::time::Duration;

use super::Alert;
use super::groups::{Group, Groups};
use super::seen::{Event, Happened, Origin};
use crate::decide::Glob;
use crate::policy::{AlertRule, Measure, Per};
use std::sync::Arc;

/// See the module.
#[derive(Debug)]
pub(super) struct Rule {
    pub says: Arc<AlertRule>,
    tools: Vec<Glob>,
    pub groups: Groups,
    /// Of the first record it saw, in milliseconds.
    pub begun: Option<i64>,
    /// It says nothing about what was before, in milliseconds.
    pub speaks: i64,
}

impl Rule {
    /// That begins now, in the time of the log.
    pub(super) fn new(says: Arc<AlertRule>, speaks: i64) -> Self {
        let tools = says.tools.iter().map(|pattern| Glob::new(pattern)).collect();
        Self { says, tools, groups: Groups::default(), begun: None, speaks }
    }

    /// Takes in what happened in the record of that index.
    pub(super) fn take(&mut self, happened: &Happened, now: i64, index: u64) -> Option<Alert> {
        let begun = *self.begun.get_or_insert(now);
        if !self.looks_at(&happened.origin) {
            return None;
        }
        let (about, kept) = (self.about(happened)?, self.kept());
        let is_learned = now.saturating_sub(begun) >= milliseconds(self.says.learn);
        let group = self.groups.of(&about, now, kept);
        let (value, usual) = count(self.says.measure, group, happened, now, is_learned)?;
        self.tell(about, (value, usual), Some(&happened.origin), now, index)
    }

    /// Looks for those that nothing came from.
    pub(super) fn silence(&mut self, now: i64, index: u64) -> Vec<Alert> {
        let Measure::Silence(span) = self.says.measure else { return Vec::new() };
        if self.says.per == Per::Gateway && self.says.servers.is_empty() && self.says.tools.is_empty() {
            // There is one, whether it was ever called or not.
            let group = self.groups.of("gateway", now, i64::MAX);
            group.seen = if group.seen == 0 { now } else { group.seen };
        }
        let span = milliseconds(span);
        // Told once, until something comes again.
        let silent = |group: &Group| now - group.seen >= span && group.told.is_none_or(|told| told < group.seen);
        let silent: Vec<_> = self
            .groups
            .iter_mut()
            .filter(|(_, group)| silent(group))
            .map(|(name, group)| (name.clone(), now - group.seen))
            .collect();
        let tell = |(name, since): (String, i64)| {
            let seconds = u64::try_from(since / 1_000).unwrap_or(0);
            self.tell(name, (seconds, None), None, now, index)
        };
        silent.into_iter().filter_map(tell).collect()
    }

    /// While the gateway was down nobody could be heard.
    pub(super) fn starts(&mut self, now: i64) {
        if matches!(self.says.measure, Measure::Silence(_)) {
            self.groups.iter_mut().for_each(|(_, group)| group.seen = group.seen.max(now));
        }
    }

    /// An alert of this rule stands in the log.
    pub(super) fn told(&mut self, about: &str, now: i64) {
        let kept = self.kept();
        let again = milliseconds(self.says.again);
        let group = self.groups.of(about, now, kept);
        // One that was told in this run is known by the time of what it was about.
        if group.told.is_none_or(|told| now.saturating_sub(told) >= again) {
            group.told = Some(now);
        }
    }

    fn tell(
        &mut self,
        about: String,
        (value, usual): (u64, Option<u64>),
        origin: Option<&Arc<Origin>>,
        now: i64,
        index: u64,
    ) -> Option<Alert> {
        let group = self.groups.of(&about, now, i64::MAX);
        let again = milliseconds(self.says.again);
        let is_new = group.told.is_none_or(|told| now.saturating_sub(told) >= again);
        if !is_new || now < self.speaks {
            return None;
        }
        group.told = Some(now);
        Some(Alert {
            rule: Arc::clone(&self.says),
            about,
            value,
            usual,
            origin: origin.map(Arc::clone),
            record: index,
            time: now,
        })
    }

    fn looks_at(&self, origin: &Origin) -> bool {
        let (server, tool) = (origin.server.as_deref(), origin.tool.as_deref());
        let is_server = |known: &String| known == "*" || Some(known.as_str()) == server;
        let of_tenant = || origin.who.as_ref().is_some_and(|who| self.says.within.include(&who.iss, who.tenant.as_deref()));
        (self.says.servers.is_empty() || server.is_some() && self.says.servers.iter().any(is_server))
            && (self.tools.is_empty() || tool.is_some_and(|tool| self.tools.iter().any(|glob| glob.matches(tool))))
            && (self.says.within.is_everybody() || of_tenant())
    }

    /// What it is counted with, by the name that alerts have of it.
    fn about(&self, happened: &Happened) -> Option<String> {
        let origin = &happened.origin;
        let who = origin.who.as_ref();
        let tool = || Some(format!("{}/{}", origin.server.as_deref()?, origin.tool.as_deref()?));
        if self.says.measure == Measure::DueCredentials {
            return matches!(happened.what, Event::Due)
                .then(|| format!("credential:{}", origin.server.as_deref().unwrap_or("-")));
        }
        let name = match self.says.per {
            Per::Client => format!("client:{}/{}", who?.iss, who?.client.as_deref()?),
            Per::Gateway => "gateway".to_owned(),
            Per::Peer => format!("peer:{}", origin.peer.as_deref()?),
            Per::Principal => format!("principal:{}", who?.sub),
            Per::Role => format!("role:{}", origin.role.as_deref()?),
            Per::Server => format!("server:{}", origin.server.as_deref()?),
            Per::Session => format!("session:{}", origin.session.as_deref()?),
            Per::Tenant => format!("tenant:{}/{}", who?.iss, who?.tenant.as_deref()?),
            Per::Tool => format!("tool:{}", tool()?),
        };
        if matches!(self.says.measure, Measure::FirstUse(_)) { Some(format!("{name} tool:{}", tool()?)) } else { Some(name) }
    }

    /// How long what was seen last is of use.
    fn kept(&self) -> i64 {
        if matches!(self.says.measure, Measure::ArgumentSize(_)) {
            return i64::MAX;
        }
        milliseconds(self.says.measure.span().max(self.says.again))
    }
}

/// Counts it; how much that makes, if it is too much, and how much is usual, where that is known.
fn count(measure: Measure, group: &mut Group, happened: &Happened, now: i64, is_learned: bool) -> Option<(u64, Option<u64>)> {
    let before = group.seen;
    group.seen = before.max(now);
    let mut sum = |most: crate::policy::Most, much: u64| {
        let sum = group.sums.add(now, milliseconds(most.within), much);
        (sum > most.most).then_some((sum, None))
    };
    match (measure, happened.what) {
        (Measure::Calls(most), Event::Decided { .. })
        | (Measure::Injections(most), Event::Injection)
        | (Measure::OutOfScope(most), Event::OutOfScope) => sum(most, 1),
        (Measure::Bytes(most), Event::Bytes(much))
        | (Measure::Denials(most), Event::Denied(much))
        | (Measure::Dlp(most), Event::Dlp(much)) => sum(most, much),
        (Measure::Tools(most), Event::Decided { .. }) => {
            let tool = happened.origin.tool.as_deref()?;
            let tool = format!("{}/{tool}", happened.origin.server.as_deref().unwrap_or_default());
            let used = group.distinct.add(now, milliseconds(most.within), &tool, most.most);
            (used > most.most).then_some((used, None))
        }
        (Measure::ArgumentSize(times), Event::Decided { arguments, .. }) => {
            group.sizes.add(arguments, times).map(|usual| (arguments, Some(usual)))
        }
        (Measure::FirstUse(span), Event::Decided { allowed: true, .. }) => {
            let is_first = before == 0 || now.saturating_sub(before) >= milliseconds(span);
            (is_first && is_learned).then_some((1, None))
        }
        (Measure::DueCredentials, Event::Due) => Some((1, None)),
        _ => None,
    }
}

pub(super) fn milliseconds(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}
