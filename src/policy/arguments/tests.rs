use super::*;
use crate::yaml::read;

/// The rules, or what is wrong with them: `line:column message (hint)`.
fn rules(text: &str) -> Result<ArgumentRules, Vec<String>> {
    let mut report = Report::new();
    let node = read("t.yaml", text.as_bytes(), &mut report).unwrap_or_else(|| panic!("{report}"));
    let rules = ArgumentRules::read(&node, &mut report);
    let row = |found: &crate::yaml::Diagnostic| {
        format!("{}:{} {} ({})", found.place.line, found.place.column, found.message, found.hint.as_deref().unwrap_or_default())
    };
    let rows: Vec<_> = report.diagnostics().into_iter().map(row).collect();
    match rules {
        Some(rules) if rows.is_empty() => Ok(rules),
        Some(_) => panic!("rules in spite of {rows:?}"),
        None => Err(rows),
    }
}

fn accepted(text: &str) -> String {
    rules(text).unwrap_or_else(|rows| panic!("{text}: {rows:?}")).0[0].accepts.clone()
}

#[test]
fn the_words_of_a_refusal_say_what_would_be_accepted() {
    for (rule, expected) in [
        ("priority: { enum: [low, normal] }", "`priority` must be one of `low`, `normal`"),
        ("n: { type: integer, minimum: 1, maximum: 10 }", "`n` must be a whole number from 1 to 10"),
        ("n: { type: number, exclusiveMinimum: 0 }", "`n` must be a number above 0"),
        ("n: { type: integer, optional: true }", "`n`, where it is given, must be a whole number"),
        ("flag: { const: true }", "`flag` must be `true`"),
        ("s: { type: string, maxLength: 1 }", "`s` must be text and have at most 1 character"),
        ("s: { type: string, pattern: '^secret-[a-z]+$' }", "`s` must be text and have the expected form"),
        ("s: { type: string, format: date }", "`s` must be text and have the format `date`"),
        (
            "l: { type: array, maxItems: 3, items: { enum: [1, 2] } }",
            "`l` must be a list, hold at most 3 items and hold only items that be one of `1`, `2`",
        ),
        ("o: { type: object, required: [a] }", "`o` must be an object and have the members `a`"),
        ("x: { type: [string, 'null'] }", "`x` must be text or null"),
        ("note: {}", "`note` must be given"),
        ("p: { path: { under: /data } }", "`p` must lie under `/data` as a plain absolute path"),
        ("p: { path: { under: [/data/, /tmp/x] } }", "`p` must lie under `/data` or `/tmp/x` as a plain absolute path"),
        ("u: { url: { hosts: ['*.example.com'] } }", "`u` must be a plain https URL with the host `*.example.com`"),
        ("m: { email: { domains: [example.com] } }", "`m` must be one plain e-mail address `@example.com`"),
        ("a: { number: { min: 0.10, max: 1000 } }", "`a` must be a number from 0.10 to 1000"),
        (
            "q: { sql: { dialect: postgres, statements: [select], tables: [contacts, public.notes] } }",
            "`q` must be one SELECT statement on the tables `contacts`, `public.notes`, in plain SQL without comments",
        ),
        ("q: { type: string, say: Ask for a week at most. }", "Ask for a week at most."),
    ] {
        assert_eq!(accepted(rule), expected, "{rule}");
    }
}

#[test]
fn a_list_may_have_a_ready_check_for_each_of_its_items() {
    let rules = rules("paths: { type: array, maxItems: 2, items: { maxLength: 20, path: { under: /data } } }").unwrap();
    assert_eq!(rules.0[0].each.len(), 1);
    assert_eq!(
        rules.0[0].accepts,
        "`paths` must be a list, hold at most 2 items, hold only items that have at most 20 characters and hold only items that lie \
         under `/data` as a plain absolute path"
    );
}

