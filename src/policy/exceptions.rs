//! `exceptions:`, findings that somebody has looked at and does not want acted on.

use jiff::civil::Date;

use super::document::Known;
use super::patterns::tool;
use super::sections::{Gathered, Placed, server};
use crate::yaml::{Fields, Node, Report, choice, closest, parsed, text};

/// What `exceptions[].on` may name.
const ON: &[(&str, On)] = &[("request", On::Request), ("response", On::Response), ("definition", On::Definition)];

/// Where a finding stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// In what a caller sends.
    Request,
    /// In what a server answers.
    Response,
    /// In what a server says of its tools, prompts and resources, and of itself.
    Definition,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// A rule of the injection scan, a detector, a kind of detectors, or a `dlp` rule with words or a pattern of its own.
    pub finding: String,
    /// On these servers.
    pub servers: Vec<String>,
    /// In calls of these tools, globs, or in their definitions; empty means everywhere.
    pub tools: Vec<String>,
    /// Where it stands; empty means wherever it does.
    pub on: Vec<On>,
    /// Why.
    pub reason: String,
    /// Who answers for it.
    pub owner: String,
    /// The last day, in UTC.
    pub until: Date,
}

/// One entry. Whether anything finds what it names is known when all files are read ([`check`]).
pub(super) fn exception(node: &Node, known: &Known, report: &mut Report) -> Option<Placed<Exception>> {
    let mut fields = Fields::of(node, "exceptions[]", report)?;
    let finding = fields.required("finding", text);
    let servers = fields.required_list("servers", |node, report| server(node, false, known, report));
    let tools = fields.list("tools", parsed(tool));
    let on = fields.list("on", choice(ON, &[]));
    let reason = fields.required("reason", text);
    let owner = fields.required("owner", text);
    let until = fields.required("until", date);
    let place = fields.place("finding");
    let until_place = fields.place("until");
    if let (Some(until), Some(today)) = (until, known.today)
        && until < today
    {
        let found =
            fields.report().warning(until_place, format!("this exception ended on {until}: what it excused is acted on again"));
        found.hint("remove it, or look at the finding again and move the date");
    }
    fields.finish(&[]);
    let value = Exception { finding: finding?, servers, tools, on, reason: reason?, owner: owner?, until: until? };
    Some(Placed { value, place })
}

fn date(node: &Node, report: &mut Report) -> Option<Date> {
    let written = text(node, report)?;
    let date = written.parse::<Date>().ok().filter(|_| written.len() == "2027-01-31".len());
    if date.is_none() {
        report.error(node.place, format!("`{written}` is no date")).hint("write the last day as `2027-01-31`");
    }
    date
}

/// Reports what excuses something that is never found.
pub(super) fn check(gathered: &Gathered, report: &mut Report) {
    if gathered.exceptions.is_empty() {
        // The detectors are read when somebody asks for them: every command reads policies, and few need more.
        return;
    }
    let Ok(catalogue) = gathered.detectors.catalogue() else { return };
    let own = || gathered.dlp_rules.iter().filter(|rule| rule.value.own.is_some()).map(|rule| rule.value.name.as_str());
    for exception in &gathered.exceptions {
        let finding = exception.value.finding.as_str();
        if ["pii", "secrets"].contains(&finding) {
            let found = report.error(exception.place, format!("`{finding}` is a whole class of detectors"));
            found.hint("an exception is about one finding: name the detector, as the record does");
            continue;
        }
        let is_detector = catalogue.named(finding).is_some() || gathered.detectors.may_have(finding);
        let is_rule = gathered.rules_of_scan.may_have(finding) || gathered.rules_of_scan.ids().any(|id| id == finding);
        if is_detector || is_rule || own().any(|name| name == finding) {
            continue;
        }
        let known: Vec<&str> =
            catalogue.names().chain(own()).chain(gathered.rules_of_scan.ids().map(|id| -> &str { id })).collect();
        let hint = match closest(finding, known) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "name what the record of the finding names: `rule` of layer `inj`, `by` or `kind` of layer `dlp`".to_owned(),
        };
        report.error(exception.place, format!("nothing finds `{finding}`")).hint(hint);
    }
}
