//! The words of the column `type` in docs/configuration.md, and what they are in JSON Schema.
//!
//! A text that YAML takes for a number or a boolean is text to our reader all the same, so most of what is text here may be one of those.

use serde_json::{Value, json};

use super::table::Of;

const NAME: &str = "[a-z0-9][a-z0-9_-]{0,62}";
const CLASSES: [&str; 4] = ["public", "internal", "confidential", "restricted"];

/// What the column says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Anything,
    Arguments,
    Boolean,
    /// `true`: it may be empty.
    List(Box<Kind>, bool),
    /// A list of mappings, whose keys have rows of their own.
    Items(bool),
    /// A mapping whose keys have rows of their own.
    Mapping,
    /// The same for each of the operator's own names.
    Named {
        any: bool,
    },
    /// The operator's own names, each with such a value.
    Values(Box<Kind>),
    Number(u64, Option<u64>),
    Ratio,
    /// A quantity: what it is called, and its range in words.
    Quantity(&'static str, String),
    /// Text of this form; none: any.
    Text(Option<String>),
    /// One of these words.
    Words(Vec<String>),
    /// The same, or a mapping whose keys have rows of their own.
    WordsOrMapping(Vec<String>),
}

/// Reads the column.
pub(super) fn kind(text: &str) -> Kind {
    let (text, may_be_empty) = text.strip_suffix(", may be empty").map_or((text, false), |text| (text, true));
    if let Some(item) = text.strip_prefix("list of ") {
        return Kind::List(Box::new(item_kind(item)), may_be_empty);
    }
    if let Some((low, high)) = text.split_once(" to ")
        && let (Ok(low), Ok(high)) = (low.parse(), high.parse())
    {
        return Kind::Number(low, Some(high));
    }
    for (name, what) in [("duration", "duration"), ("size", "size")] {
        if let Some(range) = text.strip_prefix(name)
            && (range.is_empty() || range.starts_with(", "))
        {
            return Kind::Quantity(what, range.trim_start_matches(", ").to_owned());
        }
    }
    if let Some(before) = text.strip_suffix(", or a mapping") {
        return Kind::WordsOrMapping(words(before).unwrap());
    }
    match text {
        "list" => Kind::Items(may_be_empty),
        "mapping" | "mapping of one of `token`, `approle`, `kubernetes`" => Kind::Mapping,
        "mapping by name" => Kind::Named { any: false },
        "mapping by tool" => Kind::Named { any: true },
        "mapping by argument" => Kind::Arguments,
        "mapping of anything" => Kind::Values(Box::new(Kind::Anything)),
        "mapping of text" | "mapping of headers" | "mapping of claims" => Kind::Values(Box::new(Kind::Text(None))),
        "mapping of regions" => Kind::Values(Box::new(Kind::Text(Some(format!("^{NAME}$"))))),
        "mapping from setting to duration" => Kind::Values(Box::new(Kind::Quantity("duration", String::new()))),
        "boolean" => Kind::Boolean,
        "number, 0 to 1" => Kind::Ratio,
        "1 or more" | "1 or more, whole again within a year" => Kind::Number(1, None),
        "classification" => Kind::Words(CLASSES.map(str::to_owned).to_vec()),
        "rate" => Kind::Quantity("rate", String::new()),
        "`5000/day`; `minute`, `hour`, `day`, `week`, `month`" => Kind::Quantity("quota", String::new()),
        "so many in a span: `20/5m`" => Kind::Quantity("tally", String::new()),
        "so much in a span: `10MiB/1h`" => Kind::Quantity("sum", String::new()),
        "size per window: `10MiB/hour`" | "size per window" => Kind::Quantity("volume", String::new()),
        _ => scalar_kind(text),
    }
}

