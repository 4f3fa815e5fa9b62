//! Findings that an operator does not want acted on. Pure.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Glob;
use crate::policy::{Exception, On};

/// `exceptions:` of a policy, compiled.
#[derive(Debug, Default)]
pub(crate) struct Exceptions(Vec<Entry>);

#[derive(Debug)]
struct Entry {
    finding: Box<str>,
    servers: Vec<String>,
    tools: Vec<Glob>,
    on: Vec<On>,
    until: Date,
}

/// What is excused in one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Excused<'e>(Vec<&'e str>);

impl Exceptions {
    /// Of a policy.
    pub(crate) fn new(exceptions: &[Exception]) -> Self {
        let entry = |exception: &Exception| Entry {
            finding: exception.finding.as_str().into(),
            servers: exception.servers.clone(),
            tools: exception.tools.iter().map(|tool| Glob::new(tool)).collect(),
            on: exception.on.clone(),
            until: exception.until,
        };
        Self(exceptions.iter().map(entry).collect())
    }

    /// What is excused there and then. Where there is no tool, entries that name some are for nothing.
    pub(crate) fn at(&self, server: &str, tool: Option<&str>, on: On, now: Timestamp) -> Excused<'_> {
        if self.0.is_empty() {
            return Excused::default();
        }
        let today = now.to_zoned(TimeZone::UTC).date();
        let holds = |entry: &&Entry| {
            entry.until >= today
                && entry.servers.iter().any(|name| name == server)
                && (entry.on.is_empty() || entry.on.contains(&on))
                && (entry.tools.is_empty() || tool.is_some_and(|tool| entry.tools.iter().any(|glob| glob.matches(tool))))
        };
        Excused(self.0.iter().filter(holds).map(|entry| &*entry.finding).collect())
    }
}

impl Excused<'_> {
    /// Whether a finding with one of these names is.
    pub(crate) fn covers(&self, names: &[&str]) -> bool {
        self.0.iter().any(|excused| names.contains(excused))
    }

    /// Whether nothing is.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_holds_for_its_servers_tools_and_side_until_the_end_of_its_last_day() {
        let exception = Exception {
            finding: "model".to_owned(),
            servers: vec!["docs".to_owned()],
            tools: vec!["search*".to_owned()],
            on: vec![On::Response],
            reason: "quotes".to_owned(),
            owner: "sec".to_owned(),
            until: "2027-01-31".parse().unwrap(),
        };
        let exceptions = Exceptions::new(&[exception]);
        let at = |server, tool, on, now: &str| exceptions.at(server, tool, on, now.parse().unwrap()).covers(&["x", "model"]);
        let (last, after) = ("2027-01-31T23:59:59Z", "2027-02-01T00:00:00Z");
        assert!(at("docs", Some("search_pages"), On::Response, last));
        assert!(!at("docs", Some("search_pages"), On::Response, after));
        assert!(!at("docs", Some("read"), On::Response, last));
        assert!(!at("docs", None, On::Response, last));
        assert!(!at("crm", Some("search_pages"), On::Response, last));
        assert!(!at("docs", Some("search_pages"), On::Request, last));
        assert!(!exceptions.at("docs", Some("search"), On::Response, last.parse().unwrap()).covers(&["other"]));
    }
}
