//! `limits:` of one policy file.

use std::time::Duration;

use super::Tenants;
use super::document::Known;
use super::patterns::tool;
use super::sections::{Gathered, MODES, Placed, Scope, server};
use crate::config::units::{self, duration, rate, within};
use crate::limits::Window;
use crate::yaml::{Fields, Invalid, Node, Place, Report, choice, name, number, parsed};

/// What one `limits:` entry says. Everything in it holds at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name.
    pub name: String,
    /// What is counted together; nothing: everybody's calls.
    pub per: Vec<Dimension>,
    /// Counts calls of these servers; empty means all.
    pub servers: Vec<String>,
    /// Counts calls of these tools, globs; empty means everything, not only tools.
    pub tools: Vec<String>,
    /// Counts calls of whoever has one of these roles; known to exist. Empty means everybody.
    pub roles: Vec<String>,
    /// Messages by time.
    pub rate: Option<Rate>,
    /// Calls in a window.
    pub quota: Option<Allowance>,
    /// Calls at a time.
    pub concurrency: Option<u32>,
    /// Bytes of messages to servers in a window.
    pub request_bytes: Option<Allowance>,
    /// Bytes of what servers answer in a window.
    pub result_bytes: Option<Allowance>,
    /// Calls of one session.
    pub session_calls: Option<u32>,
    /// The same call with the same arguments.
    pub repeats: Option<Repeats>,
    /// Decides and records, but lets through (`mode: shadow` of the limit or its file).
    pub shadow: bool,
    /// Counts callers of these tenants alone: those that its file is for.
    pub within: Tenants,
}

/// What a limit tells callers apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// The OAuth client, or the API key.
    Client,
    /// Each group of the caller.
    Group,
    /// The issuer.
    Issuer,
    /// Each role that a binding gives the caller.
    Role,
    /// The path on the listener.
    Route,
    /// The server.
    Server,
    /// The caller.
    Subject,
    /// The tenant.
    Tenant,
    /// The tool.
    Tool,
}

/// So many in so much time, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Messages per `period`.
    pub calls: u32,
    /// The period of `calls`.
    pub period: Duration,
    /// How many may come at once.
    pub burst: u32,
}

/// So much in a window of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How much, at least one.
    pub most: u64,
    /// In which window.
    pub window: Window,
}

/// How often the same call may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeats {
    /// How often.
    pub calls: u32,
    /// In any span of this length.
    pub within: Duration,
}

impl Limit {
    /// Whether its rate counts messages before it is known what their callers may do.
    pub fn counts_callers_alone(&self) -> bool {
        let of_caller = |dimension: &Dimension| match dimension {
            Dimension::Client | Dimension::Group | Dimension::Issuer | Dimension::Subject | Dimension::Tenant => true,
            Dimension::Role | Dimension::Route | Dimension::Server | Dimension::Tool => false,
        };
        self.servers.is_empty() && self.tools.is_empty() && self.roles.is_empty() && self.per.iter().all(of_caller)
    }
}

const DIMENSIONS: &[(&str, Dimension)] = &[
    ("subject", Dimension::Subject),
    ("group", Dimension::Group),
    ("role", Dimension::Role),
    ("tenant", Dimension::Tenant),
    ("client", Dimension::Client),
    ("issuer", Dimension::Issuer),
    ("tool", Dimension::Tool),
    ("server", Dimension::Server),
    ("route", Dimension::Route),
];

/// At least one of these makes a limit.
const MEASURES: [&str; 7] = ["rate", "quota", "concurrency", "request_bytes", "result_bytes", "session_calls", "repeats"];

/// Longest time in which a burst may come back: nobody waits for longer, and all sums stay far from what a counter can hold.
const LONGEST_BURST: Duration = Duration::from_hours(366 * 24);

