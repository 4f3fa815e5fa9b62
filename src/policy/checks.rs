//! What can be judged only once all files are read: references between them, and what is weak in the whole.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::document::Known;
use super::sections::Gathered;
use super::{DlpAction, DlpRule, exceptions};
use crate::scan::{Class, MOST_DETECTORS, Row};
use crate::yaml::{Place, Report, closest};

/// Reports what is wrong or weak in all files together; `dir` names the folder where no file can be blamed.
pub(super) fn check(gathered: &Gathered, known: &Known, dir: &Path, report: &mut Report) {
    unknown_roles(gathered, report);
    cycles(gathered, report);
    restored_without_tokens(gathered, report);
    exceptions::check(gathered, report);
    too_many_detectors(gathered, report);
    if report.has_errors() {
        // What is missing may be what could not be read.
        return;
    }
    warn_of_idle_roles(gathered, report);
    warn_of_silence(gathered, dir, report);
    warn_of_passing_secrets(gathered, report);
    warn_of_values_that_come_back(gathered, report);
    warn_of_idle_detectors(gathered, report);
    if known.issuers.is_empty() {
        warn_of_claims_without_issuer(gathered, report);
    }
}

fn unknown_roles(gathered: &Gathered, report: &mut Report) {
    let names: HashSet<&str> = gathered.roles.iter().map(|role| role.value.name.as_str()).collect();
    for reference in gathered.role_references.iter().chain(&gathered.restoring_roles) {
        if !names.contains(reference.value.as_str()) {
            let meant = closest(&reference.value, gathered.roles.iter().map(|role| role.value.name.as_str()));
            let hint = meant.map_or_else(|| "define it under `roles`".to_owned(), |meant| format!("did you mean `{meant}`?"));
            report.error(reference.place, format!("no role is called `{}`", reference.value)).hint(hint);
        }
    }
}

/// A role that inherits from itself, over however many steps. Each cycle is reported once, at its first role in the files.
fn cycles(gathered: &Gathered, report: &mut Report) {
    let inherits: HashMap<&str, &[String]> =
        gathered.roles.iter().map(|role| (role.value.name.as_str(), role.value.inherits.as_slice())).collect();
    let mut clean: HashSet<&str> = HashSet::new();
    for role in &gathered.roles {
        // Depth first, with the way here: each entry of the stack is a role and how many of its parents were followed.
        let mut way: Vec<(&str, usize)> = vec![(role.value.name.as_str(), 0)];
        while let Some((name, followed)) = way.last_mut() {
            let next = if clean.contains(*name) { None } else { inherits.get(*name).and_then(|parents| parents.get(*followed)) };
            *followed += 1;
            let Some(parent) = next else {
                clean.insert(name);
                way.pop();
                continue;
            };
            match way.iter().position(|(on_way, _)| on_way == parent) {
                None => way.push((parent.as_str(), 0)),
                Some(start) => {
                    let steps: Vec<&str> = way.iter().skip(start).map(|(name, _)| *name).chain([parent.as_str()]).collect();
                    report
                        .error(role_place(gathered, parent).unwrap_or(role.place), "this role inherits from itself")
                        .hint(steps.iter().take(8).map(|step| format!("`{step}`")).collect::<Vec<_>>().join(" -> "));
                }
            }
        }
    }
}

fn role_place(gathered: &Gathered, name: &str) -> Option<Place> {
    gathered.roles.iter().find(|role| role.value.name == name).map(|role| role.place)
}

fn warn_of_idle_roles(gathered: &Gathered, report: &mut Report) {
    let used: HashSet<&str> = gathered.role_references.iter().map(|reference| reference.value.as_str()).collect();
    for role in &gathered.roles {
        if !gathered.bindings.is_empty() && !used.contains(role.value.name.as_str()) {
            report
                .warning(role.place, format!("nobody holds the role `{}`", role.value.name))
                .hint("add a binding, or remove it");
        }
    }
}

fn warn_of_silence(gathered: &Gathered, dir: &Path, report: &mut Report) {
    if let (true, Some(role)) = (gathered.bindings.is_empty(), gathered.roles.first()) {
        report.warning(role.place, "there are roles and no bindings: nobody may do anything").hint("add `bindings`");
    } else if gathered.roles.is_empty() && gathered.bindings.is_empty() {
        let folder = report.add_file(dir.display().to_string(), "");
        report
            .warning(Place::whole(folder), "the policies grant nothing: nobody may do anything")
            .hint("add `roles` and `bindings` to a `*.yaml` in this folder");
    }
}

