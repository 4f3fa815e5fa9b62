//! What can be asked of a server and by whom, as far as configuration and policies name it: the questions that two policies are put.

use std::collections::{BTreeMap, BTreeSet};

use super::access;
use crate::config::{Judged, Server};
use crate::decide::Glob;
use crate::policy::{ANONYMOUS, Asks, Binding, CaseCaller, Policy, Tenants};

/// What a `*` of a pattern stands for, where something is asked that it matches.
const ANY: &str = "any";

/// Accesses to a server, by the names that reports have for them. A pattern is asked about by one name that it matches.
pub(super) fn accesses(server: &Server, policies: [&Policy; 2]) -> BTreeMap<String, Asks> {
    let mut named: BTreeSet<(Kind, String)> = BTreeSet::new();
    let tools = server.operations.keys().chain(server.captures.keys());
    named.extend(tools.map(|tool| (Kind::Tool, tool.clone())));
    for policy in policies {
        for grant in policy.roles.iter().flat_map(|role| &role.allow).filter(|grant| means(&grant.servers, server)) {
            add(&mut named, [&grant.tools, &grant.prompts, &grant.resources, &grant.methods]);
        }
        for deny in policy.rules.iter().map(|rule| &rule.deny).filter(|deny| means(&deny.servers, server)) {
            add(&mut named, [&deny.tools, &deny.prompts, &deny.resources, &deny.methods]);
        }
        for case in &policy.cases {
            let (kind, (of, name)) = match &case.asks {
                Asks::Call(asked) => (Kind::Tool, asked),
                Asks::Get(asked) => (Kind::Prompt, asked),
                Asks::Read(asked) => (Kind::Resource, asked),
                Asks::Method(asked) => (Kind::Method, asked),
            };
            if *of == server.name {
                named.insert((kind, name.clone()));
            }
        }
    }
    let asks = named.into_iter().map(|(kind, name)| {
        let asked = (server.name.clone(), name);
        match kind {
            Kind::Tool => Asks::Call(asked),
            Kind::Prompt => Asks::Get(asked),
            Kind::Resource => Asks::Read(asked),
            Kind::Method => Asks::Method(asked),
        }
    });
    asks.map(|asks| (access::shown(&asks), asks)).collect()
}

/// Callers that bindings of either policy mean: of each binding as many as it takes to name each of its values once, and besides each tenant and
/// region that anything is for.
pub(super) fn callers(judged: [&Judged; 2]) -> Vec<(String, CaseCaller)> {
    let mut callers: BTreeMap<String, CaseCaller> = BTreeMap::new();
    let scopes = scopes(judged.map(|judged| &judged.policy));
    for judged in judged {
        for binding in &judged.policy.bindings {
            let lists = lists(binding).map(|(_, values)| values.len());
            for at in 0..lists.into_iter().max().unwrap_or(0) {
                let caller = caller(binding, at, judged, &scopes);
                let name = named(binding, &caller);
                for (more, caller) in variants(binding, caller, judged) {
                    callers.insert(format!("{name}{more}"), caller);
                }
            }
        }
    }
    callers.into_iter().collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Tool,
    Prompt,
    Resource,
    Method,
}

fn means(patterns: &[String], server: &Server) -> bool {
    patterns.iter().any(|pattern| Glob::new(pattern).matches(&server.name))
}

fn add(named: &mut BTreeSet<(Kind, String)>, [tools, prompts, resources, methods]: [&Vec<String>; 4]) {
    for (kind, names) in [(Kind::Tool, tools), (Kind::Prompt, prompts), (Kind::Resource, resources), (Kind::Method, methods)] {
        named.extend(names.iter().map(|name| (kind, name.replace("**", ANY).replace('*', ANY))));
    }
}

fn lists(binding: &Binding) -> [(&'static str, &Vec<String>); 6] {
    let Binding { issuers, subjects, groups, claimed_roles, clients, tenants, .. } = binding;
    [
        ("issuer", issuers),
        ("subject", subjects),
        ("group", groups),
        ("claimed role", claimed_roles),
        ("client", clients),
        ("tenant", tenants),
    ]
}

/// A caller whom a binding means, by value number `at` of each of its lists.
fn caller(binding: &Binding, at: usize, judged: &Judged, scopes: &[String]) -> CaseCaller {
    let one = |values: &[String]| values.iter().cycle().nth(at).cloned();
    let known = &judged.known;
    let issuer = one(&binding.issuers).or_else(|| known.issuers.first().cloned()).unwrap_or_else(|| "api-key".to_owned());
    let has_token = known.issuers.contains(&issuer);
    let subject = if issuer == ANONYMOUS { ANONYMOUS.to_owned() } else { "any".to_owned() };
    CaseCaller {
        region: known.region_of(&issuer),
        subject: one(&binding.subjects).unwrap_or(subject),
        client: one(&binding.clients),
        groups: one(&binding.groups).into_iter().collect(),
        claimed_roles: one(&binding.claimed_roles).into_iter().collect(),
        tenant: one(&binding.tenants),
        attributes: Vec::new(),
        scopes: has_token.then(|| scopes.to_vec()),
        issuer,
    }
}

/// The caller, and the same of each tenant and region that anything is for, with what their names say more.
fn variants(binding: &Binding, caller: CaseCaller, judged: &Judged) -> Vec<(String, CaseCaller)> {
    let servers = judged.servers.iter().map(|server| &server.tenants);
    let files = judged.policy.rules.iter().map(|rule| &rule.within);
    let tenants: BTreeSet<(Option<&str>, &str)> = if binding.within.is_everybody() {
        servers.chain(files).flat_map(Tenants::iter).collect()
    } else {
        binding.within.iter().collect()
    };
    let regions: BTreeSet<&String> = judged.known.regions.iter().map(|(_, region)| region).collect();
    let mut variants = Vec::new();
    for (issuer, tenant) in tenants.into_iter().filter(|_| binding.tenants.is_empty()) {
        let is_theirs =
            issuer.is_none_or(|issuer| binding.issuers.is_empty() || binding.issuers.iter().any(|known| known == issuer));
        if is_theirs {
            let issuer = issuer.map_or_else(|| caller.issuer.clone(), str::to_owned);
            variants
                .push((format!(", tenant {tenant}"), CaseCaller { issuer, tenant: Some(tenant.to_owned()), ..caller.clone() }));
        }
    }
    for region in regions {
        variants.push((format!(", region {region}"), CaseCaller { region: Some(region.clone()), ..caller.clone() }));
    }
    variants.push((String::new(), caller));
    variants
}

/// What a binding says of the caller, as reports say it.
fn named(binding: &Binding, caller: &CaseCaller) -> String {
    let first = |values: &[String]| values.first().cloned();
    let said = [
        Some(caller.issuer.clone()),
        Some(caller.subject.clone()),
        first(&caller.groups),
        first(&caller.claimed_roles),
        caller.client.clone(),
        caller.tenant.clone(),
    ];
    let named = lists(binding).into_iter().zip(said).filter(|((_, values), _)| !values.is_empty());
    named.filter_map(|((what, _), value)| Some(format!("{what} {}", value?))).collect::<Vec<_>>().join(", ")
}

/// Every scope that a grant wants: a token that has them all hides no grant.
pub(super) fn scopes(policies: [&Policy; 2]) -> Vec<String> {
    let grants = policies.into_iter().flat_map(|policy| &policy.roles).flat_map(|role| &role.allow);
    let scopes: BTreeSet<&String> = grants.flat_map(|grant| &grant.scopes).collect();
    scopes.into_iter().cloned().collect()
}