const NOT_A_QUOTA: Invalid = Invalid::new(
    "is not a quota",
    "write calls per window: `100/hour`, `5000/day`; windows are minute, hour, day, week and month",
);
const NOT_A_VOLUME: Invalid = Invalid::new(
    "is not a volume",
    "write a size per window: `10MiB/hour`, `1GiB/day`; windows are minute, hour, day, week and month",
);

/// One entry.
pub(super) fn limit(
    node: &Node,
    scope: &Scope,
    known: &Known,
    gathered: &mut Gathered,
    report: &mut Report,
) -> Option<Placed<Limit>> {
    let mut fields = Fields::of(node, "limits[]", report)?;
    let called = fields.required("name", name);
    let written = fields.has("per");
    let per = fields.list_or_empty("per", choice(DIMENSIONS, &[]));
    let servers = fields.list("servers", |node, report| server(node, true, known, report));
    let tools = fields.list("tools", parsed(tool));
    let roles = fields.list("roles", |node, report| {
        let role = name(node, report)?;
        gathered.restoring_roles.push(Placed { value: role.clone(), place: node.place });
        Some(role)
    });
    let paced = fields.optional("rate", parsed(rate));
    let burst = fields.optional("burst", number(1..=u32::MAX));
    let quota = fields.optional("quota", parsed(calls_per_window));
    let concurrency = fields.optional("concurrency", number(1..=100_000));
    let request_bytes = fields.optional("request_bytes", parsed(bytes_per_window));
    let result_bytes = fields.optional("result_bytes", parsed(bytes_per_window));
    let session_calls = fields.optional("session_calls", number(1..=u32::MAX));
    let repeats = fields.optional("repeats", repeats);
    let shadow = fields.optional("mode", choice(MODES, &[])).unwrap_or(scope.shadow);
    if !MEASURES.iter().any(|measure| fields.has(measure)) {
        let hint = format!("add at least one of {}", MEASURES.join(", "));
        fields.report().error(node.place, "this limit limits nothing").hint(hint);
    }
    if fields.has("burst") && !fields.has("rate") {
        let place = fields.place("burst");
        fields.report().error(place, "`burst` belongs to a `rate`").hint("add `rate`, or leave `burst` out");
    }
    let rate = paced.map(|units::Rate { calls, period }| Rate {
        calls,
        period,
        burst: burst.unwrap_or_else(|| default_burst(calls, period)),
    });
    let (place, rate_place, quota_place) = (fields.place("name"), fields.place("burst"), fields.place("quota"));
    refuse_endless_burst(rate, rate_place, fields.report());
    warn_of_idle_quota(rate, quota, quota_place, fields.report());
    let per_place = fields.place("per");
    if known.tenants && written && scope.tenants.is_everybody() {
        warn_of_shared_counter(&per, per_place, fields.report());
    }
    fields.finish(&[]);
    let mut per = if written { per } else { vec![Dimension::Subject] };
    // A limit is told apart by what is written: the same list in another order is the same limit.
    per.sort_unstable();
    per.dedup();
    let value = Limit {
        name: called?,
        per,
        servers,
        tools,
        roles,
        rate,
        quota,
        concurrency,
        request_bytes,
        result_bytes,
        session_calls,
        repeats,
        shadow,
        within: scope.tenants.clone(),
    };
    Some(Placed { value, place })
}

/// What one tenant uses up, another should not miss.
fn warn_of_shared_counter(per: &[Dimension], place: Place, report: &mut Report) {
    let tells_apart = |dimension: &Dimension| match dimension {
        Dimension::Client | Dimension::Group | Dimension::Subject | Dimension::Tenant => true,
        Dimension::Issuer | Dimension::Role | Dimension::Route | Dimension::Server | Dimension::Tool => false,
    };
    if !per.iter().any(tells_apart) {
        report
            .warning(place, "the callers of all tenants share this counter: one tenant can use up what the others may do")
            .hint("add `tenant` to `per`, unless that is what is meant");
    }
}

