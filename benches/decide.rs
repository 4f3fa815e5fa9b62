//! Decisions under a large policy: 1,000 roles, 10,000 rules, 20 servers with 500 tools each. Goals: at most 3 µs without conditions, 10 µs with
//! two; a list of 500 tools filtered in at most 300 µs.

#![expect(clippy::unwrap_used, reason = "a bench stops at the first surprise")]

use std::fmt::Write as _;
use std::fs;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use tempfile::TempDir;
use yett::config::{Server, load_policy};
use yett::decide::{Arguments, Caller, Engine, Hints, Scene};
use yett::protocol::json::{Document, Limits};
use yett::protocol::{Access, ListKind, Method, Shape, Target};

const SERVERS: usize = 20;
const ROLES: usize = 1_000;
const RULES: usize = 10_000;
const TOOLS: usize = 500;

/// A folder with `yett.yaml` and the policy in files of a thousand rules.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let mut yett =
        "version: 1\nlisteners: [{ name: local, address: \"127.0.0.1:8080\" }]\npolicies: policies\nservers:\n".to_owned();
    for server in 0..SERVERS {
        writeln!(yett, "  s{server}: {{ url: \"http://127.0.0.1:1/mcp\" }}").unwrap();
    }
    fs::write(folder.path().join("yett.yaml"), yett).unwrap();
    fs::create_dir(folder.path().join("policies")).unwrap();
    let mut access = "version: 1\nroles:\n".to_owned();
    for role in 0..ROLES {
        let server = role % SERVERS;
        writeln!(
            access,
            "  r{role}: {{ allow: [{{ servers: [s{server}], tools: [tool_{}, \"tool_{}*\"] }}] }}",
            role % TOOLS,
            role % 10
        )
        .unwrap();
    }
    access.push_str("bindings:\n");
    for role in 0..ROLES {
        writeln!(access, "  - {{ role: r{role}, groups: [g{role}] }}").unwrap();
    }
    fs::write(folder.path().join("policies/access.yaml"), access).unwrap();
    for file in 0..RULES / 1_000 {
        let mut rules = "version: 1\nrules:\n".to_owned();
        for rule in (file * 1_000)..((file + 1) * 1_000) {
            let server = rule % SERVERS;
            // One in five has a wildcard; none of either is about what is asked below, so that all of them have to be passed over.
            let tool = if (rule / SERVERS).is_multiple_of(5) {
                format!("\"drop_{rule}_*\"")
            } else {
                format!("tool_{}", 101 + rule / SERVERS % 400)
            };
            writeln!(rules, "  - {{ name: n{rule}, deny: {{ servers: [s{server}], tools: [{tool}] }} }}").unwrap();
        }
        if file == 0 {
            rules.push_str("  - { name: sums, deny: { servers: [s0], tools: [tool_20] }, unless: 'arguments.amount <= 1000' }\n");
            rules.push_str("  - { name: tenants, deny: { servers: [s0], tools: [tool_20] }, unless: 'principal.groups.exists(g, g == \"g20\") && access.method == \"tools/call\"' }\n");
        }
        fs::write(folder.path().join(format!("policies/rules{file}.yaml")), rules).unwrap();
    }
    folder
}

fn access(tool: &str) -> Access {
    Access {
        method: Method::ToolsCall,
        target: Target::Tool(tool.to_owned()),
        shape: Shape::Request,
        answers: false,
        task: false,
    }
}

fn decide(criterion: &mut Criterion) {
    let folder = folder();
    let judged = load_policy(&folder.path().join("yett.yaml"), None).unwrap();
    let engine = Engine::new(&judged.policy);
    let server: &Arc<Server> = judged.servers.iter().find(|server| server.name == "s0").unwrap();
    let groups: Vec<String> = (0..10).map(|group| format!("g{}", group * 20)).collect();
    let caller = Caller { issuer: "api-key", subject: "una", groups: &groups, ..Caller::default() };
    let scene = Scene { server, now: Timestamp::now(), peer: None, hints: Hints::none() };
    let document = Document::parse(Bytes::from_static(br#"{"amount":999,"to":"una"}"#), Limits::default()).unwrap();
    let arguments = Arguments::Known(Some(document.root()));

    let mut group = criterion.benchmark_group("decide");
    let (plain, conditional, unknown) = (access("tool_40"), access("tool_20"), access("no_such_tool"));
    for (name, access, effect) in
        [("allowed", &plain, "allow"), ("allowed, two conditions", &conditional, "allow"), ("unknown tool", &unknown, "deny")]
    {
        assert_eq!(engine.held_by(caller, scene).decide(access, arguments).verdict.effect().as_str(), effect, "{name}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| engine.held_by(black_box(caller), scene).decide(black_box(access), arguments));
        });
    }
    let forbidden = access("tool_120");
    assert_eq!(engine.held_by(caller, scene).decide(&forbidden, arguments).verdict.effect().as_str(), "deny");
    group.bench_function("forbidden tool", |bencher| {
        bencher.iter(|| engine.held_by(black_box(caller), scene).decide(black_box(&forbidden), arguments));
    });
    let tools: Vec<String> = (0..TOOLS).map(|tool| format!("tool_{tool}")).collect();
    group.bench_function("a list of 500 tools", |bencher| {
        bencher.iter(|| {
            let held = engine.held_by(black_box(caller), scene);
            tools.iter().filter(|tool| held.shows(ListKind::Tools, tool) != yett::decide::Shown::Deny).count()
        });
    });
    group.sample_size(20).measurement_time(Duration::from_secs(10));
    group.bench_function("compiled", |bencher| bencher.iter(|| Engine::new(black_box(&judged.policy))));
    group.bench_function("read, checked and compiled", |bencher| {
        bencher.iter(|| Engine::new(&load_policy(&folder.path().join("yett.yaml"), None).unwrap().policy));
    });
    group.finish();
}

criterion_group!(benches, decide);
criterion_main!(benches);
