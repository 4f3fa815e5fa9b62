//! The number of a record in the result that it is about, so that whoever got it can ask for a proof later.

use crate::protocol::Message;
use crate::protocol::json::{Kind, RawJson};

/// The member of `_meta`.
const RECEIPT: &str = "io.yett/receipt";

/// Writes `log/index` into the result, in place of what a server may have written there. An error has no place for it: it has the id
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
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    fn attached(json: &str) -> String {
        let mut message = Message::parse(json.to_owned().into(), Limits::NONE, Side::Server).unwrap();
        attach(&mut message, "gw/audit/r1", 42);
        String::from_utf8(message.encode().to_vec()).unwrap()
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