/// `repeats: { calls: 5, within: 60s }`
fn repeats(node: &Node, report: &mut Report) -> Option<Repeats> {
    let mut fields = Fields::of(node, "limits[].repeats", report)?;
    // Each is remembered by its time, for as long as `within`.
    let calls = fields.required("calls", number(1..=50));
    let longest = Duration::from_secs(1)..=Duration::from_hours(1);
    let within = fields.required("within", within(duration, longest, "from 1s to 1h"));
    fields.finish(&[]);
    Some(Repeats { calls: calls?, within: within? })
}

fn window(text: &str) -> Option<Window> {
    match text {
        "min" | "minute" => Some(Window::Minute),
        "h" | "hour" => Some(Window::Hour),
        "day" => Some(Window::Day),
        "week" => Some(Window::Week),
        "month" => Some(Window::Month),
        _ => None,
    }
}

/// `5000/day`
fn calls_per_window(text: &str) -> Result<Allowance, Invalid> {
    let (count, unit) = text.split_once('/').ok_or(NOT_A_QUOTA)?;
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let most = count.parse().ok().filter(|most| digits && *most > 0).ok_or(NOT_A_QUOTA)?;
    Ok(Allowance { most, window: window(unit).ok_or(NOT_A_QUOTA)? })
}

/// `10MiB/day`
fn bytes_per_window(text: &str) -> Result<Allowance, Invalid> {
    let (size, unit) = text.split_once('/').ok_or(NOT_A_VOLUME)?;
    let most = units::size(size).ok().and_then(|size| u64::try_from(size).ok()).filter(|most| *most > 0);
    Ok(Allowance { most: most.ok_or(NOT_A_VOLUME)?, window: window(unit).ok_or(NOT_A_VOLUME)? })
}

/// Ten seconds' worth, and at least one.
fn default_burst(calls: u32, period: Duration) -> u32 {
    const WORTH: Duration = Duration::from_secs(10);
    let worth = u128::from(calls) * WORTH.as_millis() / period.as_millis().max(1);
    u32::try_from(worth).unwrap_or(u32::MAX).max(1)
}

fn refuse_endless_burst(rate: Option<Rate>, place: Place, report: &mut Report) {
    let endless =
        |rate: &Rate| rate.period.as_nanos() * u128::from(rate.burst) > LONGEST_BURST.as_nanos() * u128::from(rate.calls);
    if rate.is_some_and(|rate| endless(&rate)) {
        report
            .error(place, "it would take more than a year until this burst is there again")
            .hint("lower `burst`, or use `quota` for what may be done in a window of the calendar");
    }
}

fn warn_of_idle_quota(rate: Option<Rate>, quota: Option<Allowance>, place: Place, report: &mut Report) {
    let (Some(rate), Some(quota)) = (rate, quota) else { return };
    let at_most = u128::from(quota.window.longest()) * 1000 * u128::from(rate.calls) / rate.period.as_millis().max(1)
        + u128::from(rate.burst);
    if u128::from(quota.most) > at_most {
        report
            .warning(place, format!("this quota is never reached: the rate lets {at_most} calls through in its window"))
            .hint("lower it, or raise the rate");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_are_calls_or_sizes_in_a_window() {
        assert_eq!(calls_per_window("5000/day"), Ok(Allowance { most: 5000, window: Window::Day }));
        assert_eq!(calls_per_window("1/minute"), calls_per_window("1/min"));
        assert_eq!(bytes_per_window("10MiB/month"), Ok(Allowance { most: 10 << 20, window: Window::Month }));
        for text in
            ["", "5", "5/", "/day", "0/day", "-1/day", "+1/day", "1.5/day", "5/year", "5/s", "5 /day", "99999999999999999999/day"]
        {
            assert!(calls_per_window(text).is_err(), "{text}");
        }
        for text in ["5/day", "5MB/day", "10MiB", "0B/day", "10MiB/year", "10MiB/"] {
            assert!(bytes_per_window(text).is_err(), "{text}");
        }
    }
}
