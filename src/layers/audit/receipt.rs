//! The number of a record in the result that it is about, so that whoever got it can ask for a proof later.

use crate::protocol::json::{Kind, Limits, RawJson, Value};
use crate::protocol::{Message, Side};

/// The member of `_meta`.
const RECEIPT: &str = "io.yett/receipt";

/// Takes out of a result what a server wrote in the place of a receipt: where it has none of ours, nobody may take it for one. Before
/// anything is recorded of the result, so that what is committed to is what is released but for a receipt of ours.
pub(super) fn strip(message: &mut Message) {
    let meta = message.result().and_then(|result| result.get("_meta")).filter(|meta| meta.get(RECEIPT).is_some());
    let Some(meta) = meta.map(Value::id) else { return };
    let (document, edits) = message.split();
    edits.retain(document, meta, |member| member.key().and_then(Value::as_str) != Some(RECEIPT));
    // Read again, so that a receipt of ours finds the place free.
    if let Ok(stripped) = Message::parse(message.encode(), Limits::NONE, Side::Server) {
        *message = stripped;
    }
}

/// Writes `log/index` into the result. An error has no place for it: it has the id
/// of the call. The outcome commits to the result without it, since the number is known once that record is written.
pub(super) fn attach(message: &mut Message, log: &str, index: u64) {
    let Some(result) = message.result().filter(|result| result.kind() == Kind::Object) else { return };
    let receipt = RawJson::string(&format!("{log}/{index}"));
    let (result, meta) = (result.id(), result.get("_meta").map(|meta| (meta.id(), meta.kind())));
    let (document, edits) = message.split();
    match meta {
        Some((meta, Kind::Object)) => edits.set_member(document, meta, RECEIPT, receipt),
        // Nobody knows what that is meant to be: it is the server's.
        Some(_) => {}
        None => edits.set_member(document, result, "_meta", RawJson::object(RECEIPT, &receipt)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attached(json: &str) -> String {
        let mut message = Message::parse(json.to_owned().into(), Limits::NONE, Side::Server).unwrap();
        strip(&mut message);
        attach(&mut message, "gw/audit/r1", 42);
        String::from_utf8(message.encode().to_vec()).unwrap()
    }

    #[test]
    fn what_a_server_wrote_in_the_place_of_a_receipt_is_taken_out_however_it_spelled_it() {
        let cases = [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.yett\/receipt":"gw/audit/r1/1"},"content":[]}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{},"content":[]}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"a":1,"\u0069o.yett/receipt":{"b":2},"c":3}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"a":1,"c":3}}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"a":"io.yett/receipt"}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"a":"io.yett/receipt"}}}"#,
            ),
        ];
        for (given, expected) in cases {
            let mut message = Message::parse(given.to_owned().into(), Limits::NONE, Side::Server).unwrap();
            strip(&mut message);
            assert_eq!(message.encode(), expected);
        }
    }

    #[test]
    fn a_result_gets_a_receipt_and_keeps_everything_else() {
        let cases = [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.yett/receipt":"gw/audit/r1/42"},"content":[]}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"a":1},"content":[]}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.yett/receipt":"gw/audit/r1/42","a":1},"content":[]}}"#,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.yett/receipt":"gw/audit/r1/1"}}}"#,
                r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":{"io.yett/receipt":"gw/audit/r1/42"}}}"#,
            ),
        ];
        for (given, expected) in cases {
            assert_eq!(attached(given), expected);
        }
        for untouched in [
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"_meta":7}}"#,
        ] {
            assert_eq!(attached(untouched), untouched);
        }
    }
}
