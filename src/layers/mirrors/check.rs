//! Which argument each header repeats. Pure.

use std::collections::HashMap;

use crate::chain::{ArgumentPath, Mirrored, repeated_text};
use crate::protocol::json::{Kind, Value};
use crate::protocol::{Message, ParamMarks};

/// Arguments of one value beyond which nobody can say which of them a header repeats.
const MOST_ALIKE: usize = 16;

/// The largest integer that a header repeats as a number: every reader keeps it exactly.
const SAFE: f64 = 9_007_199_254_740_991.0;

/// Most characters of a header that repeats a number in another spelling than the body's.
const LONGEST: usize = 20;

/// A header and the body do not say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mismatch;

/// Ties headers to the arguments of a call: by the marks of its tool where they are known, and otherwise by what they say.
pub(super) fn tie(message: &Message, marks: Option<&ParamMarks>, headers: &mut [Mirrored]) -> Result<(), Mismatch> {
    let arguments = message.param("arguments");
    for mark in marks.into_iter().flat_map(ParamMarks::iter) {
        by_mark(arguments, mark, headers)?;
    }
    if let Some(arguments) = arguments {
        by_value(arguments, headers);
    }
    Ok(())
}

fn by_mark(arguments: Option<Value<'_>>, (name, path): (&str, &[String]), headers: &mut [Mirrored]) -> Result<(), Mismatch> {
    let argument = arguments.and_then(|arguments| path.iter().try_fold(arguments, |value, key| value.get(key)));
    let argument = argument.filter(|argument| !argument.is_null());
    let header = headers.iter_mut().find(|header| header.name.as_str() == name);
    match (argument, header) {
        (None, None) => Ok(()),
        // What its schema does not allow is the server's to refuse.
        (Some(argument), None) if repeated_text(argument).is_none() => Ok(()),
        (Some(argument), Some(header)) if header.text().is_some_and(|text| is_repeated(argument, &text)) => {
            header.repeats = vec![path.to_vec()];
            Ok(())
        }
        _ => Err(Mismatch),
    }
}

/// Whether a header that says `text` repeats this argument. Integers compare as numbers.
fn is_repeated(argument: Value<'_>, text: &str) -> bool {
    let equal = |number: f64| integer(text).is_some_and(|other| (number - other).abs() < 0.5);
    // SECURITY: what repeats an argument is looked at there alone, so the header may have no digit that the argument has not. Zeros
    // behind a point are what Python writes, and say nothing.
    let (whole, zeros) = text.split_once('.').unwrap_or((text, ""));
    let digits = whole.strip_prefix('-').unwrap_or(whole).bytes().all(|byte| byte.is_ascii_digit());
    let plain = text.len() <= LONGEST && digits && zeros.bytes().all(|byte| byte == b'0');
    repeated_text(argument) == Some(text)
        || (plain && argument.kind() == Kind::Number && integer(argument.raw()).is_some_and(equal))
}

fn integer(text: &str) -> Option<f64> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite())?;
    (number.abs() <= SAFE && number.fract() == 0.0).then_some(number)
}

/// An object of the arguments, and how it is reached.
struct Step<'a> {
    object: Value<'a>,
    /// The step above, and the key below it.
    from: Option<(usize, &'a str)>,
}

/// Ties what is still loose to the arguments that have the same text. Goes through objects alone, as marks do.
fn by_value(arguments: Value<'_>, headers: &mut [Mirrored]) {
    let mut wanted: HashMap<String, Vec<usize>> = HashMap::new();
    for (index, header) in headers.iter().enumerate().filter(|(_, header)| header.is_loose()) {
        wanted.entry(header.text().unwrap_or_default()).or_default().push(index);
    }
    if wanted.is_empty() {
        return;
    }
    let mut found: Vec<Vec<(usize, &str)>> = vec![Vec::new(); headers.len()];
    let mut steps = vec![Step { object: arguments, from: None }];
    let mut at = 0;
    while let Some(object) = steps.get(at).map(|step| step.object) {
        for (key, value) in object.members() {
            let key = key.as_str().unwrap_or_default();
            if value.kind() == Kind::Object {
                steps.push(Step { object: value, from: Some((at, key)) });
            }
            for index in repeated_text(value).and_then(|text| wanted.get(text)).into_iter().flatten() {
                if let Some(places) = found.get_mut(*index).filter(|places| places.len() <= MOST_ALIKE) {
                    places.push((at, key));
                }
            }
        }
        at += 1;
    }
    for (header, places) in
        headers.iter_mut().zip(found).filter(|(header, places)| header.is_loose() && places.len() <= MOST_ALIKE)
    {
        header.repeats = places.into_iter().map(|place| path(&steps, place)).collect();
    }
}

