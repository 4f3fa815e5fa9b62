//! What a kill switch stops, and how it is written.

/// What one switch stops.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Switch {
    /// Every call.
    All,
    /// Every call to this server.
    Server(String),
    /// Every call of one tool.
    Tool {
        /// The server that has it.
        server: String,
        /// As that server names it.
        tool: String,
    },
    /// Everything that one caller does.
    Principal {
        /// The configured name of who vouches for them; `api-key` for API keys.
        issuer: String,
        /// What the issuer calls them.
        subject: String,
    },
    /// Everything in one legacy session.
    Session(
        /// As records name it: not its id.
        String,
    ),
    /// Everything that callers of one tenant do.
    Tenant {
        /// The configured name of who says that they are of it.
        issuer: String,
        /// The tenant.
        tenant: String,
    },
    /// What a newer release has stopped. SECURITY: this one cannot know what that is, so it stops everything.
    Unknown(String),
}

/// Who is at the door, and for which server.
#[derive(Clone, Copy, Debug)]
pub struct Whom<'a> {
    /// The issuer's configured name.
    pub issuer: &'a str,
    /// What the issuer calls them.
    pub subject: &'a str,
    /// Their tenant.
    pub tenant: Option<&'a str>,
    /// Their session, as records name it.
    pub session: Option<&'a str>,
}

impl Switch {
    /// Its name in the store and for operators: `all`, `server:crm`, `tool:crm/x`, `principal:corp/ada`, `tenant:corp/acme`, `session:0123456789abcdef`.
    pub fn name(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::Server(server) => format!("server:{server}"),
            Self::Tool { server, tool } => format!("tool:{server}/{tool}"),
            Self::Principal { issuer, subject } => format!("principal:{issuer}/{subject}"),
            Self::Session(session) => format!("session:{session}"),
            Self::Tenant { issuer, tenant } => format!("tenant:{issuer}/{tenant}"),
            Self::Unknown(name) => name.clone(),
        }
    }

    /// What a name means; [`Switch::Unknown`] for none that this build knows.
    pub fn from_name(name: &str) -> Self {
        let unknown = || Self::Unknown(name.to_owned());
        let Some((kind, rest)) = name.split_once(':') else {
            return if name == "all" { Self::All } else { unknown() };
        };
        let pair = || rest.split_once('/').filter(|(of, what)| !of.is_empty() && !what.is_empty());
        match (kind, pair()) {
            ("server", _) if !rest.is_empty() => Self::Server(rest.to_owned()),
            ("session", _) if is_session(rest) => Self::Session(rest.to_owned()),
            ("tool", Some((server, tool))) => Self::Tool { server: server.to_owned(), tool: tool.to_owned() },
            ("principal", Some((issuer, subject))) => Self::Principal { issuer: issuer.to_owned(), subject: subject.to_owned() },
            ("tenant", Some((issuer, tenant))) => Self::Tenant { issuer: issuer.to_owned(), tenant: tenant.to_owned() },
            _ => unknown(),
        }
    }

    /// Whether it stops this caller at this server, whatever they call there. A tool is stopped once it is known that they may see it.
    pub(super) fn stops(&self, at: Option<&str>, whom: Option<Whom<'_>>) -> bool {
        match self {
            Self::All | Self::Unknown(_) => true,
            Self::Server(server) => at == Some(server),
            Self::Tool { .. } => false,
            Self::Session(session) => whom.is_some_and(|whom| whom.session == Some(session)),
            Self::Principal { issuer, subject } => whom.is_some_and(|whom| whom.issuer == issuer && whom.subject == subject),
            Self::Tenant { issuer, tenant } => whom.is_some_and(|whom| whom.issuer == issuer && whom.tenant == Some(tenant)),
        }
    }
}

/// Sixteen hexadecimal digits.
fn is_session(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_means_what_it_was_made_of() {
        for name in [
            "all",
            "server:crm",
            "tool:crm/a/b",
            "principal:corp/a/b:c",
            "tenant:corp/acme",
            "session:0123456789abcdef",
            "client:newer",
            "x",
            "",
        ] {
            assert_eq!(Switch::from_name(name).name(), name);
        }
        for name in [
            "server:",
            "tool:crm",
            "tool:/x",
            "tool:crm/",
            "principal:ada",
            "tenant:corp/",
            "session:0123",
            "session:0123456789ABCDEF",
            "client:x",
            "All",
            "",
        ] {
            assert_eq!(Switch::from_name(name), Switch::Unknown(name.to_owned()));
        }
    }

    #[test]
    fn a_switch_stops_what_it_names_and_one_that_is_not_known_everything() {
        let ada = Whom { issuer: "corp", subject: "ada", tenant: Some("acme"), session: Some("0123456789abcdef") };
        let table = [
            ("all", true),
            ("server:crm", true),
            ("server:mail", false),
            ("tool:crm/x", false),
            ("principal:corp/ada", true),
            ("principal:corp/Ada", false),
            ("principal:other/ada", false),
            ("tenant:corp/acme", true),
            ("tenant:other/acme", false),
            ("tenant:corp/acm", false),
            ("session:0123456789abcdef", true),
            ("session:0123456789abcdee", false),
            ("client:newer", true),
        ];
        for (name, stopped) in table {
            assert_eq!(Switch::from_name(name).stops(Some("crm"), Some(ada)), stopped, "{name}");
        }
        assert!(!Switch::from_name("tenant:corp/acme").stops(None, Some(Whom { tenant: None, ..ada })));
    }
}
