//! The form in which 2026-07-28 mirrors body values in headers: plain, or `=?base64?...?=`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const OPEN: &str = "=?base64?";
const CLOSE: &str = "?=";

/// The value that a header stands for; `None` when its base64 is malformed or not UTF-8.
pub fn decode_header(value: &str) -> Option<String> {
    match value.strip_prefix(OPEN).and_then(|rest| rest.strip_suffix(CLOSE)) {
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?).ok(),
        None => Some(value.to_owned()),
    }
}

/// The header for a value: plain visible ASCII goes as it is, everything else, and what looks encoded, as base64.
pub fn encode_header(value: &str) -> String {
    let plain = value.bytes().all(|byte| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\t'))
        && value.trim_matches([' ', '\t']) == value
        && !value.starts_with(OPEN);
    if plain { value.to_owned() } else { format!("{OPEN}{}{CLOSE}", STANDARD.encode(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_survives_the_header() {
        for value in ["get_x", "file:///a b", " padded", "naïve", "=?base64?eA==?=", "tab\tinside", ""] {
            assert_eq!(decode_header(&encode_header(value)).as_deref(), Some(value), "{value:?}");
        }
        assert_eq!(encode_header("get_x"), "get_x");
    }

    #[test]
    fn malformed_base64_is_no_value() {
        for value in ["=?base64?eA?=", "=?base64?e A=?=", "=?base64?/w==?="] {
            assert_eq!(decode_header(value), None, "{value}");
        }
    }
}