/// Without `dlp:` secrets are looked for; a `dlp:` replaces that whole default, which is easily forgotten.
fn warn_of_passing_secrets(gathered: &Gathered, report: &mut Report) {
    let rules = gathered.dlp_rules.iter().map(|rule| &rule.value);
    let looks: Vec<_> = rules.filter(|rule| rule.detect.iter().any(|detector| detector == "secrets")).collect();
    let everywhere = looks.iter().any(|rule| rule.fields.is_empty());
    if let Some(place) = gathered.dlp.filter(|_| !everywhere) {
        let outside = if looks.is_empty() { "" } else { " outside of some fields" };
        report
            .warning(place, format!("no rule detects `secrets`{outside}: credentials pass"))
            .hint("add `{ name: credentials, detect: [secrets], action: block }`");
    }
}

/// What all rules look for has to fit into one scanner.
fn too_many_detectors(gathered: &Gathered, report: &mut Report) {
    let rules = || gathered.dlp_rules.iter().map(|rule| &rule.value);
    let own = rules().filter(|rule| rule.own.is_some()).count();
    let Some(place) = gathered.dlp.filter(|_| own > 0) else { return };
    let Ok(catalogue) = gathered.detectors.catalogue() else { return };
    let count = own + catalogue.count(rules().flat_map(|rule| &rule.detect).map(String::as_str));
    if count > MOST_DETECTORS {
        report
            .error(place, format!("`dlp` looks for {count} detectors, lists and patterns; {MOST_DETECTORS} are the most"))
            .hint("join lists of words, and patterns by `|`, where the same becomes of what they find");
    }
}

/// A file of detectors beside rules that name none of them.
fn warn_of_idle_detectors(gathered: &Gathered, report: &mut Report) {
    let rules = || gathered.dlp_rules.iter().flat_map(|rule| &rule.value.detect);
    let is_idle = |row: &Row| match gathered.dlp {
        Some(_) => !rules().any(|name| row.goes_by(name)),
        None => row.class() != Class::Secrets,
    };
    let mut idle: Vec<(&str, Place, usize)> = Vec::new();
    for (row, place) in gathered.detectors.new_rows().filter(|(row, _)| is_idle(row)) {
        match idle.last_mut().filter(|(_, first, _)| first.file == place.file) {
            Some((.., others)) => *others += 1,
            None => idle.push((&row.detector().id, place, 0)),
        }
    }
    for (id, place, others) in idle {
        let others = if others > 0 { format!(", and for {others} more of this file") } else { String::new() };
        report
            .warning(place, format!("no rule looks for `{id}`{others}"))
            .hint("name its id, its kind or its class in `detect` of a `dlp` rule");
    }
}

/// The rules that make tokens of a purpose.
fn makers<'g>(gathered: &'g Gathered, purpose: &'g str) -> impl Iterator<Item = &'g DlpRule> {
    let rules = gathered.dlp_rules.iter().map(|rule| &rule.value);
    rules.filter(move |rule| rule.action == DlpAction::Tokenize && rule.purpose == purpose)
}

/// Values restored for a purpose of which no rule makes tokens.
fn restored_without_tokens(gathered: &Gathered, report: &mut Report) {
    for restore in &gathered.restores {
        let purpose = &restore.value.purpose;
        if makers(gathered, purpose).next().is_some() {
            continue;
        }
        let rules = gathered.dlp_rules.iter().filter(|rule| rule.value.action == DlpAction::Tokenize);
        let hint = match closest(purpose, rules.map(|rule| rule.value.purpose.as_str())) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "add a rule with `action: tokenize` and this purpose".to_owned(),
        };
        report.error(restore.place, format!("no rule makes tokens of the purpose `{purpose}`")).hint(hint);
    }
}

/// What a server is given it may repeat.
fn warn_of_values_that_come_back(gathered: &Gathered, report: &mut Report) {
    for restore in &gathered.restores {
        let covers = |rule: &DlpRule, server: &String| {
            rule.responses && !rule.shadow && rule.fields.is_empty() && (rule.servers.is_empty() || rule.servers.contains(server))
        };
        let open = restore
            .value
            .servers
            .iter()
            .find(|server| !makers(gathered, &restore.value.purpose).any(|rule| covers(rule, server)));
        if let Some(server) = open {
            report
                .warning(
                    restore.place,
                    format!("what is restored for `{server}` can be read back from it in the clear by later calls"),
                )
                .hint("let a rule of this purpose hold for its responses as well");
        }
    }
}

fn warn_of_claims_without_issuer(gathered: &Gathered, report: &mut Report) {
    for binding in gathered.bindings.iter().filter(|binding| !binding.value.claimed_roles.is_empty()) {
        report
            .warning(binding.place, "this binding never applies: `claimed_roles` come from tokens, and there is no issuer")
            .hint("add an issuer to `identity.issuers`");
    }
}
