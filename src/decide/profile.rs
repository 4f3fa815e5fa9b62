//! A caller as text that can be kept, and back: what a decision was made by can be put before another policy.

use super::caller::Caller;

/// What is said of a caller: all that decisions look at but how they have shown who they are, which is the call's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    issuer: String,
    subject: String,
    client: Option<String>,
    tenant: Option<String>,
    region: Option<String>,
    groups: Vec<String>,
    claimed_roles: Vec<String>,
    attributes: Vec<(String, String)>,
    scopes: Option<Vec<String>>,
    servers: Option<Vec<String>>,
}

impl<'a> Caller<'a> {
    /// What is said of them, each with the word for it, in an order that is always the same.
    pub fn said(&self) -> Vec<(&'static str, &'a str)> {
        let mut said = vec![("issuer", self.issuer), ("subject", self.subject)];
        said.extend(self.client.map(|client| ("client", client)));
        said.extend(self.tenant.map(|tenant| ("tenant", tenant)));
        said.extend(self.region.map(|region| ("region", region)));
        said.extend(self.groups.iter().map(|group| ("group", group.as_str())));
        said.extend(self.claimed_roles.iter().map(|role| ("claimed_role", role.as_str())));
        for (name, value) in self.attributes {
            said.extend([("attribute", name.as_str()), ("value", value.as_str())]);
        }
        // A token without scopes is something else than what is no token.
        if let Some(scopes) = self.scopes {
            said.push(("scoped", ""));
            said.extend(scopes.iter().map(|scope| ("scope", scope.as_str())));
        }
        if let Some(servers) = self.servers {
            said.push(("bound", ""));
            said.extend(servers.iter().map(|server| ("server", server.as_str())));
        }
        said
    }
}

impl Profile {
    /// From what [`Caller::said`]; `None` where something is said that this build does not know, and that may matter.
    pub fn of(said: &[(String, String)]) -> Option<Self> {
        let mut profile = Self::default();
        for (what, value) in said {
            let value = value.clone();
            match what.as_str() {
                "issuer" => profile.issuer = value,
                "subject" => profile.subject = value,
                "client" => profile.client = Some(value),
                "tenant" => profile.tenant = Some(value),
                "region" => profile.region = Some(value),
                "group" => profile.groups.push(value),
                "claimed_role" => profile.claimed_roles.push(value),
                "attribute" => profile.attributes.push((value, String::new())),
                "value" => profile.attributes.last_mut()?.1 = value,
                "scoped" => profile.scopes = Some(Vec::new()),
                "scope" => profile.scopes.as_mut()?.push(value),
                "bound" => profile.servers = Some(Vec::new()),
                "server" => profile.servers.as_mut()?.push(value),
                _ => return None,
            }
        }
        Some(profile)
    }

    /// Them as decisions see them; `authn` says how they have shown who they are.
    pub fn caller<'a>(&'a self, authn: &'a str) -> Caller<'a> {
        Caller {
            issuer: &self.issuer,
            subject: &self.subject,
            authn,
            client: self.client.as_deref(),
            tenant: self.tenant.as_deref(),
            region: self.region.as_deref(),
            groups: &self.groups,
            claimed_roles: &self.claimed_roles,
            attributes: &self.attributes,
            scopes: self.scopes.as_deref(),
            servers: self.servers.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[a-c=,]{0,3}", 0..3)
    }

    proptest! {
        #[test]
        fn what_is_said_of_a_caller_makes_the_same_caller(
            (issuer, subject) in ("[a-c]{0,2}", "[a-c]{0,2}"),
            (client, tenant) in (prop::option::of("[a-c]{0,2}"), prop::option::of("[a-c]{0,2}")),
            region in prop::option::of("[a-c]{0,2}"),
            (groups, claimed_roles) in (words(), words()),
            attributes in prop::collection::vec(("[a-c=]{0,2}", "[a-c=]{0,2}"), 0..3),
            (scopes, servers) in (prop::option::of(words()), prop::option::of(words())),
        ) {
            let profile = Profile { issuer, subject, client, tenant, region, groups, claimed_roles, attributes, scopes, servers };
            let said = profile.caller("jwt").said();
            let kept: Vec<_> = said.iter().map(|(what, value)| ((*what).to_owned(), (*value).to_owned())).collect();
            prop_assert_eq!(Profile::of(&kept), Some(profile));
        }
    }

    #[test]
    fn what_a_later_build_says_of_a_caller_is_not_passed_over() {
        assert_eq!(Profile::of(&[("mood".to_owned(), "good".to_owned())]), None);
        assert_eq!(Profile::of(&[("value".to_owned(), "of nothing".to_owned())]), None);
    }
}
