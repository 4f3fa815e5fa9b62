//! `bindings:`, who holds which role.

use super::document::Known;
use super::patterns::exact;
use super::roles::name_of_role;
use super::sections::{Gathered, Placed, Scope};
use super::{ANONYMOUS, Binding, Origin};
use crate::yaml::{Fields, Node, Report, closest, parsed, scalar};

pub(super) fn binding(
    node: &Node,
    scope: &Scope,
    known: &Known,
    gathered: &mut Gathered,
    report: &mut Report,
) -> Option<Placed<Binding>> {
    const KEYS: [&str; 6] = ["issuers", "subjects", "groups", "claimed_roles", "clients", "tenants"];

    let mut fields = Fields::of(node, "bindings[]", report)?;
    let role = fields.required("role", name_of_role);
    let issuers = fields.list("issuers", |node, report| issuer(node, known, report));
    let subjects = fields.list("subjects", parsed(exact));
    let groups = fields.list("groups", parsed(exact));
    let claimed_roles = fields.list("claimed_roles", parsed(exact));
    let clients = fields.list("clients", parsed(exact));
    let tenants = fields.list("tenants", parsed(exact));
    if !tenants.is_empty() && !tenants.iter().any(|tenant| scope.tenants.names(tenant)) {
        let place = fields.place("tenants");
        let found = fields.report().error(place, "this binding is for none of the tenants that its file is for");
        found.hint("name one of `tenants` of this file, or move the binding to another");
    }
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
    let origin = Origin::at(place, report);
    let within = scope.tenants.clone();
    let binding = Binding { role, issuers, subjects, groups, claimed_roles, clients, tenants, within, origin };
    Some(Placed { value: binding, place })
}

pub(super) fn issuer(node: &Node, known: &Known, report: &mut Report) -> Option<String> {
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
