//! One policy file: from the tree to the types of [`crate::policy`], each with its place for the checks across files.

use std::time::Duration;

use super::dlp::dlp;
use super::document::Known;
use super::patterns::{exact, method, prompt, resource, scope, tool};
use super::{ANONYMOUS, Binding, Classification, DlpRule, Grant, Injection, RateLimit, Restore, Role, ServerRequest, Surface};
use crate::config::units::{Rate, rate};
use crate::yaml::{
    Entry, Fields, Later, Node, Place, Report, choice, closest, entries, key_name, later, later_because, name, number, parsed,
    scalar, version,
};

const LATER: &[Later] = &[later("rules"), later("approvals"), later("flows"), later("tests")];
const GRANT_LATER: &[Later] = &[later("arguments")];
const LIMIT_LATER: &[Later] = &[
    later_because("quota", "use `rate` and `burst`, or a newer release"),
    later("concurrency"),
    later("servers"),
    later("tools"),
    later("roles"),
];
/// `server_requests:`
const SERVER_REQUESTS: &[(&str, ServerRequest)] =
    &[("elicitation", ServerRequest::Elicitation), ("roots", ServerRequest::Roots), ("sampling", ServerRequest::Sampling)];

/// `mode:`; whether it is shadow.
pub(super) const MODES: &[(&str, bool)] = &[("enforce", false), ("shadow", true)];

/// All files so far.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) roles: Vec<Placed<Role>>,
    pub(super) bindings: Vec<Placed<Binding>>,
    pub(super) limits: Vec<Placed<RateLimit>>,
    /// The first `dlp:`.
    pub(super) dlp: Option<Place>,
    pub(super) clearance: Option<Placed<Clearance>>,
    pub(super) dlp_rules: Vec<Placed<DlpRule>>,
    pub(super) restores: Vec<Placed<Restore>>,
    /// Every role for which values are restored: not a use of it, since it gives nobody the role.
    pub(super) restoring_roles: Vec<Placed<String>>,
    pub(super) injection: Option<Placed<Injection>>,
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
    fields.optional("roles", |node, report| {
        entries(node, report)?.iter().for_each(|entry| role(entry, known, gathered, report));
        Some(())
    });
    let bindings = fields.list("bindings", |node, report| binding(node, known, gathered, report));
    gathered.bindings.extend(bindings);
    fields.list("limits", |node, report| {
        let limit = limit(node, report)?;
        unique(&mut gathered.limits, limit, |limit| &limit.name, "limit", report);
        Some(())
    });
    fields.optional("dlp", |node, report| dlp(node, shadow, known, gathered, report));
    fields.optional("injection", |node, report| {
        let injection = injection(node, report)?;
        single(&mut gathered.injection, injection, node.place, "injection", report);
        Some(())
    });
    fields.finish(LATER);
}

fn refuse_shadow(fields: &mut Fields<'_, '_>) {
    for key in ["roles", "bindings", "limits", "injection"] {
        if fields.has(key) {
            let place = fields.place("mode");
            fields
                .report()
                .error(place, format!("`mode: shadow` is not enforced for `{key}` by this build yet"))
                .hint(format!("move `{key}` to another file; `dlp` rules can be in shadow"))
                .note("see docs/configuration.md, \"Not enforced yet\"");
        }
    }
}

fn role(entry: &Entry, known: &Known, gathered: &mut Gathered, report: &mut Report) {
    let name = key_name(&entry.key, report);
    let Some(mut fields) = Fields::of(&entry.value, "roles.*", report) else {
        return;
    };
    let inherits = fields.list("inherits", |node, report| {
        let name = name_of_role(node, report)?;
        gathered.role_references.push(Placed { value: name.clone(), place: node.place });
        Some(name)
    });
    let allow = fields.list("allow", |node, report| grant(node, known, report));
    if !fields.has("inherits") && !fields.has("allow") {
        let place = entry.key.place;
        fields.report().warning(place, "this role grants nothing").hint("add `allow`");
    }
    fields.finish(&[]);
    if let Some(name) = name {
        let placed = Placed { value: Role { name, inherits, allow }, place: entry.key.place };
        unique(&mut gathered.roles, placed, |role| &role.name, "role", report);
    }
}

fn name_of_role(node: &Node, report: &mut Report) -> Option<String> {
    name(node, report)
}

fn grant(node: &Node, known: &Known, report: &mut Report) -> Option<Grant> {
    let mut fields = Fields::of(node, "roles.*.allow[]", report)?;
    let servers = fields.required_list("servers", |node, report| server(node, true, known, report));
    let tools = fields.list("tools", parsed(tool));
    let prompts = fields.list("prompts", parsed(prompt));
    let resources = fields.list("resources", parsed(resource));
    let methods = fields.list("methods", parsed(method));
    let server_requests = fields.list("server_requests", choice(SERVER_REQUESTS, &[]));
    let scopes = fields.list("scopes", parsed(scope));
    if servers.iter().any(|server| server == "*") && tools.iter().any(|tool| matches!(tool.as_str(), "*" | "**")) {
        let place = fields.place("tools");
        fields
            .report()
            .warning(place, "this role may call every tool of every server, also those added later")
            .hint("name the servers or the tools");
    }
    fields.finish(GRANT_LATER);
    Some(Grant { servers, tools, prompts, resources, methods, server_requests, scopes })
}

