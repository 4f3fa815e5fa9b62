//! `injection:`, what a sign of it does on each surface, and what else servers try.

use super::document::Known;
use super::patterns::tool;
use super::sections::{Gathered, server};
use crate::scan::injection::{ModelMode, RuleAdditions, Severity};
use crate::yaml::{Fields, Node, Report, choice, closest, parsed, text};

const REQUESTS: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("block", Surface::Block)];
const RESULTS: &[(&str, Surface)] = &[
    ("off", Surface::Off),
    ("log", Surface::Log),
    ("label", Surface::Label),
    ("strip", Surface::Strip),
    ("block", Surface::Block),
];
const DEFINITIONS: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("quarantine", Surface::Quarantine)];

/// What a sign of injection does, by surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// In arguments: `off`, `log`, `block`.
    pub requests: Surface,
    /// In results: `off`, `log`, `label`, `strip`, `block`.
    pub results: Surface,
    /// In definitions: `off`, `log`, `quarantine`.
    pub definitions: Surface,
    /// Whether the linear model is asked beside the rules.
    pub model: ModelMode,
    /// What a form that asks for a credential does: `off`, `log`, `block`.
    pub forms: Surface,
    /// What terminal control in anything a server says does: `off`, `log`, `strip`.
    pub terminal: Surface,
    /// From which severity on what the scan finds is acted on.
    pub thresholds: Thresholds,
}

impl Injection {
    /// What holds without `injection:` in the policy.
    pub const DEFAULT: Self = Self {
        requests: Surface::Log,
        results: Surface::Label,
        definitions: Surface::Quarantine,
        model: ModelMode::On,
        forms: Surface::Block,
        terminal: Surface::Strip,
        thresholds: Thresholds::DEFAULT,
    };
}

/// What a sign of injection does on one surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Surface {
    /// The message is refused.
    Block,
    /// The text is wrapped and named as external data.
    Label,
    /// It is recorded.
    Log,
    /// Nothing is looked for.
    Off,
    /// The definition is withheld and its tool refused.
    Quarantine,
    /// The span is removed.
    Strip,
}

/// What a sign of injection does on some servers, or in calls of some tools, where that is something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectionFor {
    /// On these.
    pub servers: Vec<String>,
    /// In calls of these tools and their replies, globs; empty means everywhere.
    pub tools: Vec<String>,
    /// In arguments.
    pub requests: Option<Surface>,
    /// In results and server-sent messages.
    pub results: Option<Surface>,
    /// In definitions.
    pub definitions: Option<Surface>,
}

/// From which severity on what is found is acted on, by surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// In arguments.
    pub requests: Severity,
    /// In results and server-sent messages.
    pub results: Severity,
    /// In definitions.
    pub definitions: Severity,
}

impl Thresholds {
    const DEFAULT: Self = Self { requests: Severity::Medium, results: Severity::Medium, definitions: Severity::Medium };
}

pub(super) fn injection(node: &Node, known: &Known, gathered: &mut Gathered, report: &mut Report) -> Option<Injection> {
    const MODEL: &[(&str, ModelMode)] = &[("off", ModelMode::Off), ("log", ModelMode::Log), ("on", ModelMode::On)];
    const FORMS: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("block", Surface::Block)];
    const TERMINAL: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("strip", Surface::Strip)];

    let mut fields = Fields::of(node, "injection", report)?;
    let requests = fields.optional("requests", choice(REQUESTS, &["label"])).unwrap_or(Surface::Log);
    let results = fields.optional("results", choice(RESULTS, &[])).unwrap_or(Surface::Label);
    let definitions = fields.optional("definitions", choice(DEFINITIONS, &[])).unwrap_or(Surface::Quarantine);
    let model = fields.optional("model", choice(MODEL, &[])).unwrap_or(ModelMode::On);
    let forms = fields.optional("forms", choice(FORMS, &[])).unwrap_or(Surface::Block);
    let terminal = fields.optional("terminal", choice(TERMINAL, &[])).unwrap_or(Surface::Strip);
    for (key, surface, unsaid) in [
        ("requests", requests, "injection is not looked for in requests"),
        ("results", results, "injection is not looked for in results"),
        ("definitions", definitions, "injection is not looked for in definitions"),
        ("forms", forms, "forms may ask for credentials"),
        ("terminal", terminal, "terminal control in replies is passed on"),
    ] {
        if surface == Surface::Off {
            let place = fields.place(key);
            fields.report().warning(place, unsaid).hint("`log` changes nothing for callers and leaves a record");
        }
    }
    gathered.injection_for.extend(fields.list("for", |node, report| elsewhere(node, known, report)));
    let thresholds = fields.optional("thresholds", thresholds).unwrap_or(Thresholds::DEFAULT);
    let shadow = fields.list("shadow", |node, report| rule(node, &gathered.rules_of_scan, report));
    gathered.injection_shadow.extend(shadow);
    fields.finish(&[]);
    Some(Injection { requests, results, definitions, model, forms, terminal, thresholds })
}

fn thresholds(node: &Node, report: &mut Report) -> Option<Thresholds> {
    let mut fields = Fields::of(node, "injection.thresholds", report)?;
    let mut from = |key| fields.optional(key, choice(Severity::WORDS, &[])).unwrap_or(Severity::Medium);
    let thresholds = Thresholds { requests: from("requests"), results: from("results"), definitions: from("definitions") };
    fields.finish(&[]);
    Some(thresholds)
}

/// The id of a rule.
fn rule(node: &Node, rules: &RuleAdditions, report: &mut Report) -> Option<String> {
    let written = text(node, report)?;
    if rules.may_have(&written) || rules.ids().any(|id| id == written) {
        return Some(written);
    }
    let hint = match closest(&written, rules.ids()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "name what the record of the finding names as `rule`, of layer `inj`".to_owned(),
    };
    report.error(node.place, format!("no rule of the injection scan is called `{written}`")).hint(hint);
    None
}

fn elsewhere(node: &Node, known: &Known, report: &mut Report) -> Option<InjectionFor> {
    let mut fields = Fields::of(node, "injection.for[]", report)?;
    let servers = fields.required_list("servers", |node, report| server(node, false, known, report));
    let tools = fields.list("tools", parsed(tool));
    let requests = fields.optional("requests", choice(REQUESTS, &["label"]));
    let results = fields.optional("results", choice(RESULTS, &[]));
    let definitions = fields.optional("definitions", choice(DEFINITIONS, &[]));
    if fields.has("tools") && fields.has("definitions") {
        let place = fields.place("definitions");
        let found = fields.report().error(place, "definitions are judged server by server");
        found.hint("write `definitions` in an entry without `tools`; one tool that is withheld by mistake is for `exceptions`");
    }
    if !["requests", "results", "definitions"].iter().any(|key| fields.has(key)) {
        fields
            .report()
            .error(node.place, "this entry changes nothing")
            .hint("add at least one of requests, results, definitions");
    }
    fields.finish(&[]);
    Some(InjectionFor { servers, tools, requests, results, definitions })
}