/// One value of text, or one of some words.
fn scalar_kind(text: &str) -> Kind {
    let form = match text {
        "text"
        | "path"
        | "path of a file"
        | "path of a folder"
        | "file"
        | "claim"
        | "[condition](conditions.md)"
        | "URI"
        | "URI, or `none`"
        | "list beside the policies"
        | "regular expression" => None,
        text if text == "secret" || text.starts_with("secret, ") => None,
        "name" | "role" | "issuer, `api-key`, `mtls`, `anonymous`" => Some(format!("^{NAME}$")),
        "`IP:port`" => Some(r"^[0-9A-Fa-f.:\[\]%]+:[0-9]{1,5}$".to_owned()),
        "URL" | "URL without path" | "`https`, or `http` on loopback" | "`https`, or `http` on loopback, without a path" => {
            Some("^[Hh][Tt][Tt][Pp][Ss]?://".to_owned())
        }
        "`sqlite`, or `postgres://USER:PASSWORD@HOST/DATABASE`" => Some("^(sqlite$|postgres(ql)?://)".to_owned()),
        "letters, digits, `.`, `-`, `_`" => Some("^[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}$".to_owned()),
        "letters, digits, `-`, `_`, `/`" | "letters, digits, `-`, `_`" => Some("^[A-Za-z0-9_/-]+$".to_owned()),
        "such as `eu-central-1`" => Some("^[a-z0-9-]+$".to_owned()),
        "text, 3 to 64 characters" => Some("^.{3,64}$".to_owned()),
        "64 hex digits" => Some("^[0-9A-Fa-f]{64}$".to_owned()),
        "header name" => Some("^[!#$%&'*+.^_`|~0-9A-Za-z-]+$".to_owned()),
        "one line, up to 500 bytes" => Some("^[^\\n]{1,500}$".to_owned()),
        "one line" => Some("^[^\\n]+$".to_owned()),
        "`server/tool`" | "`server/prompt`" => Some(format!("^{NAME}/.")),
        "`server URI`" | "`server method`" => Some(format!("^{NAME} .")),
        "moment with offset" => Some("^-?[0-9]{4,6}-[0-9]{2}-[0-9]{2}[Tt ]".to_owned()),
        "date" => Some("^[0-9]{4}-[0-9]{2}-[0-9]{2}$".to_owned()),
        "IP address" => Some("^[0-9A-Fa-f.:]+$".to_owned()),
        "`principal.attributes.<name>`" => Some(r"^principal\.attributes\.[A-Za-z0-9_]+$".to_owned()),
        _ => {
            let words = words(text).unwrap_or_else(|| {
                panic!("docs/configuration.md: the type `{text}` is not in the vocabulary of tests/it/schema/types.rs")
            });
            return Kind::Words(words);
        }
    };
    Kind::Text(form)
}

