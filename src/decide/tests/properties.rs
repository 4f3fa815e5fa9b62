//! What holds for every condition that is read: it never breaks, says the same twice, and never says what CEL does not.

use std::collections::HashMap;

use cel::Value as CelValue;
use proptest::prelude::*;

use super::{MONDAY, document, try_condition, with_facts};
use crate::decide::{Arguments, Outcome};
use crate::policy::condition::Condition;

fn texts() -> impl Strategy<Value = String> {
    prop::sample::select(vec![
        "'a'",
        "'b'",
        "'ab'",
        "''",
        "principal.subject",
        "principal.tenant",
        "server.owner",
        "principal.region",
        "principal.attributes.department",
        "principal.attributes.clearance",
        "arguments.t",
        "arguments.n",
        "arguments.nothing",
        "('a' + arguments.t)",
        "string(arguments.n)",
    ])
    .prop_map(str::to_owned)
}

fn numbers() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec!["0", "1", "-1", "7", "arguments.n", "arguments.d", "arguments.t", "size(arguments.l)"]);
    leaf.prop_map(str::to_owned).prop_recursive(2, 6, 2, |inner| {
        (inner.clone(), prop::sample::select(vec!["+", "-", "*", "/", "%"]), inner)
            .prop_map(|(l, op, r)| format!("({l} {op} {r})"))
    })
}

fn conditions() -> impl Strategy<Value = String> {
    let compared = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (texts(), compared.clone(), texts()).prop_map(|(l, op, r)| format!("{l} {op} {r}")),
        (numbers(), compared, numbers()).prop_map(|(l, op, r)| format!("{l} {op} {r}")),
        (texts(), prop::sample::select(vec!["startsWith", "endsWith", "contains"]), texts())
            .prop_map(|(l, name, r)| format!("{l}.{name}({r})")),
        (texts(), prop::sample::select(vec!["principal.groups", "arguments.l", "['a', 'b']"]))
            .prop_map(|(x, l)| format!("{x} in {l}")),
        prop::sample::select(vec![
            "has(principal.tenant)",
            "has(server.owner)",
            "has(principal.region)",
            "has(arguments.n)",
            "has(arguments.o.x)",
            "arguments.o.x == arguments.n",
            "arguments.l == [1, 2]",
            "arguments.l[0] == 1",
            "'t' in arguments",
            "arguments.nothing",
            "arguments.b",
        ])
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let range = prop::sample::select(vec!["principal.groups", "arguments.l", "['a', 'sales']", "arguments"]);
        let over = prop::sample::select(vec!["all", "exists", "exists_one"]);
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} && {r})")),
            (inner.clone(), inner.clone()).prop_map(|(l, r)| format!("({l} || {r})")),
            inner.clone().prop_map(|of| format!("!({of})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(c, y, n)| format!("({c} ? {y} : {n})")),
            (range, over, inner).prop_map(|(range, over, body)| format!("{range}.{over}(x, x == 'a' || {body})")),
        ]
    })
}

