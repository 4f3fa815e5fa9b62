//! `injection:`, what a sign of it does on each surface, and what else servers try.

use super::{Injection, Surface};
use crate::scan::injection::ModelMode;
use crate::yaml::{Fields, Node, Report, choice};

pub(super) fn injection(node: &Node, report: &mut Report) -> Option<Injection> {
    const REQUESTS: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("block", Surface::Block)];
    const RESULTS: &[(&str, Surface)] = &[
        ("off", Surface::Off),
        ("log", Surface::Log),
        ("label", Surface::Label),
        ("strip", Surface::Strip),
        ("block", Surface::Block),
    ];
    const DEFINITIONS: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("quarantine", Surface::Quarantine)];
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
    fields.finish(&[]);
    Some(Injection { requests, results, definitions, model, forms, terminal })
}
