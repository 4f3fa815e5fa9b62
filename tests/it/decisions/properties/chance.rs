//! What chance makes of it.

use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use yett::protocol::Access;

use super::accesses::{Who, everything};
use super::words::{CONDITIONS, GROUPS, MODULES, PROMPT_PATTERNS, REGIONS, SERVERS, TENANTS, TOOL_PATTERNS, TOOLS, URI_PATTERNS};
use super::world::{Binding, File, Grant, Place, Role, Rule, Tenant, World};

/// How many roles there are.
const ROLES: usize = 4;

fn few<T: Clone + std::fmt::Debug + 'static>(of: &[T], most: usize) -> BoxedStrategy<Vec<T>> {
    subsequence(of.to_vec(), 0..=most.min(of.len())).boxed()
}

/// Mostly none.
fn rarely<T: Clone + std::fmt::Debug + 'static>(of: &[T], most: usize) -> BoxedStrategy<Vec<T>> {
    prop_oneof![3 => Just(Vec::new()), 1 => few(of, most)].boxed()
}

fn perhaps(of: &[&'static str]) -> BoxedStrategy<Option<&'static str>> {
    prop_oneof![1 => Just(None), 2 => select(of.to_vec()).prop_map(Some)].boxed()
}

fn numbers(below: usize, most: usize) -> BoxedStrategy<Vec<usize>> {
    few(&(0..below).collect::<Vec<_>>(), most)
}

fn servers() -> BoxedStrategy<Vec<&'static str>> {
    prop_oneof![2 => subsequence(SERVERS.to_vec(), 1..=2), 1 => Just(vec!["*"])].boxed()
}

fn tenants() -> BoxedStrategy<Vec<Tenant>> {
    let one = (perhaps(&["corp", "partner", "api-key"]), select(TENANTS.to_vec()));
    prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(one, 1..=2)].boxed()
}

fn place(name: &'static str) -> impl Strategy<Value = Place> {
    let operations = few(&TOOLS, 3).prop_flat_map(|tools| {
        let words = prop::collection::vec(select(vec!["read", "write", "destructive"]), tools.len());
        words.prop_map(move |words| tools.iter().copied().zip(words).collect::<Vec<_>>())
    });
    let region = perhaps(&REGIONS);
    (region, tenants(), operations, rarely(&TOOLS, 2)).prop_map(move |(region, tenants, operations, hints)| Place {
        name,
        region,
        tenants,
        operations,
        hints,
    })
}

fn grant() -> impl Strategy<Value = Grant> {
    let names = (few(&TOOL_PATTERNS, 3), rarely(&PROMPT_PATTERNS, 2), rarely(&[0, 1, 2, 4, 5, 6, 7, 8], 3));
    let more = (
        prop::bool::weighted(0.3),
        rarely(&["elicitation", "sampling"], 2),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.2),
    );
    (servers(), names, more).prop_map(|(servers, (tools, prompts, resources), (vendor, asks, picky, scoped))| Grant {
        servers,
        tools,
        prompts,
        resources,
        vendor,
        asks,
        picky,
        scoped,
    })
}

fn role(at: usize) -> impl Strategy<Value = Role> {
    (numbers(at, 2), prop::collection::vec(grant(), 0..4)).prop_map(|(inherits, grants)| Role { inherits, grants })
}

fn binding() -> impl Strategy<Value = Binding> {
    let who = (rarely(&["corp", "partner", "api-key"], 2), rarely(&["una", "bo"], 1), few(&GROUPS, 3));
    let more = (rarely(&["c0", "c1"], 1), rarely(&["k", "l"], 1), rarely(&TENANTS, 2));
    (0..ROLES, who, more).prop_map(|(role, (issuers, subjects, groups), (claimed_roles, clients, tenants))| Binding {
        role,
        issuers,
        subjects,
        groups,
        claimed_roles,
        clients,
        tenants,
    })
}

