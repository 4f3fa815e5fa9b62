//! `alerts:` of one policy file: what in the log is worth waking somebody for.

use std::time::Duration;

use super::Tenants;
use super::document::Known;
use super::patterns::tool;
use super::sections::{MODES, Placed, Scope, server};
use crate::config::units::{duration, size, within};
use crate::yaml::{Fields, Invalid, Node, Report, boolean, choice, name, number, parsed};

/// What one `alerts:` entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRule {
    /// Its name.
    pub name: String,
    /// What it looks for.
    pub measure: Measure,
    /// What is counted together, and told apart.
    pub per: Per,
    /// Looks at these servers alone; empty means all, and what belongs to none.
    pub servers: Vec<String>,
    /// At these tools alone, globs; empty means everything, not only tools.
    pub tools: Vec<String>,
    /// How much it matters.
    pub severity: AlertSeverity,
    /// Whom it stops.
    pub quarantine: Option<Quarantined>,
    /// For how long it says nothing more about the same one.
    pub again: Duration,
    /// For how long a first use is only learned.
    pub learn: Duration,
    /// Tells, but stops nobody (`mode: shadow` of the rule or its file).
    pub shadow: bool,
    /// Looks at callers of these tenants alone: those that its file is for.
    pub within: Tenants,
}

/// What an alert rule looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Arguments this many times as large as the tool's usually are.
    ArgumentSize(u32),
    /// Bytes of arguments and results.
    Bytes(Most),
    /// Messages that were decided about.
    Calls(Most),
    /// Refusals that say something about who was refused, not about the gateway.
    Denials(Most),
    /// What DLP saw.
    Dlp(Most),
    /// Credentials whose rotation is due.
    DueCredentials,
    /// A tool that was not used for so long.
    FirstUse(Duration),
    /// Messages in which the injection scan saw something.
    Injections(Most),
    /// Refusals of what a caller was never granted.
    OutOfScope(Most),
    /// Nothing for so long, where there was something before.
    Silence(Duration),
    /// Different tools.
    Tools(Most),
}

/// So much, in any span of this length, is not worth a word; more is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Most {
    /// How much.
    pub most: u64,
    /// The length.
    pub within: Duration,
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// The OAuth client, or the API key.
    Client,
    /// Everything.
    Gateway,
    /// The address that messages come from.
    Peer,
    /// The caller.
    Principal,
    /// The role that granted it.
    Role,
    /// The server.
    Server,
    /// The legacy session.
    Session,
    /// The tenant.
    Tenant,
    /// The tool.
    Tool,
}

/// How much an alert matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertSeverity {
    /// To be read some day.
    Low,
    /// To be read today.
    Medium,
    /// To wake somebody.
    High,
}

/// Whom an alert stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quarantined {
    /// The caller, at every server and in every session.
    Principal,
    /// The session it came in.
    Session,
}

impl Measure {
    /// Its key.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ArgumentSize(_) => "argument_size",
            Self::Bytes(_) => "bytes",
            Self::Calls(_) => "calls",
            Self::Denials(_) => "denials",
            Self::Dlp(_) => "dlp",
            Self::DueCredentials => "due_credentials",
            Self::FirstUse(_) => "first_use",
            Self::Injections(_) => "injections",
            Self::OutOfScope(_) => "out_of_scope",
            Self::Silence(_) => "silence",
            Self::Tools(_) => "tools_used",
        }
    }

    /// How much is not worth a word, of what is counted.
    pub const fn most(self) -> Option<Most> {
        match self {
            Self::Bytes(most)
            | Self::Calls(most)
            | Self::Denials(most)
            | Self::Dlp(most)
            | Self::Injections(most)
            | Self::OutOfScope(most)
            | Self::Tools(most) => Some(most),
            Self::ArgumentSize(_) | Self::DueCredentials | Self::FirstUse(_) | Self::Silence(_) => None,
        }
    }

    /// In how long a span it looks.
    pub const fn span(self) -> Duration {
        match (self, self.most()) {
            (_, Some(most)) => most.within,
            (Self::FirstUse(span) | Self::Silence(span), None) => span,
            (_, None) => Duration::ZERO,
        }
    }

    /// What it can count together; first what it does where nothing is said.
    const fn possible(self) -> &'static [Per] {
        match (self, self.most()) {
            (Self::ArgumentSize(_), _) => &[Per::Tool],
            (Self::DueCredentials, _) => &[Per::Gateway],
            (Self::FirstUse(_), _) => &[Per::Role, Per::Client, Per::Principal, Per::Tenant],
            (Self::Silence(_), _) => &[Per::Gateway, Per::Client, Per::Principal, Per::Server, Per::Tenant, Per::Tool],
            (_, _) => &[
                Per::Principal,
                Per::Client,
                Per::Gateway,
                Per::Peer,
                Per::Role,
                Per::Server,
                Per::Session,
                Per::Tenant,
                Per::Tool,
            ],
        }
    }

    fn usual(self) -> Per {
        self.possible().first().copied().unwrap_or(Per::Gateway)
    }
}

