//! `injection:`, what a sign of it does on each surface, and what else servers try.

use super::document::Known;
use super::patterns::tool;
use super::sections::{Gathered, server};
use super::{Injection, Surface};
use crate::scan::injection::ModelMode;
use crate::yaml::{Fields, Node, Report, choice, parsed};

const REQUESTS: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("block", Surface::Block)];
const RESULTS: &[(&str, Surface)] = &[
    ("off", Surface::Off),
    ("log", Surface::Log),
    ("label", Surface::Label),
    ("strip", Surface::Strip),
    ("block", Surface::Block),
];
const DEFINITIONS: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("quarantine", Surface::Quarantine)];

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
    fields.finish(&[]);
    Some(Injection { requests, results, definitions, model, forms, terminal })
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
