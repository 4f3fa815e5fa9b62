//! What holds of every policy: random ones, of random callers, asked for random things.

use std::fmt::Write as _;
use std::fs;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use tempfile::TempDir;
use yett::config::{Server, load_str};
use yett::decide::{Arguments, Caller, Engine, GrantOutcome, Hints, RuleOutcome, Scene, Shown, Verdict};
use yett::policy::{Effect, Known, read_folder};
use yett::protocol::json::{Document, Limits};
use yett::protocol::{Access, ListKind, Method, Shape, Target};
use yett::yaml::Report;

pub(super) const SERVERS: [&str; 2] = ["crm", "mail"];
pub(super) const TOOLS: [&str; 5] = ["a", "b", "ab", "B", "get_x"];
pub(super) const PATTERNS: [&str; 7] = ["a", "b", "ab", "a*", "\"*b\"", "get_*", "\"*\""];
pub(super) const GROUPS: [&str; 3] = ["g0", "g1", "g2"];
pub(super) const CONDITIONS: [&str; 10] = [
    "",
    "when: 'arguments.x == 1'",
    "unless: 'arguments.x <= 1'",
    "when: 'has(arguments.x)'",
    "unless: 'principal.groups.exists(g, g == \"g0\")'",
    // The tenant may be missing, and then this cannot be judged.
    "when: 'principal.tenant == \"t\"'",
    "unless: 'principal.tenant == \"t\"'",
    "when: 'access.operation == \"read\"'",
    "when: 'access.method == \"resources/read\"'",
    "when: 'now.getFullYear() > 2000 && access.tool == \"a\"'",
];
const ARGUMENTS: [Option<&str>; 6] =
    [None, Some("{}"), Some("{\"x\":1}"), Some("{\"x\":2}"), Some("{\"x\":\"1\"}"), Some("{\"x\":null}")];

#[derive(Clone, Debug)]
pub(super) struct Role {
    inherits: Vec<usize>,
    grants: Vec<(Vec<&'static str>, Vec<&'static str>, bool, bool)>,
}

pub(super) fn role(at: usize) -> impl Strategy<Value = Role> {
    let servers = prop_oneof![subsequence(SERVERS.to_vec(), 1..=2), Just(vec!["\"*\""])];
    let grant = (servers, subsequence(PATTERNS.to_vec(), 1..=3), any::<bool>(), prop::bool::weighted(0.2));
    let parents = subsequence((0..at).collect::<Vec<_>>(), 0..=at.min(2));
    (parents, prop::collection::vec(grant, 0..3)).prop_map(|(inherits, grants)| Role { inherits, grants })
}

/// Servers, tools, a condition, whether in shadow, whether about operations.
pub(super) type Rule<'a> = (Vec<&'a str>, Vec<&'a str>, &'a str, bool, bool);

