//! The same call again: what makes it the same, and what its caller reads.

use aws_lc_rs::digest::{Context, SHA256};

use crate::policy::Repeats;
use crate::protocol::{Access, Message, Target};

/// SHA-256 over what a message asks with, as it was written. What is about the message itself (`_meta`) differs each time.
pub(super) fn digest(message: &Message) -> [u8; 32] {
    let mut hash = Context::new(&SHA256);
    let members = message.params().into_iter().flat_map(|params| params.members().collect::<Vec<_>>());
    for (key, value) in members.filter(|(key, _)| key.as_str() != Some("_meta")) {
        for part in [key.raw(), value.raw()] {
            hash.update(&(part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(hash.finish().as_ref());
    digest
}

/// What is called, as far as a name tells.
pub(super) fn called(access: &Access) -> &str {
    match &access.target {
        Target::Tool(name) | Target::Prompt(name) | Target::Resource(name) | Target::Method(name) => name,
        Target::Answer(_) | Target::Listen { .. } | Target::None | Target::Session | Target::Task(_) => access.method.name(),
    }
}

/// For a model, which is to do something else: more of the same gets it nowhere.
pub(super) fn sentence(repeats: Repeats, access: &Access) -> Box<str> {
    let (times, seconds) = (ordinal(repeats.calls.saturating_add(1)), repeats.within.as_secs());
    format!("This is the {times} identical call of `{}` within {seconds} s. Change the arguments or stop.", called(access)).into()
}

fn ordinal(number: u32) -> String {
    let ending = match (number % 100, number % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{number}{ending}")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    #[test]
    fn ordinals_are_read_aloud() {
        let read = [2, 3, 4, 11, 12, 13, 21, 22, 43, 51, 111].map(ordinal);
        assert_eq!(read, ["2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "22nd", "43rd", "51st", "111th"]);
    }

    #[test]
    fn a_call_is_the_same_by_the_bytes_of_its_arguments_and_not_by_its_id_or_meta() {
        let digest = |id: u32, rest: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"a",{rest}}}}}"#);
            digest(&Message::parse(Bytes::from(text), Limits::default(), Side::Client).unwrap())
        };
        let first = digest(1, r#""arguments":{"q":1},"_meta":{"progressToken":1}"#);
        assert_eq!(first, digest(2, r#""arguments":{"q":1},"_meta":{"progressToken":2}"#));
        assert_ne!(first, digest(1, r#""arguments":{"q":2}"#));
        assert_ne!(first, digest(1, r#""arguments":{"q":1},"task":{}"#));
    }
}