#[test]
fn every_mistake_is_told_with_its_place_and_the_way_out() {
    let table: &[(&str, &str)] = &[
        ("a: { enm: [1] }", "1:6 unknown word `enm` in the rule of an argument (did you mean `enum`?)"),
        ("a: { type: strng }", "1:12 `strng` is not a type (did you mean `string`?)"),
        ("a: { type: string, format: emial }", "1:28 `emial` is not a format that is checked (did you mean `email`?)"),
        ("a: { type: string, pattern: '(' }", "1:29 `(` is not a pattern that can be matched in linear time"),
        ("a: { type: string, pattern: '(?=x)y' }", "1:29 `(?=x)y` is not a pattern that can be matched in linear time"),
        ("a: { type: string, pattern: '(a)\\1' }", "1:29 `(a)\\1` is not a pattern that can be matched in linear time"),
        ("a: { type: string, pattern: '((a{1000}){1000}){1000}' }", "is not a pattern that can be matched in linear time"),
        ("a: { type: integer, minimum: 5, maximum: 2 }", "1:30 `minimum` is above `maximum` (nothing could fit)"),
        ("a: { maximum: 2 }", "1:6 `maximum` is true of every value that is no number (add `type: number`)"),
        ("a: { type: string, maximum: 2 }", "1:20 `maximum` says nothing about a value of this `type` (it is for `number`)"),
        ("a: { type: integer, minimum: '5' }", "1:30 this is not what JSON Schema takes here (a number)"),
        (
            "a: { type: string, maxLength: -1 }",
            "1:31 this is not what JSON Schema takes here (a whole number that is not negative)",
        ),
        ("a: { enum: low }", "1:12 this is not what JSON Schema takes here (a list of values)"),
        ("a: { enum: [yes] }", "1:13 `yes` is a truth value to some readers and text to others"),
        ("a: { enum: [0x10] }", "1:13 `0x10` is a number to some readers and text to others"),
        ("a: { enum: [1_000] }", "1:13 `1_000` is a number to some readers and text to others"),
        ("a: { enum: [010] }", "1:13 `010` is a number to some readers and text to others"),
        ("a: { enum: [12:30] }", "1:13 `12:30` is a number to some readers and text to others"),
        ("a: { const: 0.12345678901234567 }", "1:13 `0.12345678901234567` cannot be compared exactly"),
        ("a: { $ref: 'http://example.com/x' }", "1:12 `http://example.com/x` leads outside of this rule"),
        (
            "a: { $ref: '#/$defs/shrt', $defs: { short: {} } }",
            "1:12 there is no `shrt` in `$defs` (did you mean `#/$defs/short`?)",
        ),
        ("a: { $ref: '#/$defs/x', $defs: { x: { $ref: '#/$defs/x' } } }", "this schema cannot be used: it refers to itself"),
        ("a: { $id: x }", "1:6 `$id` is not read here"),
        ("a: { contentEncoding: base64 }", "1:6 `contentEncoding` is not read here"),
        ("a: { type: object, properties: { p: { enumm: [1] } } }", "1:39 unknown word `enumm`"),
        ("a: { type: object, properties: { p: { path: { under: /x } } } }", "stands beside the other words of an argument"),
        ("a: 7", "1:4 expected a mapping, found a single value"),
        ("{}", "1:1 `arguments` is empty"),
        ("a: { optional: true }", "1:1 nothing is said about `a`"),
        ("a: { optional: maybe }", "1:16 `maybe` is neither `true` nor `false`"),
        ("a: { path: { under: data } }", "1:21 `data` is not a plain absolute path"),
        ("a: { path: { under: /data/../etc } }", "1:21 `/data/../etc` is not a plain absolute path"),
        ("a: { path: { below: /data } }", "1:14 unknown key `below`"),
        ("a: { path: {} }", "the key `under` is missing"),
        ("a: { url: { hosts: ['https://x.example'] } }", "1:21 `https://x.example` is not a name of a host"),
        ("a: { url: { hosts: ['*.com'] } }", "1:21 `*.com` is not a name of a host"),
        ("a: { url: { hosts: ['x.example:8080'] } }", "is not a name of a host"),
        ("a: { url: { hosts: [X.example] } }", "is not a name of a host"),
        ("a: { url: { schemes: ['https://'], hosts: [x.example] } }", "1:23 `https://` is not a scheme"),
        ("a: { url: { schemes: [file], hosts: [x.example] } }", "`file` is a scheme of URLs without a host"),
        ("a: { email: { domains: [user@example.com] } }", "1:25 `user@example.com` is not a mail domain"),
        ("a: { email: { domains: [10.0.0.1] } }", "is not a mail domain"),
        ("a: { number: { min: 2, max: 1 } }", "1:21 `min` is above `max`"),
        ("a: { number: { min: '2' } }", "1:21 `2` is not a number"),
        ("a: { number: {} }", "this range has no end"),
        (
            "a: { sql: { dialect: postgres, statements: [selct], tables: [t] } }",
            "1:45 `selct` is not one of the accepted words (did you mean `select`?)",
        ),
        ("a: { sql: { dialect: oracle, statements: [select], tables: [t] } }", "1:22 `oracle` is not one of the accepted words"),
        ("a: { sql: { statements: [select], tables: [t] } }", "the key `dialect` is missing"),
        ("a: { sql: { dialect: mysql, statements: [select], tables: ['*'] } }", "`*` is not the name of a table"),
        ("a: { sql: { dialect: mysql, statements: [select], tables: [] } }", "`tables` is empty"),
    ];
    for (text, expected) in table {
        let rows = rules(text).expect_err(text);
        assert!(rows.iter().any(|row| row.contains(expected)), "{text}\nexpected {expected}\ngot {rows:#?}");
    }
}