fn binding(node: &Node, known: &Known, gathered: &mut Gathered, report: &mut Report) -> Option<Placed<Binding>> {
    const KEYS: [&str; 6] = ["issuers", "subjects", "groups", "claimed_roles", "clients", "tenants"];

    let mut fields = Fields::of(node, "bindings[]", report)?;
    let role = fields.required("role", name_of_role);
    let issuers = fields.list("issuers", |node, report| issuer(node, known, report));
    let subjects = fields.list("subjects", parsed(exact));
    let groups = fields.list("groups", parsed(exact));
    let claimed_roles = fields.list("claimed_roles", parsed(exact));
    let clients = fields.list("clients", parsed(exact));
    let tenants = fields.list("tenants", parsed(exact));
    if !KEYS.iter().any(|key| fields.has(key)) {
        fields
            .report()
            .error(node.place, "this binding says nothing about the caller")
            .hint(format!("add at least one of {}", KEYS.join(", ")));
    } else if known.issuers.len() > 1 && !fields.has("issuers") {
        // Two issuers may both know a group `admins`, and mean different people.
        fields
            .report()
            .error(node.place, "this binding does not say whose callers it means")
            .hint("`issuers` is required once there are two");
    }
    let place = fields.place("role");
    fields.finish(&[]);
    let role = role?;
    gathered.role_references.push(Placed { value: role.clone(), place });
    Some(Placed { value: Binding { role, issuers, subjects, groups, claimed_roles, clients, tenants }, place })
}

fn issuer(node: &Node, known: &Known, report: &mut Report) -> Option<String> {
    let scalar = scalar(node, report)?;
    let written = scalar.text.as_str();
    if known.issuers.iter().any(|issuer| issuer == written) || known.has(written) {
        return Some(written.to_owned());
    }
    if written == "mtls" {
        report
            .error(node.place, "nobody is known by certificate")
            .hint("say in `identity.mtls` what of a certificate is the subject");
        return None;
    }
    if written == ANONYMOUS && !known.anonymous.is_empty() {
        return Some(written.to_owned());
    }
    if written == ANONYMOUS {
        report
            .error(node.place, "nobody calls without a credential: yett.yaml has no `identity.anonymous`")
            .hint("name the role in `identity.anonymous.roles` there, or leave this binding out");
        return None;
    }
    let candidates =
        known.issuers.iter().map(String::as_str).chain(["api-key", "mtls"].into_iter().filter(|name| known.has(name)));
    let hint = match closest(written, candidates) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "name one of `identity.issuers`, or `api-key` where API keys are enabled".to_owned(),
    };
    report.error(node.place, format!("no issuer is called {}", scalar.shown())).hint(hint);
    None
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

fn limit(node: &Node, report: &mut Report) -> Option<Placed<RateLimit>> {
    let mut fields = Fields::of(node, "limits[]", report)?;
    let name = fields.required("name", name);
    fields.list("per", choice(&[("subject", ())], &["group", "client", "tenant", "issuer", "role", "server", "tool"]));
    let only_later = fields.has("quota") || fields.has("concurrency");
    let rate = if only_later { fields.optional("rate", parsed(rate)) } else { fields.required("rate", parsed(rate)) };
    let burst = fields.optional("burst", number(1..=u32::MAX));
    let place = fields.place("name");
    fields.finish(LIMIT_LATER);
    let rate = rate?;
    let value =
        RateLimit { name: name?, calls: rate.calls, period: rate.period, burst: burst.unwrap_or_else(|| default_burst(rate)) };
    Some(Placed { value, place })
}

/// Ten seconds' worth, and at least one.
fn default_burst(rate: Rate) -> u32 {
    const WORTH: Duration = Duration::from_secs(10);
    let calls = u128::from(rate.calls) * WORTH.as_millis() / rate.period.as_millis().max(1);
    u32::try_from(calls).unwrap_or(u32::MAX).max(1)
}

fn injection(node: &Node, report: &mut Report) -> Option<Injection> {
    const REQUESTS: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("block", Surface::Block)];
    const RESULTS: &[(&str, Surface)] = &[
        ("off", Surface::Off),
        ("log", Surface::Log),
        ("label", Surface::Label),
        ("strip", Surface::Strip),
        ("block", Surface::Block),
    ];
    const DEFINITIONS: &[(&str, Surface)] = &[("off", Surface::Off), ("log", Surface::Log), ("quarantine", Surface::Quarantine)];

    let mut fields = Fields::of(node, "injection", report)?;
    let requests = fields.optional("requests", choice(REQUESTS, &["label"])).unwrap_or(Surface::Log);
    let results = fields.optional("results", choice(RESULTS, &[])).unwrap_or(Surface::Label);
    let definitions = fields.optional("definitions", choice(DEFINITIONS, &[])).unwrap_or(Surface::Quarantine);
    for (key, surface) in [("requests", requests), ("results", results), ("definitions", definitions)] {
        if surface == Surface::Off {
            let place = fields.place(key);
            fields
                .report()
                .warning(place, format!("injection is not looked for in {key}"))
                .hint("`log` changes nothing for callers and leaves a record");
        }
    }
    fields.finish(&[]);
    Some(Injection { requests, results, definitions })
}

/// Adds `new` unless its name is taken, in this file or in one before.
pub(super) fn unique<T>(
    list: &mut Vec<Placed<T>>,
    new: Placed<T>,
    name: impl Fn(&T) -> &String,
    what: &str,
    report: &mut Report,
) {
    if let Some(earlier) = list.iter().find(|earlier| name(&earlier.value) == name(&new.value)) {
        let first = report.locate(earlier.place);
        report.error(new.place, format!("the {what} `{}` is given twice", name(&new.value))).hint(format!("first at {first}"));
        return;
    }
    list.push(new);
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
