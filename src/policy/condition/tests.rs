//! What is wrong with a condition is told with its place, and what is right is read.

use super::{Condition, Names};
use crate::policy::Known;
use crate::yaml::{Place, Report, Severity, read};

/// Wrong conditions as they stand in a file, and what is said of them: `line:column` of `when:` being 1:1, message, hint.
const WRONG: &str = include_str!("wrong.txt");

fn known() -> Known {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    Known {
        servers: names(&["crm", "mail"]),
        issuers: names(&["corp"]),
        attributes: names(&["department", "cost-center", "clearance"]),
        ..Known::default()
    }
}

fn read_yaml(yaml: &str) -> (Option<Condition>, Report) {
    let mut report = Report::new();
    let condition = read("rules.yaml", yaml.as_bytes(), &mut report)
        .and_then(|tree| Condition::read(tree.get("when").unwrap(), &known(), &mut report));
    (condition, report)
}

fn good(text: &str) -> Condition {
    let (condition, report) = read_yaml(&format!("when: |-\n  {text}\n"));
    assert!(!report.has_errors(), "{text}\n{report}");
    condition.unwrap()
}

fn shown(place: Place) -> String {
    format!("{}:{}", place.line, place.column)
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_to_do() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in WRONG.split("\n====\n").map(str::trim_end).filter(|case| !case.is_empty()) {
        let (yaml, expected) = case.split_once("\n----\n").unwrap_or((case, ""));
        let (condition, report) = read_yaml(&format!("{yaml}\n"));
        let found: Vec<String> = report
            .diagnostics()
            .iter()
            .map(|found| {
                assert_eq!(found.severity, Severity::Error, "{yaml}");
                format!("{} {} ({})", shown(found.place), found.message, found.hint.as_deref().unwrap_or_default())
            })
            .collect();
        count += 1;
        assert!(condition.is_none(), "{yaml}");
        if found.join("\n") != expected {
            wrong.push(format!("{yaml}\n----\n{}", found.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n====\n"));
    assert!(count >= 40, "{count}");
}

#[test]
fn what_a_condition_reads_is_known() {
    let reads = |text: &str| {
        let condition = good(text);
        let reads = condition.reads().clone();
        let arguments = match reads.arguments {
            Names::All => "all".to_owned(),
            Names::None => "none".to_owned(),
            Names::Some(names) => names.join(","),
        };
        (arguments, reads.now, reads.peer)
    };
    let none = "none".to_owned();
    assert_eq!(reads("principal.tenant == 'acme'"), (none.clone(), false, false));
    assert!(good("principal.tenant == 'acme'").reads().nothing());
    assert!(!good("access.method == 'resources/read'").reads().nothing());
    assert_eq!(reads("now.getHours() < 9 && inNetwork(peer.address, '10.0.0.0/8')"), (none.clone(), true, true));
    assert_eq!(reads("peer.address == '10.0.0.1'"), (none, false, true));
    assert_eq!(reads("arguments.a == arguments['b'] || has(arguments.a.c) || 'd' in arguments").0, "a,b,d");
    assert_eq!(reads("arguments.all(x, x != 'y') && arguments.a == 1").0, "all");
    assert!(!good("arguments.a == 1").reads().nothing());
}

#[test]
fn a_condition_about_nothing_is_warned_of() {
    for text in ["true", "1 < 2", "['a'].exists(x, x == 'a')"] {
        let (condition, report) = read_yaml(&format!("when: \"{text}\"\n"));
        assert!(condition.is_some() && !report.has_errors());
        assert!(report.to_string().contains("this condition is about nothing"), "{report}");
    }
}

#[test]
fn what_is_right_is_read() {
    for text in [
        "principal.issuer == 'corp' && access.operation in ['write', 'destructive']",
        "has(principal.tenant) ? principal.tenant == 'acme' : false",
        "'cost-center' in principal.attributes && principal.attributes['cost-center'] == '17'",
        "size(arguments) > 3 || arguments.list.size() == 0 || 'a'.size() < 2",
        "arguments.to.exists(x, x.matches(r'@acme\\.example$')) == false",
        "arguments.rows.all(row, row.cells.exists(cell, cell == row.best))",
        "principal.groups.filter(g, g.startsWith('x')).map(g, g + '!').size() > 0",
        "arguments.items.map(i, i.price > 5, i.price).exists_one(p, p == 6)",
        "now - timestamp('2026-01-01T00:00:00Z') > duration('24h') && now.getDayOfWeek('UTC') != 0",
        "businessHours(now, 'Europe/Berlin', 9, 17) || !inNetwork(arguments.ip, 'fd00::/8')",
        "server.name == 'crm' && server.classification != 'public' && 'pii' in principal.groups",
        "-1 < int(arguments.n) && double(arguments.n) <= 1.5e3 && string(arguments.n) != ''",
        "arguments.n == -9223372036854775808 || arguments.n == 0x1F || arguments.x == null",
        "arguments.a[0] == 1 && arguments['a b'] == 'x' && [1, 2, 3][arguments.i] == 2",
        "(now - timestamp(arguments.since)).getHours() < 24",
        "principal.scopes == ['a'] || principal.roles + ['b'] != [] || !(arguments.n % 2 == 1)",
        "arguments.a.b['c'].d == \"\\u00e9\\x41\\101\\n\" ",
    ] {
        good(text);
    }
}

#[test]
fn the_bounds_of_a_condition_are_where_they_are_said_to_be() {
    let nested = |levels: usize| format!("{}true{}", "(".repeat(levels), ")".repeat(levels));
    good(&nested(super::MAX_DEPTH - 1));
    let too_long = format!("true{}", " ".repeat(super::MAX_LENGTH));
    let sums = |count: usize| format!("{} == 1", vec!["arguments.n"; count].join(" + "));
    good(&sums(super::MAX_DEPTH - 2));
    good(&vec!["access.tool == 'x'"; 180].join(" || "));
    for bad in [
        nested(super::MAX_DEPTH),
        nested(2000),
        sums(super::MAX_DEPTH + 1),
        sums(290),
        format!("arguments{} == 1", ".a".repeat(2000)),
        format!("arguments{} == 1", "[0]".repeat(1300)),
        format!("{}true", "!".repeat(4000)),
        format!("arguments.n == {}1.5", "-".repeat(4000)),
        vec!["true ?"; 600].join(" true : "),
        "[".repeat(4000),
        too_long,
    ] {
        let (condition, report) = read_yaml(&format!("when: |-\n  {bad}\n"));
        assert!(condition.is_none() && report.has_errors());
    }
}

#[test]
fn places_are_found_through_everything_that_yaml_does_to_a_text() {
    // Each has `grups` once, which is nothing; the place must be that of this word.
    for yaml in [
        "when: \"'a' in grups\"",
        "when: '''a'' in grups && ''it\\''s'' == principal.subject'",
        "when: \"\\\"a\\\" in \\x67rups\"",
        "when: 'true &&\n  \"a\" in\n\n    grups'",
        "when: true &&\n  'a' in\n    grups",
        "when: |\n  true &&\n    'a' in grups",
        "when: |2\n    true &&\n  'a' in grups",
        "when: >-\n  true &&\n  'ä' in\n  grups\n",
        "when: >\n\n  true &&\n\n  'a' in grups",
        "when: \"true &&\\\n   'a' in grups\"",
    ] {
        let (_, report) = read_yaml(yaml);
        let found = report.diagnostics();
        assert_eq!(found.len(), 1, "{yaml}\n{report}");
        let place = found[0].place;
        let line: Vec<char> = yaml.lines().nth(place.line - 1).unwrap().chars().collect();
        let rest: String = line[place.column - 1..].iter().collect();
        assert!(rest.starts_with("grups") || rest.starts_with("\\x67rups"), "{yaml}\n{report}");
        assert_eq!(place.end_line, place.line, "{yaml}");
    }
}
