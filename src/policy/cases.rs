//! `tests:`, accesses and what is to become of them.

use std::net::IpAddr;

use jiff::Timestamp;

use super::Origin;
use super::bindings::issuer;
use super::document::Known;
use super::patterns::exact;
use super::sections::Placed;
use crate::yaml::{Entry, Fields, Invalid, Node, Report, Value, choice, entries, parsed, scalar, to_json};

/// An access, and what is to become of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// Who asks.
    pub caller: CaseCaller,
    /// What.
    pub asks: Asks,
    /// With which arguments, as JSON; `None` if nobody has given any.
    pub arguments: Option<String>,
    /// When; `None` for the moment of the test.
    pub at: Option<Timestamp>,
    /// From where.
    pub peer: Option<IpAddr>,
    /// What is expected.
    pub expect: Expectation,
    /// Where it is written.
    pub origin: Origin,
}

/// The caller of a test.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CaseCaller {
    /// The issuer's name.
    pub issuer: String,
    /// What it calls them.
    pub subject: String,
    /// Their client.
    pub client: Option<String>,
    /// Their groups.
    pub groups: Vec<String>,
    /// Roles that their token claims.
    pub claimed_roles: Vec<String>,
    /// Their tenant.
    pub tenant: Option<String>,
    /// Their region; `None`: the one that yett.yaml gives their issuer, if it does.
    pub region: Option<String>,
    /// Their attributes.
    pub attributes: Vec<(String, String)>,
    /// The scopes of their token; `None` for a credential that is no token.
    pub scopes: Option<Vec<String>>,
}

/// What a test asks: of which server, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asks {
    /// A tool is called.
    Call((String, String)),
    /// A prompt is got.
    Get((String, String)),
    /// An extension's method.
    Method((String, String)),
    /// A resource is read.
    Read((String, String)),
}

/// What a test expects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// The effect.
    pub effect: Effect,
    /// The name of the role or rule that decides, if that is expected too.
    pub rule: Option<String>,
}

/// What becomes of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// It passes.
    Allow,
    /// It is refused.
    Deny,
    /// That depends on its arguments, which nobody has given.
    Depends,
}

impl Effect {
    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Depends => "depends",
        }
    }
}

const EFFECTS: &[(&str, Effect)] = &[("allow", Effect::Allow), ("deny", Effect::Deny), ("depends", Effect::Depends)];

/// What a test can ask, one of them.
const ASKS: [&str; 4] = ["call", "read", "get", "method"];

pub(super) fn case(node: &Node, known: &Known, report: &mut Report) -> Option<Placed<Case>> {
    let mut fields = Fields::of(node, "tests[]", report)?;
    let name = fields.required("name", parsed(sentence));
    let place = fields.place("name");
    let caller = fields.required("as", |node, report| caller(node, known, report));
    let asked = ASKS.into_iter().filter(|key| fields.has(key)).count();
    let call = fields.optional("call", |node, report| target(node, "call", known, report));
    let read = fields.optional("read", |node, report| target(node, "read", known, report));
    let get = fields.optional("get", |node, report| target(node, "get", known, report));
    let method = fields.optional("method", |node, report| target(node, "method", known, report));
    if asked != 1 {
        let message = if asked == 0 { "this test asks for nothing" } else { "this test asks for more than one thing" };
        fields.report().error(place, message).hint("give it one of `call`, `read`, `get` or `method`");
    }
    let asks = call.map(Asks::Call).or(read.map(Asks::Read)).or(get.map(Asks::Get)).or(method.map(Asks::Method));
    let arguments = fields.optional("arguments", arguments);
    let at = fields.optional("at", parsed(moment));
    let peer = fields.optional("peer", parsed(address));
    let expect = fields.required("expect", expectation);
    fields.finish(&[]);
    let origin = Origin::at(place, report);
    let (caller, asks, expect) = (caller?, asks?, expect?);
    Some(Placed { value: Case { name: name?, caller, asks, arguments, at, peer, expect, origin }, place })
}