/// A rule; `timed` with conditions that are others each moment.
pub(in super::super) fn rule(timed: bool) -> impl Strategy<Value = Rule> {
    let conditions: Vec<usize> = (0..CONDITIONS.len()).filter(|at| timed || CONDITIONS[*at].timeless).collect();
    let condition = prop_oneof![1 => Just(None), 4 => (select(conditions), any::<bool>()).prop_map(Some)];
    let names = (few(&TOOL_PATTERNS, 2), rarely(&PROMPT_PATTERNS, 1), rarely(&(0..URI_PATTERNS.len()).collect::<Vec<_>>(), 2));
    let which = (rarely(&REGIONS, 2), rarely(&["read", "write", "destructive"], 2), prop::bool::weighted(0.1));
    let shadow = prop_oneof![4 => Just(None), 1 => any::<bool>().prop_map(Some)];
    (servers(), names, which, condition, shadow).prop_map(
        |(servers, (tools, prompts, resources), (regions, operations, vendor), condition, shadow)| Rule {
            name: String::new(),
            servers,
            regions,
            tools,
            prompts,
            resources,
            vendor,
            operations,
            condition,
            shadow,
        },
    )
}

fn file(timed: bool) -> impl Strategy<Value = File> {
    let bindings = prop_oneof![3 => prop::collection::vec(binding(), 1..4), 1 => Just(Vec::new())];
    let rules = prop::collection::vec(rule(timed), 0..4);
    (tenants(), prop::bool::weighted(0.2), bindings, rules).prop_map(|(tenants, shadow, bindings, rules)| File {
        tenants,
        shadow,
        bindings,
        rules,
    })
}

/// A world; with `modules` of Rego in about every other.
pub(in super::super) fn world(timed: bool) -> impl Strategy<Value = World> {
    let most = if cfg!(feature = "rego") { 3 } else { 0 };
    let issuers = prop_oneof![Just(vec!["corp"]), Just(vec!["corp", "partner"])];
    let places = (place("crm"), place("hr"), place("mail")).prop_map(|(a, b, c)| vec![a, b, c]);
    let roles = (role(0), role(1), role(2), role(3)).prop_map(|(a, b, c, d)| vec![a, b, c, d]);
    let files = prop::collection::vec(file(timed), 1..6);
    let modules = prop_oneof![Just(Vec::new()), numbers(MODULES.len(), most)];
    (issuers, places, roles, files, modules)
        .prop_map(|(issuers, places, roles, files, modules)| World { issuers, places, roles, files, modules }.settled())
}

/// A caller.
pub(in super::super) fn who() -> impl Strategy<Value = Who> {
    let issuer = prop_oneof![4 => Just("corp"), 2 => Just("partner"), 2 => Just("api-key"), 1 => Just("anonymous")];
    let names = (issuer, select(vec!["una", "bo"]), perhaps(&["k", "l"]));
    // A tenant that calls itself what an operator would call another's.
    let of = (
        prop_oneof![1 => Just(None), 6 => select(TENANTS.to_vec()).prop_map(Some), 1 => Just(Some("corp/t"))],
        perhaps(&REGIONS),
    );
    let more = (few(&GROUPS, 3), few(&["c0", "c1"], 2), perhaps(&["legal", "sales"]));
    let credential = (
        prop_oneof![1 => Just(None), 4 => any::<bool>().prop_map(Some)],
        prop_oneof![6 => Just(None), 1 => select(SERVERS.to_vec()).prop_map(Some)],
    );
    (names, of, more, credential).prop_map(
        |((issuer, subject, client), (tenant, region), (groups, claimed_roles, department), (scoped, only))| Who {
            issuer,
            subject,
            client,
            tenant,
            region,
            groups,
            claimed_roles,
            department,
            scoped,
            only,
        },
    )
}

/// Some of what can be asked.
pub(in super::super) fn asked(most: usize) -> impl Strategy<Value = Vec<Access>> {
    let all = everything();
    prop::collection::vec(any::<Index>(), most)
        .prop_map(move |picked| picked.iter().map(|index| index.get(&all).clone()).collect())
}
