//! Who calls, as their credential says.

use serde_json::json;

use crate::support::token::Issuer;

/// A caller with a token of an issuer, or with an API key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) name: &'static str,
    issuer: &'static str,
    /// Their subject, where it is not their name.
    subject: &'static str,
    groups: &'static [&'static str],
    claimed_roles: &'static [&'static str],
    client: &'static str,
    tenant: Option<&'static str>,
    region: Option<&'static str>,
    department: Option<&'static str>,
    scopes: &'static [&'static str],
}

/// Of `corp`, in no group, and nothing else said.
const SOMEBODY: Caller = Caller {
    name: "",
    issuer: "corp",
    subject: "",
    groups: &[],
    claimed_roles: &[],
    client: "a-client",
    tenant: None,
    region: None,
    department: None,
    scopes: &[],
};

const CALLERS: &[Caller] = &[
    Caller { name: "cleo", groups: &["clerks"], ..SOMEBODY },
    Caller { name: "lena", groups: &["leads"], region: Some("eu"), department: Some("sales"), ..SOMEBODY },
    Caller { name: "ivo", groups: &["leads", "interns"], scopes: &["desk.slow"], ..SOMEBODY },
    Caller { name: "tex", groups: &["leads"], region: Some("us"), ..SOMEBODY },
    Caller { name: "nobody", ..SOMEBODY },
    // One for each key of a binding.
    Caller { name: "sue", ..SOMEBODY },
    Caller { name: "guy", groups: &["guests"], ..SOMEBODY },
    Caller { name: "rob", claimed_roles: &["Desk.Guest"], ..SOMEBODY },
    Caller { name: "app", client: "desk-app", ..SOMEBODY },
    Caller { name: "glo", tenant: Some("globex"), ..SOMEBODY },
    Caller { name: "vic", groups: &["visitors"], client: "kiosk", ..SOMEBODY },
    Caller { name: "val", groups: &["visitors"], ..SOMEBODY },
    Caller { name: "robot", issuer: "api-key", ..SOMEBODY },
    Caller { name: "robin", issuer: "api-key", ..SOMEBODY },
    // Says of themselves all that the bindings of `corp` ask for, by another issuer's word.
    Caller {
        name: "pat",
        issuer: "partner",
        subject: "sue",
        groups: &["guests", "leads", "visitors", "staff"],
        claimed_roles: &["Desk.Guest"],
        client: "desk-app",
        tenant: Some("acme"),
        ..SOMEBODY
    },
    // Tenants.
    Caller { name: "ada", groups: &["staff"], tenant: Some("acme"), ..SOMEBODY },
    Caller { name: "ina", groups: &["staff"], tenant: Some("initech"), ..SOMEBODY },
    Caller { name: "con", groups: &["contractors"], tenant: Some("initech"), ..SOMEBODY },
    // What is counted is counted for each of them.
    Caller { name: "meg", groups: &["metered"], ..SOMEBODY },
    Caller { name: "tim", groups: &["counted"], client: "till", ..SOMEBODY },
    Caller { name: "tom", groups: &["counted"], client: "till", ..SOMEBODY },
];

impl Caller {
    pub(super) fn named(name: &str) -> &'static Self {
        CALLERS.iter().find(|caller| caller.name == name).unwrap_or_else(|| panic!("there is no caller `{name}`"))
    }

    pub(super) fn has_key(&self) -> bool {
        self.issuer == "api-key"
    }

    fn subject(&self) -> &str {
        if self.subject.is_empty() { self.name } else { self.subject }
    }

    /// Their token for the server at this URL. `turn` tells apart who would otherwise be counted together.
    pub(super) fn token(&self, issuers: &[Issuer], url: &str, turn: &str) -> String {
        let issuer = issuers.iter().find(|issuer| issuer.name == self.issuer).unwrap();
        let now = jiff::Timestamp::now().as_second();
        let groups: Vec<String> = self.groups.iter().map(|group| (*group).to_owned()).collect();
        let mut token = issuer
            .token_for(url, now, &format!("{}{turn}", self.subject()), &[])
            .claim("groups", groups)
            .claim("roles", json!(self.claimed_roles))
            .claim("client_id", format!("{}{turn}", self.client))
            .claim("scope", self.scopes.join(" "));
        for (claim, value) in [("tid", self.tenant), ("residence", self.region), ("department", self.department)] {
            if let Some(value) = value {
                token = token.claim(claim, value);
            }
        }
        token.signed()
    }

    /// The same for `tests[].as`.
    pub(super) fn as_written(&self) -> String {
        let mut written = json!({ "issuer": self.issuer, "subject": self.subject() });
        for (key, value) in [("tenant", self.tenant), ("region", self.region)] {
            if let Some(value) = value {
                written[key] = value.into();
            }
        }
        if !self.has_key() {
            written["client"] = self.client.into();
            written["scopes"] = json!(self.scopes);
            written["groups"] = json!(self.groups);
            written["claimed_roles"] = json!(self.claimed_roles);
        }
        if let Some(department) = self.department {
            written["attributes"] = json!({ "department": department });
        }
        written.to_string()
    }
}
