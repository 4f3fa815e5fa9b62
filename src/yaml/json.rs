//! A value of a file as JSON text, for what is compared with messages: arguments in tests.

use std::fmt::Write as _;

use super::tree::{Node, Scalar, Style, Value};

/// `node` as JSON. A bare `10`, `true` or `null` is a number, a boolean or null as JSON writes them; whatever else stands there, and
/// everything in quotes, is text. `None` where something was refused.
pub fn to_json(node: &Node) -> Option<String> {
    let mut json = String::new();
    write(node, &mut json)?;
    Some(json)
}

fn write(node: &Node, json: &mut String) -> Option<()> {
    match &node.value {
        Value::Mapping(entries) => {
            json.push('{');
            for (at, entry) in entries.iter().enumerate() {
                if at > 0 {
                    json.push(',');
                }
                write_text(&entry.key.text, json);
                json.push(':');
                write(&entry.value, json)?;
            }
            json.push('}');
        }
        Value::Sequence(nodes) => {
            json.push('[');
            for (at, node) in nodes.iter().enumerate() {
                if at > 0 {
                    json.push(',');
                }
                write(node, json)?;
            }
            json.push(']');
        }
        Value::Scalar(scalar) if scalar.is_null() => json.push_str("null"),
        Value::Scalar(scalar) if is_bare(scalar) => json.push_str(&scalar.text),
        Value::Scalar(scalar) => write_text(&scalar.text, json),
        Value::Refused => return None,
    }
    Some(())
}

fn is_bare(scalar: &Scalar) -> bool {
    let text = scalar.text.as_str();
    scalar.style == Style::Plain && (matches!(text, "true" | "false") || is_number(text))
}

/// RFC 8259, section 6.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}

fn write_text(text: &str, json: &mut String) {
    json.push('"');
    for c in text.chars() {
        match c {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            c if c.is_control() => {
                let _infallible = write!(json, "\\u{:04x}", u32::from(c));
            }
            c => json.push(c),
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Report, read};

    #[test]
    fn bare_scalars_are_what_json_makes_of_them_and_quoted_ones_are_text() {
        let cases = [
            ("a: 10", r#"{"a":10}"#),
            ("a: '10'", r#"{"a":"10"}"#),
            ("a: -0.5e+3", r#"{"a":-0.5e+3}"#),
            ("a: 010", r#"{"a":"010"}"#),
            ("a: 0x10", r#"{"a":"0x10"}"#),
            ("a: .5", r#"{"a":".5"}"#),
            ("a: [true, no, null, ~]", r#"{"a":[true,"no",null,null]}"#),
            ("a: {b: \"x\\ty\\\"\"}", r#"{"a":{"b":"x\u0009y\""}}"#),
        ];
        for (yaml, json) in cases {
            let node = read("a.yaml", yaml.as_bytes(), &mut Report::new()).unwrap();
            assert_eq!(to_json(&node).unwrap(), json, "{yaml}");
        }
    }
}
