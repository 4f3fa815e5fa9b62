//! Names of hosts and mail domains, and patterns of them.

use crate::yaml::Invalid;

const NOT_A_HOST: Invalid = Invalid::new(
    "is not a name of a host",
    "write `api.example.com`, or `*.example.com` for every host below it: lower case, no scheme, no port, no path",
);

/// One host, or every host below a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostPattern {
    /// The name behind `*.`, or the whole name.
    name: String,
    below: bool,
}

impl HostPattern {
    /// A pattern as an operator writes it.
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let (name, below) = match text.strip_prefix("*.") {
            Some(name) => (name, true),
            None => (text, false),
        };
        let literal = !below && is_ip_literal(name);
        // `*.com` would be everybody.
        if literal || (is_host_name(name) && (!below || name.contains('.'))) {
            return Ok(Self { name: name.to_owned(), below });
        }
        Err(NOT_A_HOST)
    }

    /// The same for the domain of a mail address, which is no IP address.
    pub(super) fn parse_domain(text: &str) -> Result<Self, Invalid> {
        Self::parse(text).ok().filter(|pattern| is_host_name(&pattern.name)).ok_or(Invalid::new(
            "is not a mail domain",
            "write `example.com`, or `*.example.com` for every domain below it, in lower case",
        ))
    }

    /// Whether a host, in lower case and well formed, is meant.
    pub(crate) fn matches(&self, host: &str) -> bool {
        if !self.below {
            return host == self.name;
        }
        // The rest begins at a border of labels, and there is one at least.
        host.strip_suffix(&self.name).and_then(|rest| rest.strip_suffix('.')).is_some_and(|rest| !rest.is_empty())
    }

    /// As it was written.
    pub(super) fn shown(&self) -> String {
        if self.below { format!("*.{}", self.name) } else { self.name.clone() }
    }
}

/// Letters, digits and hyphens in labels, lower case, and a last label that no reader takes for a part of an IP address.
pub(crate) fn is_host_name(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // `1.2.3`, `0x7f.1` and `2130706433` are addresses to many resolvers.
    let last = text.rsplit('.').next().unwrap_or_default();
    text.len() <= 253 && text.split('.').all(label) && last.starts_with(|c: char| c.is_ascii_lowercase())
}

/// An IP address in the one spelling that every reader agrees on.
fn is_ip_literal(text: &str) -> bool {
    if let Some(v6) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return v6.parse::<std::net::Ipv6Addr>().is_ok_and(|address| address.to_string() == v6);
    }
    text.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.to_string() == text)
}

/// A host of a URL: a name, or an address in its one spelling.
pub(crate) fn is_host(text: &str) -> bool {
    is_host_name(text) || is_ip_literal(text)
}
