//! Conditions and what they say of calls.

mod properties;
mod tables;

use bytes::Bytes;

use super::{AccessFacts, Arguments, Caller, Facts, Outcome, ServerFacts};
use crate::policy::Known;
use crate::policy::condition::Condition;
use crate::protocol::json::{Document, Limits};
use crate::yaml::{Report, read};

fn known() -> Known {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    Known {
        servers: names(&["crm", "mail"]),
        issuers: names(&["corp"]),
        attributes: names(&["department", "clearance"]),
        ..Known::default()
    }
}

fn try_condition(text: &str) -> Result<Condition, String> {
    // As a text in double quotes, which can hold any other.
    let quoted = serde_json::to_string(text).unwrap();
    let mut report = Report::new();
    let tree = read("rules.yaml", format!("when: {quoted}\n").as_bytes(), &mut report);
    let condition = tree.and_then(|tree| Condition::read(tree.get("when").unwrap(), &known(), &mut report));
    condition.ok_or_else(|| report.to_string())
}

fn condition(text: &str) -> Condition {
    try_condition(text).unwrap_or_else(|report| panic!("{text}\n{report}"))
}

fn document(json: &str) -> Document {
    Document::parse(Bytes::copy_from_slice(json.as_bytes()), Limits::default()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// A caller with attributes, a call that writes, Monday morning.
fn with_facts<T>(arguments: Arguments<'_>, now: &str, then: impl FnOnce(Facts<'_>) -> T) -> T {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let (groups, scopes) = (owned(&["sales", "emea"]), owned(&["crm.read"]));
    then(Facts {
        principal: Caller {
            issuer: "corp",
            subject: "ada",
            authn: "jwt",
            client: Some("desktop"),
            tenant: Some("acme"),
            region: Some("eu"),
            groups: &groups,
            claimed_roles: &[],
            scopes: Some(&scopes),
            attributes: &[("department".to_owned(), "sales".to_owned())],
            servers: None,
        },
        roles: &["analyst", "support"],
        access: AccessFacts {
            method: "tools/call",
            operation: "write",
            tool: Some("update_ticket"),
            prompt: None,
            resource: None,
        },
        server: ServerFacts { name: "crm", owner: None, purpose: Some("tickets"), region: None, classification: "internal" },
        arguments,
        now: now.parse().unwrap(),
        peer: Some("::ffff:10.1.2.3".parse().unwrap()),
    })
}

const MONDAY: &str = "2026-11-23T09:30:15.250Z";

fn outcome(text: &str, arguments: &str) -> Outcome {
    let document = document(arguments);
    with_facts(Arguments::Known(Some(document.root())), MONDAY, |facts| condition(text).holds(&facts))
}
