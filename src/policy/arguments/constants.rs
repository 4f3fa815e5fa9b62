//! Values as JSON: those that an operator writes, and the numbers of both sides without loss.

use serde_json::{Map, Number, Value as Json};

use crate::yaml::{Invalid, Node, Report, Scalar, Style, Value, quoted};

/// Significant digits up to which a double tells every two decimal numbers apart.
const SIGNIFICANT: usize = 15;

const TRUTH: Invalid =
    Invalid::new("is a truth value to some readers and text to others", "write `true` or `false`, or put the text in quotes");
const NUMERAL: Invalid = Invalid::new(
    "is a number to some readers and text to others",
    "write a number as in JSON (`10`, `-2.5`), or put the text in quotes",
);
const INEXACT: Invalid =
    Invalid::new("cannot be compared exactly", "write whole numbers of up to 19 digits, others with up to 15");

/// The number of a JSON token, exactly; `None` for one that readers would round, and for a negative zero.
pub(crate) fn exact(token: &str) -> Option<Number> {
    if let Ok(whole) = token.parse::<u64>() {
        return Some(whole.into());
    }
    let magnitude = token.strip_prefix('-').unwrap_or(token);
    let mantissa = magnitude.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let significant = digits.trim_matches('0').len();
    if significant == 0 {
        // `-0` is not `0` to every reader.
        return (magnitude == token).then(|| Number::from(0));
    }
    if let Ok(whole) = token.parse::<i64>() {
        return Some(whole.into());
    }
    let number = token.parse::<f64>().ok()?;
    // A number that is nearly nothing would become nothing.
    let plain = number.is_finite() && number.abs() > 1e-290 && number.abs() < 1e290;
    (significant <= SIGNIFICANT && plain).then(|| Number::from_f64(number)).flatten()
}

/// What stands at `node`, as JSON: bare scalars are numbers, truth values or null where they look like it, quoted ones are text.
pub(super) fn json(node: &Node, report: &mut Report) -> Option<Json> {
    match &node.value {
        Value::Mapping(entries) => {
            let members: Vec<_> =
                entries.iter().map(|entry| Some((entry.key.text.clone(), json(&entry.value, report)?))).collect();
            members.into_iter().collect::<Option<Map<_, _>>>().map(Json::Object)
        }
        Value::Refused => None,
        Value::Scalar(scalar) => match constant(scalar) {
            Ok(value) => Some(value),
            Err(invalid) => {
                report.error(node.place, format!("{} {}", scalar.shown(), invalid.problem)).hint(invalid.hint);
                None
            }
        },
        Value::Sequence(nodes) => {
            let items: Vec<_> = nodes.iter().map(|item| json(item, report)).collect();
            items.into_iter().collect::<Option<Vec<_>>>().map(Json::Array)
        }
    }
}

fn constant(scalar: &Scalar) -> Result<Json, Invalid> {
    let written = scalar.text.as_str();
    if scalar.style != Style::Plain {
        return Ok(Json::from(written));
    }
    if scalar.is_null() {
        return Ok(Json::Null);
    }
    match written {
        "true" => return Ok(Json::Bool(true)),
        "false" => return Ok(Json::Bool(false)),
        _ => {}
    }
    if ["true", "false", "yes", "no", "on", "off"].contains(&written.to_ascii_lowercase().as_str()) {
        return Err(TRUTH);
    }
    if is_json_number(written) {
        return exact(written).map(Json::Number).ok_or(INEXACT);
    }
    if looks_like_a_number(written) { Err(NUMERAL) } else { Ok(Json::from(written)) }
}

/// RFC 8259, section 6.
pub(super) fn is_json_number(text: &str) -> bool {
    let text = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits(whole) && (whole == "0" || !whole.starts_with('0')) && fraction.is_none_or(digits) && exponent.is_none_or(digits)
}

/// What some version of YAML, or some reader of it, takes for a number.
fn looks_like_a_number(text: &str) -> bool {
    let bare = text.strip_prefix(['+', '-']).unwrap_or(text).replace('_', "").to_ascii_lowercase();
    let radix = [("0x", 16), ("0o", 8), ("0b", 2)];
    let prefixed = radix.iter().any(|(prefix, radix)| {
        bare.strip_prefix(prefix).is_some_and(|digits| !digits.is_empty() && digits.chars().all(|c| c.is_digit(*radix)))
    });
    let sexagesimal =
        bare.contains(':') && bare.split(':').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let decimal = bare.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-'))
        && bare.parse::<f64>().is_ok();
    prefixed || sexagesimal || decimal || matches!(bare.as_str(), ".inf" | ".nan")
}

/// The token of a number that an operator wrote bare.
pub(super) fn number_token(node: &Node, report: &mut Report) -> Option<String> {
    let scalar = crate::yaml::scalar(node, report)?;
    if scalar.style == Style::Plain && is_json_number(&scalar.text) {
        return Some(scalar.text.to_string());
    }
    report.error(node.place, format!("{} is not a number", quoted(&scalar.text))).hint("write it bare, as in JSON: `10`, `-2.5`");
    None
}