/// What stands behind `list of`.
fn item_kind(text: &str) -> Kind {
    let form = match text {
        "text" | "names" | "tenants" | "origins" | "addresses or networks" | "SPIFFE trust domains" | "`host[:port]`" => None,
        "regions" | "roles" | "servers" | "issuers, `api-key`" => Some(format!("^{NAME}$")),
        "servers, or `*`" => Some(format!("^({NAME}|\\*)$")),
        "tool patterns" => Some("^[A-Za-z0-9_.*-]+$".to_owned()),
        "patterns" => Some("^.".to_owned()),
        "field paths" => Some(r#"^(\[['"].+['"]\]|[^./\[*][^*]*|\*\*?($|[.\[]))"#.to_owned()),
        "URI patterns with a scheme" => Some(r"^[A-Za-z][A-Za-z0-9+.-]*:\S*$".to_owned()),
        "media types" => Some(r"^[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+|\*)$".to_owned()),
        "methods" => Some("^[!-)+-~]{1,128}$".to_owned()),
        "scopes" => Some(r"^[!#-\[\]-~]{1,256}$".to_owned()),
        "detectors" => Some("^[a-z0-9][a-z0-9_-]{0,62}$".to_owned()),
        "`sha256/...`" => Some("^sha256/".to_owned()),
        _ => return scalar_kind(text),
    };
    Kind::Text(form)
}

/// `a`, `b` or `c`.
fn words(text: &str) -> Option<Vec<String>> {
    let text = text.strip_suffix(", quoted").unwrap_or(text).replace(" or ", ", ");
    let word = |word: &str| Some(word.strip_prefix('`')?.strip_suffix('`')?.to_owned());
    text.split(", ").map(word).collect()
}

/// A single value in JSON Schema. In yett.yaml each may be a reference instead, or hold one.
pub(super) fn schema(kind: &Kind, of: Of) -> Value {
    let refers = of == Of::Config;
    match kind {
        Kind::Anything => json!({}),
        Kind::Arguments => json!({ "$ref": "#/$defs/arguments" }),
        Kind::Boolean if refers => json!({ "type": ["boolean", "string"], "pattern": r"^(true|false)$|\$\{" }),
        Kind::Boolean => json!({ "enum": [true, false, "true", "false"] }),
        Kind::List(item, may_be_empty) => {
            let mut list = json!({ "type": "array", "items": schema(item, of) });
            if !may_be_empty {
                list["minItems"] = json!(1);
            }
            list
        }
        Kind::Number(low, high) => {
            let mut number = json!({ "type": ["integer", "string"], "minimum": low, "pattern": pattern("^[0-9]+$", refers) });
            if let Some(high) = high {
                number["maximum"] = json!(high);
            }
            number
        }
        Kind::Ratio => {
            json!({ "type": ["number", "string"], "minimum": 0, "maximum": 1, "pattern": pattern("^[0-9.]+$", refers) })
        }
        Kind::Quantity(name, _) => json!({ "$ref": format!("#/$defs/{name}") }),
        Kind::Text(None) => json!({ "$ref": "#/$defs/text" }),
        Kind::Text(Some(form)) if *form == format!("^{NAME}$") => json!({ "$ref": "#/$defs/name" }),
        Kind::Text(Some(form)) => json!({ "type": ["string", "number", "boolean"], "pattern": pattern(form, refers) }),
        Kind::Values(each) => json!({ "type": "object", "additionalProperties": schema(each, of) }),
        Kind::Words(words) => {
            // `1` and `1.2` are numbers unless they are quoted.
            let number = |word: &String| word.parse::<f64>().ok().map(|_| serde_json::from_str(word).unwrap());
            let all: Vec<Value> = words.iter().map(|word| json!(word)).chain(words.iter().filter_map(number)).collect();
            if refers { json!({ "anyOf": [{ "enum": all }, { "$ref": "#/$defs/reference" }] }) } else { json!({ "enum": all }) }
        }
        Kind::Items(_) | Kind::Mapping | Kind::Named { .. } | Kind::WordsOrMapping(_) => panic!("{kind:?} has rows below it"),
    }
}

/// What the schemas of one file share.
pub(super) fn definitions(of: Of) -> Value {
    let refers = of == Of::Config;
    let text = |form: &str, title: &str| json!({ "title": title, "type": "string", "pattern": pattern(form, refers) });
    let mut all = json!({
        "text": { "title": "text", "type": ["string", "number", "boolean"], "pattern": r"\S" },
        "name": { "title": "a name", "type": ["string", "integer", "boolean"], "minimum": 0, "pattern": pattern(&format!("^{NAME}$"), refers) },
        "duration": text("^[0-9]+(ms|s|m|h|d)$", "a whole number and a unit: 250ms, 10s, 15m, 1h, 30d"),
        "size": text("^[0-9]+(B|KiB|MiB|GiB)$", "a whole number and a unit: 512B, 64KiB, 4MiB, 1GiB"),
    });
    let defs = all.as_object_mut().unwrap();
    if refers {
        defs.insert(
            "reference".to_owned(),
            json!({ "title": "a reference: ${env:NAME}, ${file:PATH}, ${vault:MOUNT/PATH#KEY}, ${aws-sm:NAME#KEY}, ${aws-ssm:NAME}",
                "type": "string", "pattern": r"\$\{" }),
        );
    } else {
        let window = "(min|minute|h|hour|day|week|month)";
        defs.insert("rate".to_owned(), text("^[0-9]+/(s|min|h|day)$", "calls per period: 5/s, 120/min, 1000/h, 5000/day"));
        defs.insert("quota".to_owned(), text(&format!("^[0-9]+/{window}$"), "calls per window: 100/hour, 5000/day"));
        defs.insert(
            "volume".to_owned(),
            text(&format!("^[0-9]+(B|KiB|MiB|GiB)/{window}$"), "a size per window: 10MiB/hour, 1GiB/day"),
        );
        let span = "[0-9]+(ms|s|m|h|d)";
        defs.insert("tally".to_owned(), text(&format!("^[0-9]+/{span}$"), "so many in a span: 20/5m, 500/1h"));
        defs.insert("sum".to_owned(), text(&format!("^[0-9]+(B|KiB|MiB|GiB)/{span}$"), "so much in a span: 10MiB/1h"));
        let arguments: Value = serde_json::from_str(include_str!("arguments.json")).unwrap();
        defs.extend(arguments.as_object().unwrap().clone());
    }
    all
}

fn pattern(form: &str, refers: bool) -> String {
    if refers { format!(r"{form}|\$\{{") } else { form.to_owned() }
}
