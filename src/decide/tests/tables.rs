//! What conditions say, case by case.

use super::{MONDAY, condition, document, outcome, with_facts};
use crate::decide::{Arguments, Budget, Failure, Outcome};

const ARGUMENTS: &str = r#"{"amount":250,"rate":0.5,"to":["a@acme.example","b@acme.example"],"department":"sales","note":null,
    "deep":{"a":{"b":7},"list":[1,2,3]},"rows":[{"p":1,"n":"x"},{"p":9,"n":"y"}],"flag":true,"when":"2026-11-22T00:00:00Z","n":"12"}"#;

#[track_caller]
fn holds(texts: &[&str]) {
    for text in texts {
        assert_eq!(outcome(text, ARGUMENTS), Outcome::Holds, "{text}");
    }
}

#[track_caller]
fn fails(failure: Failure, texts: &[&str]) {
    for text in texts {
        assert_eq!(outcome(text, ARGUMENTS), Outcome::Failed(failure), "{text}");
    }
}

#[test]
fn facts_are_what_they_are_called() {
    holds(&[
        "principal.issuer == 'corp' && principal.subject == 'ada' && principal.authn == 'jwt'",
        "principal.client == 'desktop' && principal.tenant == 'acme' && !has(server.owner)",
        "'sales' in principal.groups && principal.claimed_roles.size() == 0 && 'support' in principal.roles",
        "principal.scopes == ['crm.read'] && principal.attributes.department == 'sales'",
        "principal.attributes['department'] == 'sales' && 'department' in principal.attributes",
        "!has(principal.attributes.clearance) && has(principal.tenant) && has(principal.subject)",
        "access.method == 'tools/call' && access.operation == 'write' && access.tool == 'update_ticket'",
        "access.target == access.tool && !has(access.prompt) && !has(access.resource)",
        "server.name == 'crm' && server.classification == 'internal' && server.purpose == 'tickets'",
        "server.purpose == 'tickets' && !has(server.owner) && principal.groups == ['sales', 'emea']",
        "peer.address == '10.1.2.3' && inNetwork(peer.address, '10.0.0.0/8') && !inNetwork(peer.address, '10.2.0.0/16')",
    ]);
}

#[test]
fn times_are_those_of_the_zone() {
    holds(&[
        "now.getHours() == 9 && now.getHours('Europe/Berlin') == 10 && now.getMinutes('Asia/Kolkata') == 0",
        "now.getFullYear() == 2026 && now.getMonth() == 10 && now.getDate() == 23 && now.getDayOfMonth() == 22",
        "now.getDayOfWeek() == 1 && now.getDayOfYear() == 326 && now.getSeconds() == 15 && now.getMilliseconds() == 250",
        "now.getDate('Pacific/Kiritimati') == 23 && now.getDayOfWeek('Pacific/Honolulu') == 0",
        "businessHours(now, 'Europe/Berlin', 9, 17) && !businessHours(now, 'America/New_York', 9, 17)",
        "!businessHours(now, 'UTC', 10, 24) && businessHours(now, 'UTC', 9, 10) && businessHours(now, 'UTC', 0, 24)",
        "now - timestamp(arguments.when) > duration('33h') && (now - timestamp(arguments.when)).getHours() == 33",
        "timestamp('2026-11-23T10:30:15.25+01:00') == now && int(timestamp('1970-01-01T00:01:00Z')) == 60",
        "now + duration('24h') > now && now - duration('1m30s') < now && duration('90s') == duration('1.5m')",
    ]);
    let summer = |text: &str| with_facts(Arguments::Unknown, "2026-07-04T08:30:00Z", |facts| condition(text).holds(&facts));
    assert_eq!(summer("now.getHours('Europe/Berlin') == 10"), Outcome::Holds);
    assert_eq!(summer("businessHours(now, 'Europe/Berlin', 9, 17)"), Outcome::HoldsNot, "a Saturday");
}

