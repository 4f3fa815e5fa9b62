//! Which roles a caller holds. Bindings are found by what is rarest in them, so that a thousand of them cost a caller only those that
//! could mean them.

use std::collections::HashMap;

use super::caller::Caller;
use crate::policy::{ANONYMOUS, Binding};

/// By what a binding is found: the first of these that it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum By {
    Subject,
    Client,
    Group,
    ClaimedRole,
    Tenant,
    Issuer,
}

/// All bindings of a policy.
#[derive(Debug)]
pub(super) struct Bindings {
    /// In the order of the files.
    all: Vec<Binding>,
    found_by: HashMap<By, HashMap<String, Vec<usize>>>,
}

impl Bindings {
    pub(super) fn new(all: Vec<Binding>) -> Self {
        let mut found_by: HashMap<By, HashMap<String, Vec<usize>>> = HashMap::new();
        for (at, binding) in all.iter().enumerate() {
            // SECURITY: a binding that names nobody is found by nothing, so it binds nobody; the reader refuses it as well.
            if let Some((by, values)) = rarest(binding) {
                let places = found_by.entry(by).or_default();
                for value in values {
                    places.entry(value.clone()).or_default().push(at);
                }
            }
        }
        Self { all, found_by }
    }

    /// Those that mean this caller, in the order of the files.
    pub(super) fn of<'a>(&'a self, caller: Caller<'_>) -> impl Iterator<Item = &'a Binding> {
        let mut places = Vec::new();
        let mut look = |by: By, value: &str| {
            places.extend(self.found_by.get(&by).and_then(|values| values.get(value)).into_iter().flatten().copied());
        };
        look(By::Subject, caller.subject);
        look(By::Issuer, caller.issuer);
        caller.client.into_iter().for_each(|client| look(By::Client, client));
        caller.tenant.into_iter().for_each(|tenant| look(By::Tenant, tenant));
        caller.groups.iter().for_each(|group| look(By::Group, group));
        caller.claimed_roles.iter().for_each(|role| look(By::ClaimedRole, role));
        places.sort_unstable();
        places.dedup();
        places.retain(|at| self.all.get(*at).is_some_and(|binding| applies(binding, caller)));
        places.into_iter().filter_map(|at| self.all.get(at))
    }

    /// All of them, for whoever explains which did not.
    pub(super) fn all(&self) -> &[Binding] {
        &self.all
    }
}

fn rarest(binding: &Binding) -> Option<(By, &[String])> {
    let keys = [
        (By::Subject, &binding.subjects),
        (By::Client, &binding.clients),
        (By::Group, &binding.groups),
        (By::ClaimedRole, &binding.claimed_roles),
        (By::Tenant, &binding.tenants),
        (By::Issuer, &binding.issuers),
    ];
    keys.into_iter().find(|(_, values)| !values.is_empty()).map(|(by, values)| (by, values.as_slice()))
}

/// Keys are joined by AND, the values of one key by OR; a key that is not written does not ask.
pub(super) fn applies(binding: &Binding, caller: Caller<'_>) -> bool {
    let one = |wanted: &[String], found: Option<&str>| {
        wanted.is_empty() || found.is_some_and(|found| wanted.iter().any(|text| text == found))
    };
    let some = |wanted: &[String], found: &[String]| wanted.is_empty() || wanted.iter().any(|text| found.contains(text));
    // SECURITY: nobody in particular has the roles that are meant for them, and none by a name that somebody else may have too.
    (caller.issuer != ANONYMOUS || !binding.issuers.is_empty())
        && one(&binding.issuers, Some(caller.issuer))
        && one(&binding.subjects, Some(caller.subject))
        && some(&binding.groups, caller.groups)
        && some(&binding.claimed_roles, caller.claimed_roles)
        && one(&binding.clients, caller.client)
        && one(&binding.tenants, caller.tenant)
        && caller.is_among(&binding.within)
}
