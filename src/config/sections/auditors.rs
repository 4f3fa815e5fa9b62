//! `admin.auditors:`, who may search the records of one tenant.

use super::Context;
use crate::config::{Audit, Auditor};
use crate::policy::tenant;
use crate::secrets::{Form, Live};
use crate::yaml::{Fields, Node, Place, Report, name};

/// As long as the token of the operators.
const TOKEN: Form = Form::Token { least: 32 };

/// An auditor that was read, for the check that the next one is another.
pub(super) struct Earlier {
    name: Option<String>,
    token: Option<(Place, Live)>,
}

pub(super) fn auditor(node: &Node, context: &Context<'_>, earlier: &mut Vec<Earlier>, report: &mut Report) -> Option<Auditor> {
    let mut fields = Fields::of(node, "admin.auditors", report)?;
    let name = fields.required("name", name);
    let tenant = fields.required("tenant", |node, report| tenant(node, &context.known, report));
    let token = fields.required("token", context.secret(TOKEN, "this token has fewer than 32 characters"));
    let place = fields.place("token");
    if let Some(name) = name.as_ref().filter(|name| earlier.iter().any(|earlier| earlier.name.as_ref() == Some(name))) {
        let place = fields.place("name");
        fields
            .report()
            .error(place, format!("two auditors are called `{name}`"))
            .hint("records say by this name who has searched; give each their own");
    }
    // SECURITY: who has both views by one token is told apart by nobody, in no record.
    let same = earlier.iter().filter_map(|earlier| earlier.token.as_ref());
    if let Some((other, _)) = token.as_ref().and_then(|token| same.into_iter().find(|(_, earlier)| are_equal(earlier, token))) {
        let other = fields.report().locate(*other);
        fields
            .report()
            .error(place, "two auditors have one token")
            .hint(format!("the other is at {other}; make one for each, such as `openssl rand -hex 32`"));
    }
    fields.finish(&[]);
    earlier.push(Earlier { name: name.clone(), token: token.clone().map(|token| (place, token)) });
    let (name, tenant, token) = (name?, tenant?, token?);
    let issuers = match tenant.issuer {
        Some(issuer) => vec![issuer],
        // SECURITY: named, and not whoever stands in the log: there may be records of an issuer that is not trusted any more.
        None => context.known.issuers.iter().cloned().chain(["api-key", "mtls"].map(str::to_owned)).collect(),
    };
    Some(Auditor { name, issuers, tenant: tenant.name, token })
}

/// Of tokens that are read when the gateway serves, the gateway finds out.
fn are_equal(one: &Live, other: &Live) -> bool {
    if one.source().is_some() && one.source() == other.source() {
        return true;
    }
    let (one, other) = (one.peek(), other.peek());
    one.as_ref().zip(other.as_ref()).is_some_and(|(one, other)| one.secret.expose() == other.secret.expose())
}

/// An auditor can do one thing, and without an index that is nothing.
pub(super) fn check_index(root: &Node, auditors: &[Auditor], audit: Option<&Audit>, report: &mut Report) {
    let auditors_place = root.get("admin").and_then(|admin| admin.get("auditors")).map(|node| node.place);
    if let Some(place) = auditors_place.filter(|_| !auditors.is_empty() && audit.is_some_and(|audit| !audit.index)) {
        report.warning(place, "auditors search the index of the log, and none is kept").hint("write `audit: { index: true }`");
    }
}