#[test]
fn arguments_are_read_as_they_came() {
    holds(&[
        "arguments.amount <= 1000 && arguments.amount + 1 == 251 && arguments.amount % 100 == 50 && -arguments.amount < 0",
        "arguments.rate < 1 && arguments.rate * 2.0 == 1.0 && int(arguments.rate) == 0 && double(arguments.amount) == 250.0",
        "arguments.to.all(x, x.endsWith('@acme.example')) && arguments.to.exists(x, x.startsWith('b'))",
        "arguments.to.exists_one(x, x.contains('a@')) && size(arguments.to.filter(x, x == 'q')) == 0",
        "arguments.rows.map(r, r.p) == [1, 9] && arguments.rows.map(r, r.p > 5, r.n) == ['y']",
        "arguments.deep.a.b == 7 && arguments.deep['a'].b == 7 && arguments.deep.list[1] == 2 && 3 in arguments.deep.list",
        "has(arguments.deep.a) && !has(arguments.deep.x) && has(arguments.note) && arguments.note == null",
        "'amount' in arguments && !('x' in arguments) && size(arguments) == 10 && arguments.exists(k, k == 'rate')",
        "arguments.department == principal.attributes.department && int(arguments.n) == 12 && string(arguments.amount) == '250'",
        "arguments.flag && (arguments.flag ? 'a' : 'b') == 'a' && size('äöü') == 3 && size(arguments.deep) == 2",
        "arguments.to + ['c'] != arguments.to && 'a' + 'b' == 'ab' && arguments.deep == arguments.deep",
        "arguments.n.matches(r'^\\d+$') && matches('x', 'x') && 9223372036854775807 > 1.5",
        "arguments.to[0].matches('^[a-z]@') && arguments.rows.all(r, arguments.rows.exists(q, q.p >= r.p))",
    ]);
}

#[test]
fn what_is_missing_or_of_another_type_is_a_mistake() {
    fails(
        Failure::Missing,
        &[
            "server.owner == 'eu'",
            "principal.attributes.clearance == 'secret'",
            "principal.attributes.clearance != 'secret'",
            "arguments.nothing == 1",
            "!(arguments.nothing == 1)",
            "arguments.deep.nothing == 1",
            "arguments.deep.list[3] == 1",
            "arguments.deep.list[-1] == 1",
            "has(arguments.nothing.x)",
            "arguments.rows.exists_one(r, r.q == 1)",
        ],
    );
    fails(
        Failure::Type,
        &[
            "arguments.amount == '250'",
            "arguments.amount != '250'",
            "arguments.to == 'a@acme.example'",
            "'x' in arguments.department",
            "arguments.department < 5",
            "arguments.note < 5",
            "arguments.amount && true",
            "arguments.amount.x == 1",
            "arguments.rate + 1 == 2",
            "arguments.rate % 2 == 1",
            "arguments.department.exists(x, x == 1)",
            "size(arguments.amount) == 1",
            "1 in arguments.to",
            "arguments.deep == arguments.to",
            "arguments.flag < arguments.flag",
        ],
    );
    fails(Failure::Overflow, &["arguments.amount / 0 == 1", "arguments.amount % 0 == 1", "arguments.rate / 0.0 > 1.0"]);
    fails(Failure::Overflow, &["9223372036854775807 + arguments.amount > 0", "now + duration('100000000h') > now"]);
    fails(Failure::Value, &["int(arguments.department) == 1", "timestamp(arguments.department) < now", "int('+5') == 5"]);
    fails(Failure::Value, &["inNetwork(arguments.department, '10.0.0.0/8')", "double('1_000') == 1000.0", "int('１') == 1"]);
}

#[test]
fn avl_001_a_missing_attribute_is_a_mistake_unless_something_else_decides() {
    fails(
        Failure::Missing,
        &[
            "principal.attributes.clearance == 'a' || access.tool == 'other'",
            "access.tool == 'update_ticket' && principal.attributes.clearance == 'a'",
            "principal.groups.exists(g, g == principal.attributes.clearance)",
            "principal.groups.all(g, g == principal.attributes.clearance)",
        ],
    );
    // CEL: what is settled by one side does not need the other, in whichever order they are written.
    holds(&[
        "principal.attributes.clearance == 'a' || access.tool == 'update_ticket'",
        "access.tool == 'update_ticket' || principal.attributes.clearance == 'a'",
        "!(principal.attributes.clearance == 'a' && access.tool == 'other')",
        "has(principal.attributes.clearance) ? principal.attributes.clearance == 'a' : true",
        "[true, false].exists(x, x || principal.attributes.clearance == 'a')",
    ]);
}