#[test]
fn all_words_of_json_schema_that_are_known_compile() {
    let text = r"
a:
  title: t
  description: d
  $comment: c
  default: { x: 1 }
  examples: [{ x: 2 }]
  deprecated: false
  type: object
  properties: { x: { type: integer, multipleOf: 2 }, y: { $ref: '#/$defs/short' } }
  patternProperties: { '^x-': { type: string, format: uuid } }
  additionalProperties: false
  propertyNames: { type: string, maxLength: 10 }
  required: [x]
  dependentRequired: { y: [x] }
  dependentSchemas: { y: { type: object, minProperties: 2 } }
  maxProperties: 5
  allOf: [{ not: { type: object, required: [z] } }]
  if: { type: object, required: [y] }
  then: { type: object, minProperties: 2 }
  else: { type: object, minProperties: 1 }
  $defs: { short: { type: string, minLength: 1, maxLength: 3 } }
b:
  type: array
  prefixItems: [{ type: string }]
  items: { oneOf: [{ type: integer }, { const: null }] }
  contains: { type: integer }
  minContains: 1
  maxContains: 3
  uniqueItems: true
  unevaluatedItems: false
";
    assert_eq!(rules(text).unwrap().names().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn decimals_compare_digit_by_digit() {
    let decimal = |text: &str| Decimal::parse(text).unwrap_or_else(|| panic!("{text}"));
    for (less, more) in [
        ("0", "1"),
        ("-1", "0"),
        ("-1000", "-999.999"),
        ("999.9999999999999999999", "1000"),
        ("1e2", "101"),
        ("0.1", "0.10000000000000000001"),
        ("9007199254740992", "9007199254740993"),
        ("1e-5", "1e-4"),
        ("99", "1e3"),
    ] {
        assert!(decimal(less) < decimal(more), "{less} < {more}");
        assert!(decimal(more) > decimal(less), "{more} > {less}");
    }
    for (one, other) in [("1000", "1e3"), ("1000.0", "1000"), ("0", "0.00"), ("0e5", "0"), ("10e-1", "1.0"), ("-5", "-0.5e1")] {
        assert!(decimal(one) == decimal(other), "{one} = {other}");
    }
    assert!(
        Decimal::parse("-0").is_none()
            && Decimal::parse("-0.0e1").is_none()
            && Decimal::parse("1e99999999999999999999").is_none()
    );
}

#[test]
fn every_example_of_the_documentation_compiles_and_every_word_is_explained() {
    let page = include_str!("../../../docs/arguments.md");
    let examples: Vec<_> = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 4);
    for example in examples {
        let mut report = Report::new();
        let node = read("arguments.md", example.as_bytes(), &mut report).unwrap();
        let rules = ArgumentRules::read(node.get("arguments").unwrap(), &mut report);
        assert!(rules.is_some() && report.is_empty(), "{report}");
    }
    for word in words::all().chain(OWN) {
        assert!(
            page.contains(&format!("`{word}`")) || page.contains(&format!("`{word}: ")),
            "docs/arguments.md does not explain `{word}`"
        );
    }
}
