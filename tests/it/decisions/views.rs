//! Whether a policy may have changed what a caller's lists show.

use yett::config::load_policy;
use yett::decide::{Caller, Engine, Hints, Scene};
use yett::protocol::{ListKind, ListSet};

/// The lists of `crm` that may be others for a caller of these groups.
fn changed(before: &str, after: &str, groups: &[&str]) -> ListSet {
    let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
    let view = |policy: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("policies")).unwrap();
        let servers = "servers: { crm: { url: 'http://127.0.0.1:1/mcp' }, mail: { url: 'http://127.0.0.1:1/mcp' } }";
        let listeners = "listeners: [{ name: a, address: '127.0.0.1:0' }]";
        std::fs::write(folder.path().join("yett.yaml"), format!("version: 1\n{listeners}\n{servers}\npolicies: policies/\n"))
            .unwrap();
        std::fs::write(folder.path().join("policies/0.yaml"), policy).unwrap();
        let judged = load_policy(&folder.path().join("yett.yaml"), None).map_err(|report| report.to_string()).unwrap();
        let caller = Caller { issuer: "api-key", subject: "ada", groups: &groups, ..Caller::default() };
        let scene = Scene { server: &judged.servers[0], now: jiff::Timestamp::UNIX_EPOCH, peer: None, hints: Hints::none() };
        Engine::new(&judged.policy).held_by(caller, scene).view()
    };
    view(after).differ_from(view(before))
}

fn policy(rules: &str) -> String {
    let rules = if rules.is_empty() { String::new() } else { format!("rules: [{rules}]") };
    format!(
        r#"version: 1
roles:
  reader: {{ allow: [{{ servers: [crm], tools: [get_*], resources: ["file:///**"] }}, {{ servers: [mail], tools: [read] }}] }}
  writer: {{ inherits: [reader], allow: [{{ servers: [crm], tools: [put_*] }}] }}
bindings: [{{ role: reader, groups: [readers] }}, {{ role: writer, groups: [writers] }}]
{rules}
"#
    )
}

fn lists(lists: &[ListKind]) -> ListSet {
    lists.iter().copied().collect()
}

#[test]
fn a_grant_changes_the_lists_of_those_who_hold_it_and_of_no_others() {
    let (before, tools) = (policy(""), lists(&[ListKind::Tools]));
    let after = before.replace("[put_*]", "[put_*, drop_*]");
    assert_eq!(changed(&before, &after, &["writers"]), tools);
    assert_eq!(changed(&before, &after, &["readers"]), ListSet::default());
    assert_eq!(changed(&before, &before.replace("[read]", "[read, send]"), &["readers"]), ListSet::default(), "another server");
    assert_eq!(changed(&before, &before.replace("file:///**", "file:///a"), &["readers"]), lists(&[ListKind::Resources]));
    assert_eq!(changed(&before, &before.replace("groups: [readers]", "groups: [nobody]"), &["readers"]).and(tools), tools);
}

#[test]
fn what_says_the_same_in_other_words_changes_nothing() {
    let before = policy("{ name: a, deny: { servers: [crm], tools: [get_x] } }");
    let renamed =
        before.replace("name: a", "name: b").replace("reader", "lector").replace("groups: [lectors]", "groups: [readers]");
    assert_eq!(changed(&before, &renamed, &["readers"]), ListSet::default());
    let inherited =
        before.replace("inherits: [reader], allow: [", "allow: [{ servers: [crm], tools: [get_*], resources: ['file:///**'] }, ");
    assert_eq!(changed(&before, &inherited, &["writers"]), ListSet::default());
}

#[test]
fn a_rule_changes_lists_only_where_it_takes_something_off_them() {
    let (before, tools) = (policy(""), lists(&[ListKind::Tools]));
    let with = |rule: &str| changed(&before, &policy(rule), &["readers"]);
    assert_eq!(with("{ name: a, deny: { servers: [crm], tools: [get_x] } }"), tools);
    assert_eq!(
        with("{ name: a, deny: { servers: ['*'] } }"),
        lists(&[ListKind::Resources, ListKind::Tools]),
        "prompts: none granted"
    );
    assert_eq!(
        with("{ name: a, deny: { servers: [crm], tools: [get_x] }, when: 'principal.groups.exists(g, g == \"x\")' }"),
        tools
    );
    for none in [
        "{ name: a, deny: { servers: [mail], tools: [get_x] } }",
        "{ name: a, deny: { servers: [crm], tools: [get_x] }, mode: shadow }",
        "{ name: a, deny: { servers: [crm], tools: [get_x] }, when: 'now.getHours() > 9' }",
        "{ name: a, deny: { servers: [crm], tools: [get_x] }, unless: 'arguments.id == \"7\"' }",
    ] {
        assert_eq!(with(none), ListSet::default(), "{none}");
    }
}