fn path(steps: &[Step<'_>], (mut step, key): (usize, &str)) -> ArgumentPath {
    let mut keys = vec![key.to_owned()];
    while let Some((above, key)) = steps.get(step).and_then(|step| step.from) {
        keys.push(key.to_owned());
        step = above;
    }
    keys.reverse();
    keys
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderName, HeaderValue};

    use super::*;
    use crate::protocol::Side;
    use crate::protocol::json::{Document, Limits};

    /// `region`, `deep/n` and `flag` are repeated under their last names.
    fn marks() -> ParamMarks {
        let schema = r#"{"properties":{"region":{"type":"string","x-mcp-header":"Region"},"flag":{"type":"boolean","x-mcp-header":"Flag"},
            "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}}"#;
        let schema = Document::parse(Bytes::from_static(schema.as_bytes()), Limits::default()).unwrap();
        ParamMarks::of(Some(schema.root())).unwrap()
    }

    /// What each of these headers repeats in a call with these arguments.
    fn tied(arguments: &str, marks: Option<&ParamMarks>, headers: &[(&str, &str)]) -> Result<Vec<Vec<String>>, Mismatch> {
        let json = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x","arguments":{arguments}}}}}"#);
        let message = Message::parse(Bytes::from(json), Limits::default(), Side::Client).unwrap();
        let header = |(name, value): &(&str, &str)| {
            Mirrored::new(HeaderName::try_from(format!("mcp-param-{name}")).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let mut headers: Vec<_> = headers.iter().map(header).collect();
        tie(&message, marks, &mut headers)?;
        Ok(headers.into_iter().map(|header| header.repeats.iter().map(|path| path.join("/")).collect()).collect())
    }

    #[test]
    fn marks_say_which_header_repeats_which_argument() {
        let marks = marks();
        let good = r#"{"region":"naïve","deep":{"n":42},"flag":true,"other":"naïve"}"#;
        let headers = [("region", "=?base64?bmHDr3Zl?="), ("n", "42.0"), ("flag", "true")];
        let expected = [["region"], ["deep/n"], ["flag"]].map(|paths| paths.map(str::to_owned).to_vec());
        assert_eq!(tied(good, Some(&marks), &headers).unwrap(), expected);
        for arguments in ["{}", r#"{"region":null,"deep":{},"flag":null}"#, r#"{"deep":7,"region":[],"flag":{}}"#] {
            assert_eq!(tied(arguments, Some(&marks), &[]), Ok(Vec::new()), "{arguments}: no header is expected");
        }
    }

    #[test]
    fn a_header_that_is_missing_or_differs_or_repeats_nothing_is_a_mismatch() {
        let marks = marks();
        for (arguments, headers) in [
            (r#"{"region":"eu"}"#, vec![]),
            (r#"{"region":"eu","note":"us"}"#, vec![("region", "us")]),
            (r#"{"region":"eu"}"#, vec![("region", "EU")]),
            ("{}", vec![("region", "eu")]),
            (r#"{"region":null}"#, vec![("region", "null")]),
            (r#"{"region":["eu"]}"#, vec![("region", "eu")]),
            (r#"{"region":9007199254740993}"#, vec![("region", "9007199254740992")]),
            (r#"{"region":1.5}"#, vec![("region", "1.50")]),
            (r#"{"region":42}"#, vec![("region", "0x2a")]),
            (r#"{"region":true}"#, vec![("region", "1")]),
            (r#"{"region":"42"}"#, vec![("region", "42.0")]),
            (r#"{"region":5}"#, vec![("region", "5.0000000000000000004111111111111111")]),
            (r#"{"region":5}"#, vec![("region", "5.00000000000000000000000")]),
            (r#"{"region":5}"#, vec![("region", "0.5e1")]),
        ] {
            assert_eq!(tied(arguments, Some(&marks), &headers), Err(Mismatch), "{arguments} {headers:?}");
        }
    }

    #[test]
    fn without_marks_a_header_is_tied_to_what_has_its_value() {
        let arguments = r#"{"a":"eu","b":{"c":"eu","d":7},"e":["eu"],"f":"us","g":true}"#;
        let headers = [("x", "eu"), ("y", "7"), ("z", "true"), ("loose", "asia"), ("case", "US")];
        let paths = |paths: &[&str]| paths.iter().map(|&path| path.to_owned()).collect::<Vec<_>>();
        let expected = [paths(&["a", "b/c"]), paths(&["b/d"]), paths(&["g"]), paths(&[]), paths(&[])];
        assert_eq!(tied(arguments, None, &headers).unwrap(), expected);
        let many: Vec<_> = (0..=MOST_ALIKE).map(|number| format!(r#""k{number}":"v""#)).collect();
        let many = format!("{{{}}}", many.join(","));
        assert_eq!(tied(&many, None, &[("x", "v")]).unwrap(), [paths(&[])], "too many to say which");
    }
}