#[test]
fn mcp_075_amounts_of_another_type_are_never_within_the_limit() {
    let judged = |value: &str| outcome("arguments.amount <= 1000", &format!(r#"{{"amount":{value}}}"#));
    for (value, wanted) in [
        ("1000", Outcome::Holds),
        ("1001", Outcome::HoldsNot),
        (r#""1e9""#, Outcome::Failed(Failure::Type)),
        ("1e9", Outcome::HoldsNot),
        ("1000000000.0", Outcome::HoldsNot),
        (r#""\uff11\uff10\uff10\uff10""#, Outcome::Failed(Failure::Type)),
        ("[1]", Outcome::Failed(Failure::Type)),
        ("null", Outcome::Failed(Failure::Type)),
        ("-0", Outcome::Failed(Failure::Number)),
        ("1000.0000000000000001", Outcome::Failed(Failure::Number)),
        ("1000.5", Outcome::HoldsNot),
        ("1e3", Outcome::Holds),
        ("9223372036854775808", Outcome::Failed(Failure::Number)),
        ("true", Outcome::Failed(Failure::Type)),
        (r#"{"amount":1}"#, Outcome::Failed(Failure::Type)),
    ] {
        assert_eq!(judged(value), wanted, "{value}");
    }
    assert_eq!(outcome("arguments.amount <= 1000", "{}"), Outcome::Failed(Failure::Missing));
    assert_eq!(outcome("arguments.amount <= 1000", r#"{"Amount":1}"#), Outcome::Failed(Failure::Doubled));
    with_facts(Arguments::Known(None), MONDAY, |facts| {
        assert_eq!(condition("arguments.amount <= 1000").holds(&facts), Outcome::Failed(Failure::Missing));
        assert_eq!(condition("size(arguments) == 0 && !has(arguments.amount)").holds(&facts), Outcome::Holds);
        assert_eq!(condition("arguments.exists(x, x == 'amount')").holds(&facts), Outcome::HoldsNot);
    });
}

#[test]
fn without_arguments_only_what_needs_them_is_unknown() {
    let judged = |text: &str| with_facts(Arguments::Unknown, MONDAY, |facts| condition(text).holds(&facts));
    for (text, wanted) in [
        ("arguments.x == 1", Outcome::Unknown),
        ("has(arguments.x)", Outcome::Unknown),
        ("size(arguments) > 0", Outcome::Unknown),
        ("access.tool == 'other' && arguments.x == 1", Outcome::HoldsNot),
        ("arguments.x == 1 && access.tool == 'other'", Outcome::HoldsNot),
        ("arguments.x == 1 || access.tool == 'update_ticket'", Outcome::Holds),
        ("access.tool == 'update_ticket' && arguments.x == 1", Outcome::Unknown),
        ("principal.attributes.clearance == arguments.x", Outcome::Failed(Failure::Missing)),
        ("arguments.x == principal.attributes.clearance", Outcome::Failed(Failure::Missing)),
        ("principal.attributes.clearance == 'a' && arguments.x == 1", Outcome::Unknown),
        ("principal.groups.exists(g, g == arguments.x)", Outcome::Unknown),
        ("principal.groups.exists(g, g == 'sales' || g == arguments.x)", Outcome::Holds),
        ("arguments.x ? true : false", Outcome::Unknown),
        ("[arguments.x, server.owner] == ['a', 'b']", Outcome::Failed(Failure::Missing)),
    ] {
        assert_eq!(judged(text), wanted, "{text}");
    }
}

#[test]
fn what_would_take_too_long_is_a_mistake() {
    let list = |count: usize| format!(r#"{{"a":[{}],"b":"x"}}"#, vec!["1"; count].join(","));
    assert_eq!(outcome("arguments.a.all(x, x == 1)", &list(1_000)), Outcome::Holds);
    assert_eq!(outcome("arguments.a.all(x, x == 1)", &list(1_001)), Outcome::Failed(Failure::TooLarge));
    assert_eq!(outcome("2 in arguments.a", &list(1_001)), Outcome::Failed(Failure::TooLarge));
    let squared = "arguments.a.all(x, arguments.a.all(y, x == y))";
    assert_eq!(outcome(squared, &list(10)), Outcome::Holds);
    assert_eq!(outcome(squared, &list(1_000)), Outcome::Failed(Failure::Steps));
    // Nothing makes good for a condition that does not end.
    assert_eq!(outcome(&format!("{squared} || true"), &list(1_000)), Outcome::Failed(Failure::Steps));
    assert_eq!(outcome(&format!("true || {squared}"), &list(1_000)), Outcome::Holds);

    let text = |len: usize| format!(r#"{{"a":"{}","b":"x"}}"#, "x".repeat(len));
    assert_eq!(outcome("arguments.a.contains('y')", &text(60_000)), Outcome::HoldsNot);
    assert_eq!(outcome("arguments.a.contains('y')", &text(70_000)), Outcome::Failed(Failure::TooLarge));
    assert_eq!(outcome("arguments.b == 'x' && has(arguments.a)", &text(70_000)), Outcome::Holds, "only what is named counts");
    assert_eq!(outcome("arguments.exists(x, x == 'b')", &text(70_000)), Outcome::Failed(Failure::TooLarge));
    let doubling = "arguments.a + arguments.a == 'x'";
    assert_eq!(outcome(doubling, &text(60_000)), Outcome::Failed(Failure::TooLarge));
    let many = format!("{{{}}}", (0..1_001).map(|at| format!("\"a{at}\":1")).collect::<Vec<_>>().join(","));
    assert_eq!(outcome("arguments.a1 == 1", &many), Outcome::Failed(Failure::TooLarge));
    let compared = ["arguments.a == arguments.a"; 8].join(" && ");
    assert_eq!(outcome(&compared, &list(30_000)), Outcome::Failed(Failure::Steps));
    let searches = vec!["arguments.a.contains('y')"; 100].join(" || ");
    assert_eq!(outcome(&searches, &text(60_000)), Outcome::Failed(Failure::Steps));
}

#[test]
fn arguments_that_are_no_mapping_have_no_members() {
    let document = document("[1,2]");
    with_facts(Arguments::Known(Some(document.root())), MONDAY, |facts| {
        for text in ["arguments.x == 1", "has(arguments.x)", "'x' in arguments || true"] {
            let wanted = if text.ends_with("true") { Outcome::Holds } else { Outcome::Failed(Failure::Type) };
            assert_eq!(condition(text).holds(&facts), wanted, "{text}");
        }
    });
}

#[test]
fn the_examples_of_the_documentation_are_read() {
    let page = include_str!("../../../docs/conditions.md");
    let mut count = 0;
    for example in page.split("```cel\n").skip(1) {
        let text = example.split("```").next().unwrap_or_default().trim();
        condition(text);
        count += 1;
    }
    assert!(count >= 10, "{count}");
}

/// Each of many rules may take its ten thousand steps; all of them together may not.
#[test]
fn what_all_conditions_of_a_decision_take_is_bounded() {
    let names: Vec<String> = (0..900).map(|number| format!("\"n{number}\"")).collect();
    let document = document(&format!("{{\"names\":[{}]}}", names.join(",")));
    let heavy = condition("arguments.names.all(n, n != 'x' && n != 'y')");
    with_facts(Arguments::Known(Some(document.root())), MONDAY, |facts| {
        let budget = Budget::default();
        let outcomes: Vec<Outcome> = (0..200).map(|_| heavy.holds_within(&facts, &budget)).collect();
        let held = outcomes.iter().take_while(|outcome| **outcome == Outcome::Holds).count();
        assert!((20..190).contains(&held), "{held}");
        assert!(outcomes.iter().skip(held).all(|outcome| *outcome == Outcome::Failed(Failure::Steps)));
        // Another decision begins anew.
        assert_eq!(heavy.holds(&facts), Outcome::Holds);
    });
}
