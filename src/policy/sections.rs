//! One policy file: from the tree to the types of [`crate::policy`], each with its place for the checks across files.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};

use super::alerts::{AlertRule, alert};
use super::bindings::binding;
use super::cases::case;
use super::dlp::dlp;
use super::document::Known;
use super::exceptions::{Exception, exception};
use super::injection::{InjectionFor, injection};
use super::limits::limit;
use super::results::{ResultLimit, result_limit};
use super::roles::role;
use super::rules::rule;
use super::{ANONYMOUS, Binding, Case, Classification, DlpRule, Injection, Limit, Restore, Role, Rule, Tenants, Unread, tenants};
use crate::scan::Additions;
use crate::scan::injection::RuleAdditions;
use crate::yaml::{Fields, Later, Node, Place, Report, choice, closest, entries, later, scalar, version};

const LATER: &[Later] = &[later("approvals"), later("flows")];
/// `mode:`; whether it is shadow.
pub(super) const MODES: &[(&str, bool)] = &[("enforce", false), ("shadow", true)];

/// Lists of words that lie beside the policies, by name.
pub(super) type Lists = BTreeMap<String, String>;

/// All files so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// Read before anything that names them.
    pub(super) lists: Lists,
    /// Likewise.
    pub(super) detectors: Additions,
    /// Likewise.
    pub(super) rules_of_scan: RuleAdditions,
    pub(super) taken: Taken,
    pub(super) roles: Vec<Placed<Role>>,
    pub(super) bindings: Vec<Placed<Binding>>,
    pub(super) rules: Vec<Placed<Rule>>,
    pub(super) cases: Vec<Placed<Case>>,
    pub(super) limits: Vec<Placed<Limit>>,
    pub(super) results: Vec<Placed<ResultLimit>>,
    /// The first `dlp:`.
    pub(super) dlp: Option<Place>,
    pub(super) clearance: Option<Placed<Clearance>>,
    pub(super) dlp_rules: Vec<Placed<DlpRule>>,
    pub(super) restores: Vec<Placed<Restore>>,
    pub(super) unread: Option<Placed<Unread>>,
    /// Every role for which values are restored, or whose calls are limited: not a use of it, since it gives nobody the role.
    pub(super) restoring_roles: Vec<Placed<String>>,
    pub(super) injection: Option<Placed<Injection>>,
    pub(super) injection_for: Vec<InjectionFor>,
    pub(super) injection_shadow: Vec<String>,
    pub(super) alerts: Vec<Placed<AlertRule>>,
    pub(super) exceptions: Vec<Placed<Exception>>,
    /// Every role that something refers to, and where.
    pub(super) role_references: Vec<Placed<String>>,
}

impl Gathered {
    /// Gives callers without a credential what `yett.yaml` says they have.
    pub(super) fn bind_anonymous(&mut self, known: &Known) {
        for (role, place) in &known.anonymous {
            let binding = Binding { role: role.clone(), issuers: vec![ANONYMOUS.to_owned()], ..Binding::default() };
            self.role_references.push(Placed { value: role.clone(), place: *place });
            self.bindings.push(Placed { value: binding, place: *place });
        }
    }
}

/// What holds for everything in one file.
#[derive(Debug)]
pub(super) struct Scope {
    /// It decides and records, but lets through.
    pub(super) shadow: bool,
    /// Whom it is for.
    pub(super) tenants: Tenants,
}

/// A value and where its name stands.
#[derive(Debug)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// `dlp.clearance:`
#[derive(Debug)]
pub(super) struct Clearance {
    pub(super) default: Classification,
    pub(super) attribute: Option<String>,
}

