//! What does a condition cost? It defends 10 µs for two of them at each call, and 50 µs for reading one, so that ten thousand rules
//! are read in half a second. Beside them the `cel` crate does the same: its interpreter, with what it needs built once for each
//! call, and its parser. `cargo bench --bench condition`.

#![expect(clippy::unwrap_used, reason = "a benchmark stops at the first surprise")]

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use yett::decide::{AccessFacts, Arguments, Caller, Facts, ServerFacts};
use yett::policy::Known;
use yett::policy::condition::Condition;
use yett::protocol::json::{Document, Limits};
use yett::yaml::{Report, read};

/// The two of the contract, and one with a loop.
const HOURS: &str = r#"now.getHours("Europe/Berlin") < 9 || now.getHours("Europe/Berlin") >= 17"#;
const DEPARTMENT: &str = "principal.attributes.department == arguments.department";
const LOOP: &str = "arguments.to.all(x, x.endsWith('@acme.example')) && arguments.amount <= 1000";

fn condition(text: &str) -> Condition {
    let known = Known { attributes: vec!["department".to_owned()], ..Known::default() };
    let mut report = Report::new();
    let yaml = format!("when: |\n  {text}\n");
    let tree = read("rules.yaml", yaml.as_bytes(), &mut report).unwrap();
    Condition::read(tree.get("when").unwrap(), &known, &mut report).unwrap()
}

fn reading(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    let known = Known { attributes: vec!["department".to_owned()], ..Known::default() };
    for (name, text) in [("hours", HOURS), ("department", DEPARTMENT), ("loop", LOOP)] {
        let yaml = format!("when: |\n  {text}\n");
        let tree = read("rules.yaml", yaml.as_bytes(), &mut Report::new()).unwrap();
        let node = tree.get("when").unwrap();
        group.bench_function(name, |b| b.iter(|| Condition::read(black_box(node), &known, &mut Report::new()).unwrap()));
        group.bench_function(format!("{name}, cel's parser alone"), |b| {
            b.iter(|| cel::parser::Parser::new().parse(black_box(text)).unwrap());
        });
    }
    group.finish();
}

fn evaluating(c: &mut Criterion) {
    let json = br#"{"department":"sales","amount":250,"to":["a@acme.example","b@acme.example"],"body":"text"}"#;
    let document = Document::parse(Bytes::from_static(json), Limits::default()).unwrap();
    let attributes = [("cost_center".to_owned(), "17".to_owned()), ("department".to_owned(), "sales".to_owned())];
    let groups = ["sales".to_owned(), "emea".to_owned()];
    let facts = Facts {
        principal: Caller {
            issuer: "corp",
            subject: "00u1a2b3c",
            authn: "jwt",
            client: Some("desktop"),
            tenant: Some("acme"),
            region: None,
            groups: &groups,
            claimed_roles: &[],
            scopes: Some(&[]),
            attributes: &attributes,
            servers: None,
        },
        roles: &["analyst"],
        access: AccessFacts { method: "tools/call", operation: "write", tool: Some("update"), prompt: None, resource: None },
        server: ServerFacts { name: "crm", owner: None, purpose: None, region: None, classification: "internal" },
        arguments: Arguments::Known(Some(document.root())),
        now: "2026-11-23T10:00:00Z".parse().unwrap(),
        peer: Some("10.1.2.3".parse().unwrap()),
    };
    let [hours, department, all] = [HOURS, DEPARTMENT, LOOP].map(condition);
    let mut group = c.benchmark_group("holds");
    group.bench_function("hours", |b| b.iter(|| black_box(&hours).holds(black_box(&facts))));
    group.bench_function("department", |b| b.iter(|| black_box(&department).holds(black_box(&facts))));
    group.bench_function("both", |b| {
        b.iter(|| (black_box(&hours).holds(black_box(&facts)), black_box(&department).holds(black_box(&facts))));
    });
    group.bench_function("loop", |b| b.iter(|| black_box(&all).holds(black_box(&facts))));

    let programs = ["now.getHours('Europe/Berlin') < 9 || now.getHours('Europe/Berlin') >= 17", DEPARTMENT]
        .map(|text| cel::Program::compile(text).unwrap());
    let now = chrono_time();
    group.bench_function("both, cel's interpreter", |b| {
        b.iter(|| {
            let mut context = cel::Context::default();
            let pairs = |pairs: &[(&str, &str)]| {
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), cel::Value::from(*value)))
                    .collect::<std::collections::HashMap<_, _>>()
            };
            let principal = std::collections::HashMap::from([
                ("subject".to_owned(), cel::Value::from("00u1a2b3c")),
                ("issuer".to_owned(), cel::Value::from("corp")),
                ("attributes".to_owned(), cel::Value::from(pairs(&[("department", "sales")]))),
            ]);
            context.add_variable("principal", cel::Value::from(principal)).unwrap();
            context.add_variable("arguments", cel::Value::from(pairs(&[("department", "sales")]))).unwrap();
            context.add_variable("now", now.clone()).unwrap();
            programs.iter().map(|program| program.execute(&context).unwrap()).collect::<Vec<_>>()
        });
    });
    group.finish();
}

/// `cel` has times of its own, which only its own functions make.
fn chrono_time() -> cel::Value {
    cel::Program::compile("timestamp('2026-11-23T10:00:00Z')").unwrap().execute(&cel::Context::default()).unwrap()
}

criterion_group!(benches, reading, evaluating);
criterion_main!(benches);
