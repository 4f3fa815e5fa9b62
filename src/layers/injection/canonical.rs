//! One spelling for a definition, so that it has one hash however its server writes it. Pure.

use aws_lc_rs::digest::{SHA256, digest};

use crate::master_key::hex;
use crate::protocol::json::{Kind, RawJson, Value};

/// All that an entry of a list says: its JSON without white space, members by their names, texts with the fewest escapes, numbers as they are
/// written.
pub(super) fn text(item: Value<'_>) -> String {
    let mut text = String::with_capacity(item.raw().len());
    write(item, &mut text);
    text
}

/// The SHA-256 of that.
pub(super) fn hash(text: &str) -> String {
    hex(digest(&SHA256, text.as_bytes()).as_ref())
}

/// The parser has bounded how deep this goes.
fn write(value: Value<'_>, out: &mut String) {
    match value.kind() {
        Kind::Array => {
            out.push('[');
            for (number, item) in value.items().enumerate() {
                out.push_str(if number > 0 { "," } else { "" });
                write(item, out);
            }
            out.push(']');
        }
        Kind::Object => {
            let mut members: Vec<_> = value.members().collect();
            members.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (number, (key, member)) in members.into_iter().enumerate() {
                out.push_str(if number > 0 { "," } else { "" });
                write(key, out);
                out.push(':');
                write(member, out);
            }
            out.push('}');
        }
        Kind::String => out.push_str(RawJson::string(value.as_str().unwrap_or_default()).as_str()),
        Kind::Bool | Kind::Null | Kind::Number => out.push_str(value.raw()),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::json::{Document, Limits};

    fn hashed(json: &str) -> String {
        hash(&text(Document::parse(Bytes::copy_from_slice(json.as_bytes()), Limits::default()).unwrap().root()))
    }

    #[test]
    fn the_same_written_otherwise_has_the_same_hash_and_anything_else_another() {
        let plain = r#"{"a":[1,{"b":"x","c":null}],"name":"t"}"#;
        assert_eq!(hashed(plain), "80594b135656a8ed64894180cdb439e798b5817d883fbd04611e9f85e4aa946c");
        for same in [
            r#"{ "name" : "\u0074", "a": [1, {"c":null,"b":"x"}] }"#,
            "{\"name\":\"t\",\n\"a\":[1,{\"b\":\"\\u0078\",\"c\":null}]}",
        ] {
            assert_eq!(hashed(same), hashed(plain), "{same}");
        }
        for other in [
            r#"{"a":[1,{"b":"x","c":null}],"name":"u"}"#,
            r#"{"a":[1,{"b":"x","c":null}],"name":"t","icons":[]}"#,
            r#"{"a":[{"b":"x","c":null},1],"name":"t"}"#,
            r#"{"a":[1.0,{"b":"x","c":null}],"name":"t"}"#,
            r#"{"a":[1,{"b":"x","c":"null"}],"name":"t"}"#,
        ] {
            assert_ne!(hashed(other), hashed(plain), "{other}");
        }
    }
}