/// Adds one file to `gathered`.
pub(super) fn file(node: &Node, known: &Known, gathered: &mut Gathered, report: &mut Report) {
    let Some(mut fields) = Fields::of(node, "", report) else {
        return;
    };
    if fields.required("version", version).is_none() && fields.has("version") {
        // Another version has other keys: every further message would be a guess.
        return;
    }
    let shadow = fields.optional("mode", choice(MODES, &[])).unwrap_or(false);
    if shadow {
        refuse_shadow(&mut fields);
    }
    let scope = Scope { shadow, tenants: tenants(&mut fields, known).unwrap_or_default() };
    if fields.has("tenants") {
        refuse_for_tenants(&mut fields);
    }
    fields.optional("roles", |node, report| {
        entries(node, report)?.iter().for_each(|entry| role(entry, known, gathered, report));
        Some(())
    });
    let bindings = fields.list("bindings", |node, report| binding(node, &scope, known, gathered, report));
    gathered.bindings.extend(bindings);
    fields.list("rules", |node, report| {
        let rule = rule(node, &scope, known, report)?;
        unique(&mut gathered.rules, &mut gathered.taken, rule, |rule| &rule.name, "rule", report);
        Some(())
    });
    fields.list("tests", |node, report| {
        let case = case(node, known, report)?;
        unique(&mut gathered.cases, &mut gathered.taken, case, |case| &case.name, "test", report);
        Some(())
    });
    fields.list("limits", |node, report| {
        let limit = limit(node, &scope, known, gathered, report)?;
        unique(&mut gathered.limits, &mut gathered.taken, limit, |limit| &limit.name, "limit", report);
        Some(())
    });
    fields.list("results", |node, report| {
        let limit = result_limit(node, &scope, known, report)?;
        unique(&mut gathered.results, &mut gathered.taken, limit, |limit| &limit.name, "result limit", report);
        Some(())
    });
    fields.optional("dlp", |node, report| dlp(node, shadow, known, gathered, report));
    fields.optional("injection", |node, report| {
        let injection = injection(node, known, gathered, report)?;
        single(&mut gathered.injection, injection, node.place, "injection", report);
        Some(())
    });
    fields.list("alerts", |node, report| {
        let alert = alert(node, &scope, known, report)?;
        unique(&mut gathered.alerts, &mut gathered.taken, alert, |alert| &alert.name, "alert", report);
        Some(())
    });
    let exceptions = fields.list("exceptions", |node, report| exception(node, known, report));
    gathered.exceptions.extend(exceptions);
    fields.finish(LATER);
}

fn refuse_shadow(fields: &mut Fields<'_, '_>) {
    for key in ["roles", "bindings", "injection"] {
        if fields.has(key) {
            let place = fields.place("mode");
            fields
                .report()
                .error(place, format!("`mode: shadow` is not enforced for `{key}` by this build yet"))
                .hint(format!("move `{key}` to another file; `rules`, `dlp` rules and `limits` can be in shadow"))
                .note("see docs/configuration.md, \"Not enforced yet\"");
        }
    }
}

/// What is one for all callers is not for some of them.
fn refuse_for_tenants(fields: &mut Fields<'_, '_>) {
    for key in ["dlp", "injection"] {
        if fields.has(key) {
            let place = fields.place(key);
            let found = fields.report().error(place, format!("`{key}` is for everybody, and this file is for some tenants"));
            found.hint(format!("move `{key}` to a file without `tenants`"));
        }
    }
}

pub(super) fn server(node: &Node, star: bool, known: &Known, report: &mut Report) -> Option<String> {
    let scalar = scalar(node, report)?;
    let written = scalar.text.as_str();
    if known.servers.iter().any(|server| server == written) || (star && written == "*") {
        return Some(written.to_owned());
    }
    let hint = match closest(written, known.servers.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if star => "name one of `servers` in yett.yaml, or `*`".to_owned(),
        None => "name one of `servers` in yett.yaml; without `servers` all are meant".to_owned(),
    };
    report.error(node.place, format!("no server is called {}", scalar.shown())).hint(hint);
    None
}

/// The names that are given, by what they are names of, and where.
pub(super) type Taken = HashMap<(&'static str, String), Place>;

/// Adds `new` unless its name is taken, in this file or in one before.
pub(super) fn unique<T>(
    list: &mut Vec<Placed<T>>,
    taken: &mut Taken,
    new: Placed<T>,
    name: impl Fn(&T) -> &String,
    what: &'static str,
    report: &mut Report,
) {
    match taken.entry((what, name(&new.value).clone())) {
        Entry::Occupied(earlier) => {
            let first = report.locate(*earlier.get());
            let found = report.error(new.place, format!("the {what} `{}` is given twice", name(&new.value)));
            found.hint(format!("first at {first}"));
        }
        Entry::Vacant(free) => {
            free.insert(new.place);
            list.push(new);
        }
    }
}

/// Sets what may stand in one file only.
pub(super) fn single<T>(slot: &mut Option<Placed<T>>, value: T, place: Place, what: &str, report: &mut Report) {
    if let Some(earlier) = slot {
        let first = report.locate(earlier.place);
        report.error(place, format!("`{what}` stands in two files")).hint(format!("first at {first}; keep one of them"));
        return;
    }
    *slot = Some(Placed { value, place });
}