pub(super) fn yaml(from: &[Role], bindings: &[(usize, Vec<&'static str>)], rules: &[Rule<'_>]) -> String {
    let mut text = "version: 1\nroles:\n".to_owned();
    for (at, role) in from.iter().enumerate() {
        let parents = role.inherits.iter().map(|parent| format!("r{parent}")).collect::<Vec<_>>().join(", ");
        let inherits = if parents.is_empty() { String::new() } else { format!("inherits: [{parents}], ") };
        let grants = role.grants.iter().map(|(servers, tools, wants, scoped)| {
            let arguments = if *wants { ", arguments: { x: { enum: [1], optional: true } }" } else { "" };
            let scopes = if *scoped { ", scopes: [s]" } else { "" };
            format!("{{ servers: [{}], tools: [{}]{arguments}{scopes} }}", servers.join(", "), tools.join(", "))
        });
        let grants = grants.collect::<Vec<_>>().join(", ");
        let allow = if grants.is_empty() {
            "allow: [{ servers: [crm], tools: [none] }]".to_owned()
        } else {
            format!("allow: [{grants}]")
        };
        writeln!(text, "  r{at}: {{ {inherits}{allow} }}").unwrap();
    }
    text += "bindings:\n";
    for (role, groups) in bindings {
        writeln!(text, "  - {{ role: r{role}, groups: [{}] }}", groups.join(", ")).unwrap();
    }
    if !rules.is_empty() {
        text += "rules:\n";
    }
    for (at, (servers, tools, condition, shadow, destructive)) in rules.iter().enumerate() {
        let tools = if tools.is_empty() { String::new() } else { format!(", tools: [{}]", tools.join(", ")) };
        let operations = if *destructive { ", operations: [destructive, read]" } else { "" };
        let condition = if condition.is_empty() { String::new() } else { format!(", {condition}") };
        let mode = if *shadow { ", mode: shadow" } else { "" };
        let servers = servers.join(", ");
        writeln!(text, "  - {{ name: n{at}, deny: {{ servers: [{servers}]{tools}{operations} }}{condition}{mode} }}").unwrap();
    }
    text
}

fn servers() -> Vec<Arc<Server>> {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    let text = "version: 1
listeners: [{ name: local, address: \"127.0.0.1:8080\" }]
servers:
  crm: { url: \"http://127.0.0.1:1/mcp\", tools: { a: { operation: destructive }, ab: { operation: read } } }
  mail: { url: \"http://127.0.0.1:1/mcp\" }
policies: policies
";
    load_str(text, folder.path()).unwrap().config.servers
}

/// Whether some role of the caller grants the tool, as slowly and plainly as it can be said.
fn granted(roles: &[Role], held: &[usize], server: &str, tool: &str, scoped: bool) -> bool {
    let fits = |pattern: &str| match pattern {
        "a*" => tool.starts_with('a'),
        "\"*b\"" => tool.ends_with('b'),
        "get_*" => tool.starts_with("get_"),
        "\"*\"" => true,
        exact => exact == tool,
    };
    let mut open = held.to_vec();
    while let Some(at) = open.pop() {
        open.extend(&roles[at].inherits);
        let grants = roles[at].grants.iter().filter(|(.., wants)| scoped || !wants);
        let mut on = grants.filter(|(servers, ..)| servers.iter().any(|name| *name == server || *name == "\"*\""));
        if on.any(|(_, tools, ..)| tools.iter().any(|pattern| fits(pattern))) {
            return true;
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn lists_agree_with_calls_denies_win_errors_never_allow_and_explanations_are_what_is_enforced(
        roles in (role(0), role(1), role(2)).prop_map(|(a, b, c)| vec![a, b, c]),
        bindings in prop::collection::vec((0..3_usize, subsequence(GROUPS.to_vec(), 1..=2)), 1..4),
        rules in prop::collection::vec((
            prop_oneof![subsequence(SERVERS.to_vec(), 1..=2), Just(vec!["\"*\""])],
            subsequence(PATTERNS.to_vec(), 0..=2),
            select(CONDITIONS.to_vec()),
            prop::bool::weighted(0.2),
            prop::bool::weighted(0.3),
        ), 0..6),
        groups in subsequence(GROUPS.to_vec(), 0..=3),
        tenant in prop_oneof![Just(None), Just(Some("t")), Just(Some("u"))],
        scoped in any::<bool>(),
    ) {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("a.yaml"), yaml(&roles, &bindings, &rules)).unwrap();
        let known = Known { servers: SERVERS.map(str::to_owned).into(), issuers: vec!["corp".to_owned()], ..Known::default() };
        let mut report = Report::new();
        let policy = read_folder(folder.path(), &known, &mut report);
        prop_assert!(!report.has_errors(), "{report}\n{}", yaml(&roles, &bindings, &rules));
        let engine = Engine::new(&policy);
        let (names, scopes): (Vec<String>, Vec<String>) =
            (groups.iter().map(|&group| group.to_owned()).collect(), if scoped { vec!["s".to_owned()] } else { Vec::new() });
        let caller = Caller { issuer: "corp", subject: "una", tenant, groups: &names, scopes: Some(&scopes), ..Caller::default() };
        let holds = |wanted: &[&str]| wanted.iter().any(|group| groups.contains(group));
        let bound: Vec<usize> = bindings.iter().filter(|(_, groups)| holds(groups)).map(|(role, _)| *role).collect();
        for server in servers() {
            let scene = Scene { server: &server, now: Timestamp::now(), peer: None, hints: Hints::none() };
            let held = engine.held_by(caller, scene);
            for tool in TOOLS {
                let access = Access { method: Method::ToolsCall, target: Target::Tool(tool.to_owned()), shape: Shape::Request, answers: false, task: false };
                let shown = held.shows(ListKind::Tools, tool);
                let unknown = held.decide(&access, Arguments::Unknown);
                for text in ARGUMENTS {
                    let document = text.map(|text| Document::parse(Bytes::from_static(text.as_bytes()), Limits::default()).unwrap());
                    let arguments = Arguments::Known(document.as_ref().map(Document::root));
                    let ruling = held.decide(&access, arguments);
                    let what = format!("{}/{tool} {text:?}: {ruling:?}, shown {shown:?}\n{}", server.name, yaml(&roles, &bindings, &rules));
                    let effect = ruling.verdict.effect();
                    // Lists agree with calls: what is not shown is answered as what is not there, and what is shown is not.
                    let is_there = !matches!(ruling.verdict, Verdict::Hidden { .. } | Verdict::NoServer | Verdict::UnknownTarget);
                    prop_assert_eq!(is_there, shown != Shown::Deny, "{}", &what);
                    if shown == Shown::Allow {
                        prop_assert!(matches!(ruling.verdict, Verdict::Allow { .. } | Verdict::NeedsScopes(_)), "{what}");
                    }
                    // No grant means deny; and what is granted is what the roles say, read as plainly as can be.
                    let plainly = granted(&roles, &bound, &server.name, tool, scoped);
                    prop_assert!(plainly || effect == Effect::Deny, "{what}");
                    // With arguments known nothing depends on them.
                    prop_assert_ne!(effect, Effect::Depends, "{}", &what);
                    // What is decided without arguments holds with all of them.
                    if unknown.verdict.effect() != Effect::Depends {
                        prop_assert_eq!(unknown.verdict.effect(), effect, "{}", &what);
                    }
                    // An explanation is the decision, and its parts lead to it. Denies win, and what cannot be judged denies.
                    let explained = held.explain(&access, arguments);
                    prop_assert_eq!(&explained.ruling, &ruling, "{}", &what);
                    let grants = explained.grants.iter().any(|grant| grant.outcome == GrantOutcome::Grants);
                    let denies = explained.rules.iter().any(|rule| {
                        !rule.shadow && matches!(rule.outcome, RuleOutcome::Denies | RuleOutcome::Fails(_) | RuleOutcome::Depends)
                    });
                    prop_assert_eq!(effect == Effect::Allow, grants && !denies, "{}", &what);
                    let shadows = explained.rules.iter().filter(|rule| {
                        rule.shadow && matches!(rule.outcome, RuleOutcome::Denies | RuleOutcome::Fails(_))
                    });
                    let asked = is_there || matches!(ruling.verdict, Verdict::Hidden { .. });
                    let counted = if asked { shadows.count() } else { 0 };
                    prop_assert_eq!(ruling.shadow.len(), counted, "{}", &what);
                }
            }
        }
    }
}
