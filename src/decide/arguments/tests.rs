use bytes::Bytes;

use super::*;
use crate::protocol::json::{Document, Limits};
use crate::yaml::{Report, read};

pub(super) fn rules(text: &str) -> ArgumentRules {
    let mut report = Report::new();
    let node = read("t.yaml", text.as_bytes(), &mut report).unwrap();
    ArgumentRules::read(&node, &mut report).unwrap_or_else(|| panic!("{text}\n{report}"))
}

pub(super) fn parse(json: &str) -> Document {
    Document::parse(Bytes::copy_from_slice(json.as_bytes()), Limits::default()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// What a rule says of arguments.
pub(super) fn judge(rules: &ArgumentRules, arguments: &str) -> Result<(), String> {
    rules.check(Some(parse(arguments).root())).map_err(|misfit| misfit.to_string())
}

#[test]
fn a_named_argument_must_be_there_unless_it_is_optional_and_others_are_free() {
    let rules = rules("priority: { enum: [low, normal] }\nnote: { type: string, optional: true }");
    let words = "`priority` must be one of `low`, `normal`.";
    assert_eq!(judge(&rules, r#"{"priority":"low","else":[1]}"#), Ok(()));
    assert_eq!(judge(&rules, r#"{"priority":"normal","note":"x"}"#), Ok(()));
    assert_eq!(judge(&rules, r#"{"priority":"high"}"#), Err(words.to_owned()));
    assert_eq!(judge(&rules, r#"{"priority":null}"#), Err(words.to_owned()));
    assert_eq!(judge(&rules, r#"{"priority":["low"]}"#), Err(words.to_owned()));
    assert_eq!(judge(&rules, "{}"), Err(words.to_owned()));
    assert_eq!(rules.check(None).unwrap_err().to_string(), words);
    assert!(judge(&rules, r#"{"priority":"low","note":7}"#).is_err());
    for arguments in ["[]", "null", "\"low\"", "7"] {
        assert_eq!(judge(&rules, arguments), Err("The arguments must be an object.".to_owned()), "{arguments}");
    }
    assert_eq!(rules.names().collect::<Vec<_>>(), ["priority", "note"]);
}

#[test]
fn a_second_spelling_of_a_named_argument_is_refused() {
    let both = rules("priority: { enum: [low] }\nPRIORITY: { enum: [x], optional: true }");
    let rules = rules("priority: { enum: [low], optional: true }");
    for arguments in [r#"{"priority":"low","Priority":"high"}"#, r#"{"PRIORITY":"high"}"#, r#"{"priority ":"high"}"#] {
        assert!(judge(&rules, arguments).unwrap_err().contains("another case"), "{arguments}");
    }
    assert_eq!(judge(&both, r#"{"priority":"low","PRIORITY":"x"}"#), Ok(()));
}

#[test]
fn the_misfit_with_the_fewest_failures_is_the_nearest() {
    let two = rules("a: { enum: [1] }\nb: { enum: [1] }").check(Some(parse("{}").root())).unwrap_err();
    let one = rules("a: { enum: [1] }\nb: { enum: [1] }").check(Some(parse(r#"{"a":1}"#).root())).unwrap_err();
    assert_eq!((two.failures(), one.failures()), (2, 1));
    assert_eq!(two.to_string(), "`a` must be one of `1`; `b` must be one of `1`.".replace("be one of", "be"));
    assert_eq!(Misfit::nearest([two, one.clone()]), Some(one));
    assert_eq!(Misfit::nearest([]), None);
}

#[test]
fn mcp_075_an_amount_that_is_no_plain_number_or_too_large_is_refused() {
    for rule in [
        "amount: { type: integer, maximum: 1000 }",
        "amount: { type: number, maximum: 1000 }",
        "amount: { number: { max: 1000 } }",
        "amount: { type: integer, number: { max: 1000 } }",
    ] {
        let rules = rules(rule);
        for value in [
            "\"1e9\"",
            "1e9",
            "1000000000.0",
            "\"１０００\"",
            "\"1000\"",
            "[1]",
            "null",
            "-0",
            "-0.0",
            "true",
            "{}",
            "1001",
            "1000.0000000001",
            "1e300",
            "1000.00000000000000000000001",
            "999.99999999999999999999999",
            "18446744073709551616",
            "9999999999999999999999",
            "1e-300",
        ] {
            assert!(judge(&rules, &format!(r#"{{"amount":{value}}}"#)).is_err(), "{rule} {value}");
        }
        for value in ["1000", "0", "-5", "1", "1000.0", "1e3"] {
            assert_eq!(judge(&rules, &format!(r#"{{"amount":{value}}}"#)), Ok(()), "{rule} {value}");
        }
    }
}

#[test]
fn whole_numbers_of_64_bits_are_compared_exactly() {
    let rules = rules("n: { type: integer, maximum: 9007199254740992 }\nm: { const: 18446744073709551615, optional: true }");
    assert_eq!(judge(&rules, r#"{"n":9007199254740992}"#), Ok(()));
    assert!(judge(&rules, r#"{"n":9007199254740993}"#).is_err());
    assert_eq!(judge(&rules, r#"{"n":1,"m":18446744073709551615}"#), Ok(()));
    assert!(judge(&rules, r#"{"n":1,"m":18446744073709551614}"#).is_err());
}

#[test]
fn each_item_of_a_list_is_held_to_its_ready_check() {
    let rules = rules("paths: { type: array, items: { path: { under: /data } } }");
    assert_eq!(judge(&rules, r#"{"paths":["/data/a","/data/b"]}"#), Ok(()));
    assert_eq!(judge(&rules, r#"{"paths":[]}"#), Ok(()));
    for value in [r#"["/data/a","/etc/passwd"]"#, r#""/data/a""#, r#"[["/data/a"]]"#, r#"{"0":"/data/a"}"#, "[null]"] {
        assert!(judge(&rules, &format!(r#"{{"paths":{value}}}"#)).is_err(), "{value}");
    }
}

#[test]
fn the_words_of_a_schema_are_held_to() {
    let rules = rules(
        r"
when: { type: string, format: date }
id: { type: string, pattern: '^[A-Z]{2}\d+$' }
tags: { type: array, items: { enum: [a, b] }, uniqueItems: true, maxItems: 2, optional: true }
box: { type: object, properties: { w: { $ref: '#/$defs/size' } }, required: [w], additionalProperties: false, $defs: { size: { type: integer, minimum: 1 } }, optional: true }
",
    );
    let good = r#"{"when":"2026-11-29","id":"DE1","tags":["a","b"],"box":{"w":1}}"#;
    assert_eq!(judge(&rules, good), Ok(()));
    for (from, to) in [
        ("2026-11-29", "2026-13-29"),
        ("DE1", "DE1\\n"),
        ("DE1", "DE１"),
        ("DE1", "xDE1"),
        (r#"["a","b"]"#, r#"["a","a"]"#),
        (r#"["a","b"]"#, r#"["c"]"#),
        (r#"{"w":1}"#, r#"{"w":0}"#),
        (r#"{"w":1}"#, r#"{"w":1,"h":2}"#),
        (r#"{"w":1}"#, "{}"),
    ] {
        assert!(judge(&rules, &good.replace(from, to)).is_err(), "{from} as {to}");
    }
}

#[test]
fn a_value_that_would_cost_too_much_to_judge_is_refused() {
    let options: Vec<_> = (0..2_000).map(|n| format!("x{n}")).collect();
    let rules = rules(&format!("l: {{ type: array, items: {{ enum: [{}] }} }}", options.join(", ")));
    let list = |count: usize| format!(r#"{{"l":[{}]}}"#, vec!["\"x1999\""; count].join(","));
    assert_eq!(judge(&rules, &list(100)), Ok(()));
    assert!(judge(&rules, &list(50_000)).is_err());
}

fn input(schema: &str) -> Result<InputSchema, UnusableSchema> {
    InputSchema::compile(Some(parse(schema).root()))
}

#[test]
fn what_does_not_fit_a_tools_own_schema_is_named() {
    let schema = input(
        r##"{"$schema":"http://json-schema.org/draft-07/schema#","$id":"https://tool.example/x","type":"object",
            "properties":{"limit":{"type":"integer","minimum":1},"sort":{"enum":["up","down"]},"q":{"$ref":"#/definitions/q"},
            "deep":{"type":"object","required":["a"],"properties":{"a":{"type":["string","null"]}}}},
            "required":["q"],"additionalProperties":false,"definitions":{"q":{"type":"string","maxLength":3,"pattern":"^[a-z]*$"}}}"##,
    )
    .unwrap();
    let told = |arguments: &str| schema.check(Some(parse(arguments).root())).err();
    assert_eq!(told(r#"{"q":"abc","limit":5,"sort":"up","deep":{"a":null}}"#), None);
    for (arguments, expected) in [
        (r#"{"q":"a","limit":"5"}"#, "`limit` must be a whole number"),
        (r#"{"q":"a","limit":0}"#, "`limit` must be at least 1"),
        (r#"{"q":"a","sort":"x"}"#, "`sort` must be one of `up`, `down`"),
        (r#"{"q":"abcd"}"#, "`q` must have at most 3 characters"),
        (r#"{"q":"A"}"#, "`q` does not fit the tool's input schema"),
        ("{}", "`q` is missing"),
        (r#"{"q":"a","x":1}"#, "the arguments have `x`, which the tool does not know"),
        (r#"{"q":"a","deep":{}}"#, "`deep` lacks `a`"),
        (r#"{"q":"a","deep":{"a":7}}"#, "`deep.a` must be null or text"),
        ("[]", "the arguments must be an object"),
        (
            r#"{"q":"a","limit":1.00000000000000000001}"#,
            "the arguments are too large, or hold a number that cannot be read exactly",
        ),
    ] {
        assert_eq!(told(arguments).as_deref(), Some(expected), "{arguments}");
    }
    assert_eq!(schema.check(None).unwrap_err(), "`q` is missing");
}

/// To say what is wrong with each of a hundred thousand items costs memory that nobody has to give.
#[test]
fn what_is_wrong_with_large_arguments_is_not_looked_for() {
    let schema =
        input(r#"{"properties":{"n":{"anyOf":[{"type":"array","items":{"type":"integer"}},{"type":"null"}]}}}"#).unwrap();
    let items = |item: &str| format!(r#"{{"n":[{}]}}"#, vec![item; 10_000].join(","));
    let told = |arguments: &str| schema.check(Some(parse(arguments).root())).err();
    assert_eq!(told(&items("7")), None);
    let text = format!("\"{}\"", "x".repeat(100));
    assert_eq!(told(&items(&text)).as_deref(), Some("the arguments do not fit, and are too large to say where"));
}

#[test]
fn a_tools_schema_that_nobody_can_be_held_to_is_none() {
    let wide = format!(r#"{{"enum":["{}"]}}"#, "x".repeat(70_000));
    let refs: Vec<_> = (0..30)
        .map(|n| format!(r##""d{n}":{{"allOf":[{{"$ref":"#/$defs/d{m}"}},{{"$ref":"#/$defs/d{m}"}}]}}"##, m = n + 1))
        .collect();
    let bomb = format!(r##"{{"$defs":{{{},"d30":true}},"$ref":"#/$defs/d0"}}"##, refs.join(","));
    for (schema, expected) in [
        ("true", "it is no schema that can be compiled"),
        ("[]", "it is no schema that can be compiled"),
        (r#"{"type":"strng"}"#, "it is no schema that can be compiled"),
        (r#"{"type":"string","pattern":"(?=x)"}"#, "it is no schema that can be compiled"),
        (r#"{"pattern":"("}"#, "it is no schema that can be compiled"),
        (r#"{"pattern":"((a{1000}){1000}){1000}"}"#, "it is no schema that can be compiled"),
        (r#"{"$schema":"http://evil.example/meta"}"#, "it is written in a dialect of JSON Schema that is not read"),
        (r#"{"$ref":"https://evil.example/x"}"#, "a reference in it leads outside or nowhere"),
        (r##"{"properties":{"a":{"$ref":"#"}}}"##, "it refers to itself"),
        (r#"{"properties":{"a":{"$id":"http://evil.example/"}}}"#, "a reference in it leads outside or nowhere"),
        (wide.as_str(), "it is too large"),
        (bomb.as_str(), "it is too large"),
    ] {
        let shown = schema.get(..80).unwrap_or(schema);
        assert_eq!(input(schema).map(|_| ()).map_err(|error| error.to_string()), Err(expected.to_owned()), "{shown}");
    }
    assert!(InputSchema::compile(None).is_err());
}