fn caller(node: &Node, known: &Known, report: &mut Report) -> Option<CaseCaller> {
    let mut fields = Fields::of(node, "tests[].as", report)?;
    let issuer = fields.optional("issuer", |node, report| issuer(node, known, report));
    if issuer.is_none() && !fields.has("issuer") && known.issuers.len() != 1 {
        let place = fields.place("");
        fields.report().error(place, "this caller has no issuer").hint("`issuer` is required unless there is exactly one");
    }
    let subject = fields.optional("subject", parsed(exact));
    let client = fields.optional("client", parsed(exact));
    let groups = fields.list_or_empty("groups", parsed(exact));
    let claimed_roles = fields.list_or_empty("claimed_roles", parsed(exact));
    let tenant = fields.optional("tenant", parsed(exact));
    let region = fields.optional("region", parsed(exact));
    let attributes = fields.optional("attributes", |node, report| attributes(node, known, report)).unwrap_or_default();
    let scopes = fields.optional("scopes", |node, report| Some(texts(node, report)));
    fields.finish(&[]);
    let issuer = issuer.or_else(|| known.issuers.first().cloned())?;
    let region = region.or_else(|| known.region_of(&issuer));
    Some(CaseCaller {
        issuer,
        subject: subject.unwrap_or_else(|| "test".to_owned()),
        client,
        groups,
        claimed_roles,
        tenant,
        region,
        attributes,
        scopes,
    })
}

fn attributes(node: &Node, known: &Known, report: &mut Report) -> Option<Vec<(String, String)>> {
    let mut found = Vec::new();
    for Entry { key, value } in entries(node, report)? {
        if !known.attributes.contains(&key.text) {
            report
                .error(key.place, format!("no issuer gives its callers an attribute `{}`", key.text))
                .hint("name it in `identity.issuers[].claims.attributes` in yett.yaml");
        }
        found.push((key.text.clone(), scalar(value, report)?.text.to_string()));
    }
    Some(found)
}

fn texts(node: &Node, report: &mut Report) -> Vec<String> {
    match &node.value {
        Value::Sequence(nodes) => {
            nodes.iter().filter_map(|node| scalar(node, report).map(|scalar| scalar.text.to_string())).collect()
        }
        Value::Mapping(_) | Value::Refused | Value::Scalar(_) => {
            report.error(node.place, format!("expected a list, found {}", node.kind()));
            Vec::new()
        }
    }
}

/// `crm/search`, `crm file:///reports/q1`, `crm vendor/ping`: a server and what is asked of it.
fn target(node: &Node, key: &str, known: &Known, report: &mut Report) -> Option<(String, String)> {
    let written = scalar(node, report)?;
    let separator = if key == "call" || key == "get" { '/' } else { ' ' };
    let Some((named, asked)) = written.text.split_once(separator).filter(|(_, asked)| !asked.is_empty()) else {
        let example = match key {
            "call" => "crm/search",
            "get" => "crm/summary",
            "read" => "crm file:///reports/q1.txt",
            _ => "crm vendor/ping",
        };
        report
            .error(node.place, format!("{} does not say of which server", written.shown()))
            .hint(format!("write the server before it: `{key}: {example}`"));
        return None;
    };
    if !known.servers.iter().any(|server| server == named) {
        let place = node.place;
        let unknown = crate::yaml::closest(named, known.servers.iter().map(String::as_str));
        let hint =
            unknown.map_or_else(|| "name one of `servers` in yett.yaml".to_owned(), |meant| format!("did you mean `{meant}`?"));
        report.error(place, format!("no server is called `{named}`")).hint(hint);
        return None;
    }
    Some((named.to_owned(), asked.to_owned()))
}

fn arguments(node: &Node, report: &mut Report) -> Option<String> {
    entries(node, report)?;
    to_json(node)
}

fn expectation(node: &Node, report: &mut Report) -> Option<Expectation> {
    if matches!(node.value, Value::Scalar(_)) {
        return choice(EFFECTS, &[])(node, report).map(|effect| Expectation { effect, rule: None });
    }
    let mut fields = Fields::of(node, "tests[].expect", report)?;
    let effect = fields.required("effect", choice(EFFECTS, &[]));
    let rule = fields.optional("rule", parsed(sentence));
    fields.finish(&[]);
    Some(Expectation { effect: effect?, rule })
}

fn sentence(text: &str) -> Result<String, Invalid> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(Invalid::new("is no name", "write one line of text"));
    }
    Ok(text.to_owned())
}

fn moment(text: &str) -> Result<Timestamp, Invalid> {
    text.parse().map_err(|_error| Invalid::new("is not a moment", "write it with its offset: `2026-11-21T20:00:00+01:00`"))
}

fn address(text: &str) -> Result<IpAddr, Invalid> {
    text.parse().map_err(|_error| Invalid::new("is not an IP address", "write one such as `192.0.2.7`"))
}