impl Per {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Gateway => "gateway",
            Self::Peer => "peer",
            Self::Principal => "principal",
            Self::Role => "role",
            Self::Server => "server",
            Self::Session => "session",
            Self::Tenant => "tenant",
            Self::Tool => "tool",
        }
    }
}

impl AlertSeverity {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

impl Quarantined {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Session => "session",
        }
    }
}

const PER: &[(&str, Per)] = &[
    ("principal", Per::Principal),
    ("session", Per::Session),
    ("client", Per::Client),
    ("tenant", Per::Tenant),
    ("role", Per::Role),
    ("peer", Per::Peer),
    ("server", Per::Server),
    ("tool", Per::Tool),
    ("gateway", Per::Gateway),
];
const SEVERITIES: &[(&str, AlertSeverity)] =
    &[("low", AlertSeverity::Low), ("medium", AlertSeverity::Medium), ("high", AlertSeverity::High)];
const QUARANTINED: &[(&str, Quarantined)] = &[("principal", Quarantined::Principal), ("session", Quarantined::Session)];

/// Exactly one of these makes a rule.
const MEASURES: [&str; 11] = [
    "calls",
    "tools_used",
    "bytes",
    "denials",
    "out_of_scope",
    "injections",
    "dlp",
    "argument_size",
    "first_use",
    "due_credentials",
    "silence",
];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const MONTH: Duration = Duration::from_hours(31 * 24);
const YEAR: Duration = Duration::from_hours(366 * 24);

const NOT_SO_MANY: Invalid =
    Invalid::new("is not a tally in a span", "write a number and a span of 1s to 31d: `20/5m`, `500/1h`; more than that alerts");
const NOT_SO_FEW: Invalid = Invalid::new(
    "is not a tally of tools in a span",
    "write at most 1000 and a span of 1s to 31d: `25/10m`; more than that alerts",
);
const NOT_SO_MUCH: Invalid =
    Invalid::new("is not a sum in a span", "write a size and a span of 1s to 31d: `50MiB/1h`; more than that alerts");

/// One entry.
pub(super) fn alert(node: &Node, scope: &Scope, known: &Known, report: &mut Report) -> Option<Placed<AlertRule>> {
    let mut fields = Fields::of(node, "alerts[]", report)?;
    let called = fields.required("name", name);
    let measure = measure(&mut fields, node);
    let per = fields.optional("per", choice(PER, &[]));
    let servers = fields.list("servers", |node, report| server(node, true, known, report));
    let tools = fields.list("tools", parsed(tool));
    let severity = fields.optional("severity", choice(SEVERITIES, &[])).unwrap_or(AlertSeverity::Medium);
    let quarantine = fields.optional("quarantine", choice(QUARANTINED, &[]));
    let again = fields.optional("again", within(duration, SECOND..=YEAR, "from 1s to 366d"));
    let learn = fields.optional("learn", within(duration, Duration::ZERO..=MONTH, "from 0s to 31d"));
    let shadow = fields.optional("mode", choice(MODES, &[])).unwrap_or(scope.shadow);
    let place = fields.place("name");
    if let Some(measure) = measure {
        refuse_what_does_not_fit(&mut fields, measure, per, quarantine);
    }
    fields.finish(&[]);
    let measure = measure?;
    let value = AlertRule {
        name: called?,
        measure,
        per: per.unwrap_or(measure.usual()),
        servers,
        tools,
        severity,
        quarantine,
        again: again.unwrap_or_else(|| measure.span().max(MINUTE)),
        learn: learn.unwrap_or(DAY),
        shadow,
        within: scope.tenants.clone(),
    };
    Some(Placed { value, place })
}

