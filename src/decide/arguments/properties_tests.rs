//! Whatever comes, a rule answers: no panic, no long wait.

use proptest::prelude::*;
use tokio::time::{Duration, Instant};

use super::InputSchema;
use super::tests::{parse, rules};
use crate::policy::arguments::ArgumentRules;
use crate::yaml::{Report, read};

/// Values, mostly of the kinds that rules speak of.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?(e[+-]?[0-9]{1,2})?",
        ".{0,20}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        sql().prop_map(|text| serde_json::to_string(&text).unwrap()),
        "(https?|ftp)://[a-z.@:\\[\\]/%0-9]{0,30}".prop_map(|text| serde_json::to_string(&text).unwrap()),
        "/(data|\\.|/|%2e|a){0,8}".prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::btree_map("[a-e]", inner, 0..5).prop_map(object),
        ]
    })
}

fn object(members: std::collections::BTreeMap<String, String>) -> String {
    let members: Vec<_> = members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Texts made of what SQL is made of.
fn sql() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "SELECT",
        "FROM",
        "contacts",
        "secret",
        "WHERE",
        "a",
        "=",
        "1",
        "'x'",
        "(",
        ")",
        ",",
        "*",
        "AND",
        "NOT",
        "IN",
        "UNION",
        "WITH",
        "AS",
        "JOIN",
        "ON",
        "INSERT",
        "INTO",
        "VALUES",
        "UPDATE",
        "SET",
        "DELETE",
        "CASE",
        "WHEN",
        "THEN",
        "END",
        "::",
        "-",
        "/*",
        "*/",
        "--",
        ";",
        "\"a\"",
        "`a`",
        "[a]",
        "INTERVAL",
        "EXTRACT",
        "OVER",
        "LIMIT",
        "TABLE",
        "LATERAL",
        "EXISTS",
        ".",
        "||",
        "BETWEEN",
        "LIKE",
        "CAST",
        "INT",
        "count",
        "ORDER",
        "BY",
        "GROUP",
        "RETURNING",
        "DISTINCT",
        "\n",
        "é",
        "\\",
        "$$",
        "@x",
    ]);
    prop::collection::vec(word, 0..60).prop_map(|words| words.join(" "))
}

fn every_rule() -> ArgumentRules {
    rules(
        r"
a: { sql: { dialect: postgres, statements: [select, insert, update, delete], tables: [contacts] }, optional: true }
b: { sql: { dialect: mysql, statements: [select], tables: [contacts] }, optional: true }
c: { path: { under: /data }, url: { hosts: [a.example] }, email: { domains: [a.example] }, optional: true }
d: { type: [number, string, array], minimum: 1, pattern: '^(a|b)+$', items: { type: integer }, optional: true }
e: { anyOf: [{ type: object, maxProperties: 2 }, { number: 1 }], optional: true }
"
        .replace("{ number: 1 }", "{ type: number }")
        .as_str(),
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_arguments_get_an_answer(members in prop::collection::btree_map("[a-e]", json(), 0..5)) {
        let arguments = parse(&object(members));
        let began = Instant::now();
        if let Err(misfit) = every_rule().check(Some(arguments.root())) {
            prop_assert!(misfit.to_string().starts_with('`'), "{misfit}");
        }
        prop_assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn any_sql_gets_an_answer_soon(text in sql(), dialect in prop::sample::select(vec!["postgres", "mysql", "sqlite", "mssql", "generic"])) {
        let rules = rules(&format!("q: {{ sql: {{ dialect: {dialect}, statements: [select, update], tables: [contacts] }} }}"));
        let arguments = parse(&format!(r#"{{"q":{}}}"#, serde_json::to_string(&text).unwrap()));
        let began = Instant::now();
        let fits = rules.check(Some(arguments.root())).is_ok();
        prop_assert!(began.elapsed() < Duration::from_secs(2), "{text}");
        // Nothing that names another table where a table stands may pass.
        prop_assert!(!(fits && text.contains("FROM secret")), "{text}");
    }

    #[test]
    fn any_rule_is_read_or_refused(text in "[a-z]: \\{ (type|enum|\\$ref|items|minimum|pattern|path|sql|url|not|allOf): [\\[\\]{}a-z0-9: ,'#$/.*()-]{0,40} \\}") {
        let mut report = Report::new();
        let rules = read("t.yaml", text.as_bytes(), &mut report).and_then(|node| ArgumentRules::read(&node, &mut report));
        prop_assert!(rules.is_some() != report.has_errors(), "{report}");
    }

    #[test]
    fn any_input_schema_compiles_or_is_refused(schema in json(), word in "(type|enum|\\$ref|items|properties|allOf|pattern|not|if)", arguments in json()) {
        let schema = parse(&format!(r#"{{"{word}":{schema}}}"#));
        if let Ok(schema) = InputSchema::compile(Some(schema.root())) {
            let _told = schema.check(Some(parse(&arguments).root()));
        }
    }
}