fn calls() -> impl Strategy<Value = String> {
    let value = |values: &'static [&'static str]| prop::sample::select(values);
    (
        value(&["\"a\"", "\"ab\"", "\"sales\"", "7", "null", "[\"a\"]"]),
        value(&["0", "1", "7", "-3", "9223372036854775807", "\"7\"", "null"]),
        value(&["0.5", "-1.5", "1e300", "12.25"]),
        value(&["[]", "[1,2]", "[\"a\",\"b\"]", "[[1],[\"a\"]]", "{\"a\":1}", "\"a\""]),
        value(&["{\"x\":1}", "{}", "{\"x\":\"a\"}", "[]"]),
        value(&["true", "false", "\"true\""]),
    )
        .prop_map(|(t, n, d, l, o, b)| format!(r#"{{"t":{t},"n":{n},"d":{d},"l":{l},"o":{o},"b":{b}}}"#))
}

fn cel_value(value: &serde_json::Value) -> CelValue {
    match value {
        serde_json::Value::Null => CelValue::Null,
        serde_json::Value::Bool(value) => CelValue::Bool(*value),
        serde_json::Value::Number(number) => {
            number.as_i64().map_or_else(|| CelValue::Float(number.as_f64().unwrap()), CelValue::Int)
        }
        serde_json::Value::String(text) => CelValue::from(text.as_str()),
        serde_json::Value::Array(items) => CelValue::from(items.iter().map(cel_value).collect::<Vec<_>>()),
        serde_json::Value::Object(members) => {
            let members: HashMap<String, CelValue> =
                members.iter().map(|(name, value)| (name.clone(), cel_value(value))).collect();
            CelValue::from(members)
        }
    }
}

/// What the `cel` crate says, with the facts of [`with_facts`].
fn by_cel(text: &str, arguments: &str) -> Option<bool> {
    let principal = serde_json::json!({
        "subject": "ada", "tenant": "acme", "region": "eu", "groups": ["sales", "emea"], "attributes": { "department": "sales" },
    });
    let mut context = cel::Context::default();
    context.add_variable("principal", cel_value(&principal)).unwrap();
    context.add_variable("server", cel_value(&serde_json::json!({}))).unwrap();
    context.add_variable("arguments", cel_value(&serde_json::from_str(arguments).unwrap())).unwrap();
    match cel::Program::compile(text).unwrap_or_else(|error| panic!("{text}: {error}")).execute(&context) {
        Ok(CelValue::Bool(value)) => Some(value),
        Ok(_) | Err(_) => None,
    }
}

fn judged(condition: &Condition, arguments: Arguments<'_>) -> Outcome {
    with_facts(arguments, MONDAY, |facts| {
        let outcome = condition.holds(&facts);
        assert_eq!(condition.holds(&facts), outcome, "the same facts, another answer");
        outcome
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_a_condition_says_is_what_cel_says(text in conditions(), call in calls()) {
        if let Ok(condition) = try_condition(&text) {
            let document = document(&call);
            let known = judged(&condition, Arguments::Known(Some(document.root())));
            let said = match known {
                Outcome::Holds => Some(true),
                Outcome::HoldsNot => Some(false),
                Outcome::Failed(_) => None,
                Outcome::Unknown => return Err(TestCaseError::fail("unknown, with everything known")),
            };
            if let Some(said) = said {
                prop_assert_eq!(by_cel(&text, &call), Some(said), "{} over {}", text, call);
            }
        }
    }

    #[test]
    fn what_is_decided_without_arguments_holds_for_all_of_them(text in conditions(), call in calls()) {
        if let Ok(condition) = try_condition(&text) {
            let document = document(&call);
            let known = judged(&condition, Arguments::Known(Some(document.root())));
            match judged(&condition, Arguments::Unknown) {
                Outcome::Unknown => {}
                Outcome::Failed(_) => prop_assert!(matches!(known, Outcome::Failed(_)), "{} over {}", text, call),
                decided @ (Outcome::Holds | Outcome::HoldsNot) => prop_assert_eq!(known, decided, "{} over {}", text, call),
            }
        }
    }

    #[test]
    fn what_is_read_is_read_by_cel_as_well(text in conditions()) {
        if try_condition(&text).is_ok() {
            prop_assert!(cel::Program::compile(&text).is_ok(), "{}", text);
        }
    }

    #[test]
    fn no_text_breaks_the_reader(words in prop::collection::vec(prop::sample::select(vec![
        "principal", ".", "groups", "(", ")", "[", "]", "'a'", "\"", "'", "\\", "1", "-", "!", "&&", "||", "?", ":", "==", "in", "has",
        "all", "x", ",", "arguments", "now", "getHours", "'UTC'", "1e", "0x", "r'", "ü", " ", "\n", "//", "{", "size", "true", "1.5", "%",
    ]), 0..40), join in prop::sample::select(vec!["", " "])) {
        let text = words.join(join);
        if let Ok(condition) = try_condition(&text) {
            judged(&condition, Arguments::Unknown);
            judged(&condition, Arguments::Known(None));
        }
    }

    #[test]
    fn no_characters_break_the_reader(text in "\\PC{0,60}") {
        let _read = try_condition(&text);
    }
}