fn measure(fields: &mut Fields<'_, '_>, node: &Node) -> Option<Measure> {
    let mut found: Vec<Measure> = Vec::new();
    found.extend(fields.optional("calls", parsed(so_many)).map(Measure::Calls));
    found.extend(fields.optional("tools_used", parsed(so_few)).map(Measure::Tools));
    found.extend(fields.optional("bytes", parsed(so_much)).map(Measure::Bytes));
    found.extend(fields.optional("denials", parsed(so_many)).map(Measure::Denials));
    found.extend(fields.optional("out_of_scope", parsed(so_many)).map(Measure::OutOfScope));
    found.extend(fields.optional("injections", parsed(so_many)).map(Measure::Injections));
    found.extend(fields.optional("dlp", parsed(so_many)).map(Measure::Dlp));
    found.extend(fields.optional("argument_size", number(2..=1_000_000)).map(Measure::ArgumentSize));
    found.extend(fields.optional("first_use", within(duration, MINUTE..=YEAR, "from 1m to 366d")).map(Measure::FirstUse));
    found.extend(fields.optional("due_credentials", wanted).map(|()| Measure::DueCredentials));
    found.extend(fields.optional("silence", within(duration, MINUTE..=MONTH, "from 1m to 31d")).map(Measure::Silence));
    let written: Vec<_> = MEASURES.iter().filter(|measure| fields.has(measure)).collect();
    if written.len() != 1 {
        let (problem, hint) = match written.as_slice() {
            [] => ("this rule looks for nothing".to_owned(), format!("add one of {}", MEASURES.join(", "))),
            [first, second, ..] => (
                format!("this rule looks for two things, `{first}` and `{second}`"),
                "make two rules of it: each alert says one thing".to_owned(),
            ),
            [_] => return None,
        };
        fields.report().error(node.place, problem).hint(hint);
        return None;
    }
    found.pop()
}

fn refuse_what_does_not_fit(fields: &mut Fields<'_, '_>, measure: Measure, per: Option<Per>, quarantine: Option<Quarantined>) {
    let by = per.unwrap_or(measure.usual());
    if !measure.possible().contains(&by) {
        let place = fields.place("per");
        let possible: Vec<_> = measure.possible().iter().map(|per| format!("`{}`", per.as_str())).collect();
        let found = fields.report().error(place, format!("`{}` is not told apart per {}", measure.as_str(), by.as_str()));
        found.hint(format!("write {}", possible.join(" or ")));
    }
    // Whoever is stopped must be who did all of it.
    let fits = match quarantine {
        None => true,
        Some(Quarantined::Principal) => matches!(by, Per::Principal | Per::Session) && !matches!(measure, Measure::Silence(_)),
        Some(Quarantined::Session) => by == Per::Session,
    };
    if !fits {
        let place = fields.place("quarantine");
        let found = fields.report().error(place, "what this rule counts is not the doing of one that it could stop");
        found.hint(
            "`quarantine: principal` goes with `per: principal` or `per: session`, `quarantine: session` with `per: session`",
        );
    }
    if fields.has("learn") && !matches!(measure, Measure::FirstUse(_)) {
        let place = fields.place("learn");
        fields.report().error(place, "`learn` belongs to `first_use`").hint("leave it out");
    }
}

/// `true`, which is all that there is to say.
fn wanted(node: &Node, report: &mut Report) -> Option<()> {
    let wanted = boolean(node, report)?;
    if !wanted {
        report.error(node.place, "a rule that looks for nothing").hint("write `due_credentials: true`, or leave the rule out");
    }
    wanted.then_some(())
}

/// `20/5m`
fn so_many(text: &str) -> Result<Most, Invalid> {
    let (count, span) = text.split_once('/').ok_or(NOT_SO_MANY)?;
    let digits = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let most = count.parse().ok().filter(|_| digits).ok_or(NOT_SO_MANY)?;
    Ok(Most { most, within: span_of(span).ok_or(NOT_SO_MANY)? })
}

/// The same of what is remembered one by one.
fn so_few(text: &str) -> Result<Most, Invalid> {
    let most = so_many(text)?;
    if most.most > 1_000 { Err(NOT_SO_FEW) } else { Ok(most) }
}

/// `50MiB/1h`
fn so_much(text: &str) -> Result<Most, Invalid> {
    let (much, span) = text.split_once('/').ok_or(NOT_SO_MUCH)?;
    let most = size(much).ok().and_then(|size| u64::try_from(size).ok()).ok_or(NOT_SO_MUCH)?;
    Ok(Most { most, within: span_of(span).ok_or(NOT_SO_MUCH)? })
}

fn span_of(text: &str) -> Option<Duration> {
    duration(text).ok().filter(|span| (SECOND..=MONTH).contains(span))
}
