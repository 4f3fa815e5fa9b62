//! What is kept of a call's arguments: pure functions over a message.

use bytes::Bytes;

use crate::chain::Captured;
use crate::protocol::json::{Limits, Value};
use crate::protocol::{EnvelopeError, Message, Side};

/// Most names in a record, and the longest.
const NAMES: usize = 32;
const NAME: usize = 64;

/// The names of the top level. One that may be a caller's own text (an address, a sentence) is counted, not kept: a leaf is for ever.
pub(super) fn names(message: &Message) -> Captured {
    let (mut names, mut others) = (Vec::new(), 0);
    for (key, _) in message.param("arguments").into_iter().flat_map(Value::members) {
        match key.as_str().filter(|name| names.len() < NAMES && is_plain(name)) {
            Some(name) => names.push(name.into()),
            None => others += 1,
        }
    }
    Captured::Keys(names, others)
}

/// The arguments as they came; `None` if there are none.
pub(super) fn as_they_came(message: &Message) -> Option<Bytes> {
    let arguments = message.param("arguments")?;
    Some(message.original().slice_ref(arguments.raw().as_bytes()))
}

/// The arguments as they are sent on, edits included but with tokens where values were restored; `None` if there are none.
pub(super) fn as_sent_on(message: &Message) -> Result<Option<Bytes>, EnvelopeError> {
    if message.edit_count() == 0 {
        return Ok(as_they_came(message));
    }
    // What it was made from has passed the listener's limits.
    let sent = Message::parse(message.encode_unrestored(), Limits::NONE, Side::Client)?;
    Ok(as_they_came(&sent))
}

/// A name as programs have them.
fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && name.len() <= NAME
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(arguments: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"x"{arguments}}}}}"#);
        Message::parse(Bytes::from(text), Limits::NONE, Side::Client).unwrap()
    }

    #[test]
    fn only_names_as_programs_have_them_are_kept_and_the_others_counted() {
        let kept =
            names(&message(r#","arguments":{"to":1,"_a.b-c9":{"inner":1},"ada@example.com":1,"9x":2,"":3,"two words":4}"#));
        assert_eq!(kept, Captured::Keys(vec!["to".into(), "_a.b-c9".into()], 4));
        let many: Vec<_> = (0..40).map(|n| format!("\"k{n}\":0")).collect();
        let Captured::Keys(names, others) = names(&message(&format!(",\"arguments\":{{{}}}", many.join(",")))) else { panic!() };
        assert_eq!((names.len(), others), (NAMES, 8));
        assert_eq!(names_of_nothing(), Captured::Keys(Vec::new(), 0));
    }

    fn names_of_nothing() -> Captured {
        names(&message(""))
    }

    #[test]
    fn arguments_are_kept_byte_by_byte() {
        let arguments = r#"{ "a" : 1.0e2 , "b":"\u0041" }"#;
        let message = message(&format!(",\"arguments\": {arguments} "));
        assert_eq!(as_they_came(&message).unwrap(), arguments);
        assert_eq!(as_sent_on(&message).unwrap().unwrap(), arguments);
    }
}
