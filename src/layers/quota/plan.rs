//! Which limits count a message, and by what.

use super::repeats::{called, digest};
use crate::decide::Glob;
use crate::limits::{Asked, Counted, Keyer, Measure, Plan, Rule};
use crate::policy::{Dimension, Limit};
use crate::protocol::{Access, Message, Method, Shape};

/// The limits that are counted here.
#[derive(Debug)]
pub(super) struct Limits {
    entries: Vec<Entry>,
    /// Whether any asks for roles.
    by_role: bool,
}

#[derive(Debug)]
struct Entry {
    counted: Counted,
    tools: Vec<Glob>,
    /// Whether its rate is counted here, and not before authorization.
    rate: bool,
}

/// A message, as limits see it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen<'a> {
    pub(super) access: &'a Access,
    pub(super) message: Option<&'a Message>,
    /// By what callers are told apart.
    pub(super) caller: [Option<&'a str>; 4],
    /// What records call its session.
    pub(super) session: Option<&'a str>,
    pub(super) asked: Asked<'a>,
}

impl Limits {
    pub(super) fn new(limits: &[Limit], keyer: &Keyer) -> Self {
        let entries: Vec<Entry> = limits.iter().filter_map(|limit| Entry::new(limit, keyer)).collect();
        let asks = |limit: &Limit| !limit.roles.is_empty() || limit.per.contains(&Dimension::Role);
        let by_role = entries.iter().any(|entry| asks(&entry.counted.limit));
        Self { entries, by_role }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn ask_for_roles(&self) -> bool {
        self.by_role
    }

    pub(super) fn plan(&self, keyer: &Keyer, seen: &Seen<'_>) -> Plan<'_> {
        let mut plan = Plan::of(&seen.asked, keyer);
        // Worth its cost only where somebody asks.
        let mut hashed = None;
        for entry in self.entries.iter().filter(|entry| entry.covers(&seen.asked)) {
            entry.count(keyer, seen, &mut plan);
            if let Some(repeats) = entry.counted.limit.repeats.filter(|_| is_call(seen.access)) {
                let digest = hashed.get_or_insert_with(|| seen.message.map(digest).unwrap_or_default());
                let [issuer, subject, client, tenant] = seen.caller.map(|part| part.unwrap_or_default().as_bytes());
                let (session, server) = (seen.session.unwrap_or_default().as_bytes(), seen.asked.server.as_bytes());
                let (method, name) = (seen.access.method.name().as_bytes(), called(seen.access).as_bytes());
                let what = keyer.key([server, method, name, digest.as_slice()]).short();
                let rule = Rule::Repeats { what, most: repeats.calls, within: repeats.within };
                let caller = [issuer, subject, client, tenant, session];
                plan.count_apart(keyer, &entry.counted, Measure::Repeats, rule, &caller);
            }
        }
        plan
    }
}

impl Entry {
    fn new(limit: &Limit, keyer: &Keyer) -> Option<Self> {
        let rate = limit.rate.is_some() && !limit.counts_callers_alone();
        let others = limit.quota.is_some()
            || limit.concurrency.is_some()
            || limit.request_bytes.is_some()
            || limit.result_bytes.is_some()
            || limit.session_calls.is_some()
            || limit.repeats.is_some();
        // SECURITY: another spelling may be the same tool to its server, so it is the same to its limit.
        let tools = limit.tools.iter().map(|pattern| Glob::new(&pattern.to_ascii_lowercase())).collect();
        (rate || others).then(|| Self { counted: Counted::new(keyer, limit), tools, rate })
    }

    /// Whether its selectors, joined by AND, select the message.
    fn covers(&self, asked: &Asked<'_>) -> bool {
        let Limit { servers, roles, .. } = &self.counted.limit;
        let server = servers.is_empty() || servers.iter().any(|server| server == "*" || server == asked.server);
        let tool = self.tools.is_empty()
            || asked.tool.is_some_and(|tool| {
                let tool = tool.to_ascii_lowercase();
                self.tools.iter().any(|glob| glob.matches(&tool))
            });
        let role = roles.is_empty() || roles.iter().any(|role| asked.roles.contains(&role.as_str()));
        let tenant = self.counted.limit.within.include(asked.issuer, Some(asked.tenant).filter(|tenant| !tenant.is_empty()));
        server && tool && role && tenant
    }

    fn count<'l>(&'l self, keyer: &Keyer, seen: &Seen<'_>, plan: &mut Plan<'l>) {
        let limit = &self.counted.limit;
        let mut count = |measure, rule, cost| plan.count(keyer, &self.counted, measure, rule, cost, &seen.asked);
        if let Some(rate) = limit.rate.filter(|_| self.rate) {
            count(Measure::Rate, rate.into(), 1);
        }
        let bytes = seen.message.map_or(0, |message| message.original().len() as u64);
        if let Some(allowance) = limit.request_bytes.filter(|_| bytes > 0) {
            count(Measure::RequestBytes, allowance.into(), bytes);
        }
        if let Some(allowance) = limit.result_bytes {
            // Nobody knows how much it will be: now it is asked whether anything is left.
            count(Measure::ResultBytes, allowance.into(), 0);
        }
        if !is_call(seen.access) {
            return;
        }
        if let Some(allowance) = limit.quota {
            count(Measure::Quota, allowance.into(), 1);
        }
        if let Some(most) = limit.concurrency {
            count(Measure::Concurrency, Rule::Held { most }, 1);
        }
        if let (Some(most), Some(session)) = (limit.session_calls, seen.session) {
            plan.count_apart(keyer, &self.counted, Measure::SessionCalls, Rule::Total { most }, &[session.as_bytes()]);
        }
    }
}

/// What makes a server do something for its caller. Lists, handshakes, subscriptions, what is about tasks, and notifications do not count.
fn is_call(access: &Access) -> bool {
    let method = matches!(
        access.method,
        Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead | Method::Complete | Method::Other
    );
    method && access.shape == Shape::Request
}
