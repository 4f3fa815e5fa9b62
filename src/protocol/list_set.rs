//! Which lists a client hears of when they change.

use super::json::Value;
use super::{ListKind, Message};

/// Some of the lists whose changes can be told. Templates are told of as resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSet(u8);

impl ListSet {
    /// The lists whose changes can be told.
    pub const KINDS: [ListKind; 3] = [ListKind::Prompts, ListKind::Resources, ListKind::Tools];

    /// Those that the answer to a handshake says will be told of: `capabilities.tools.listChanged` and its like.
    pub fn declared_by(message: &Message) -> Self {
        let capabilities = message.result().and_then(|result| result.get("capabilities"));
        let is_declared = |list: &ListKind| {
            let declared = capabilities.and_then(|all| all.path(&[list.member(), "listChanged"])).and_then(Value::as_bool);
            declared == Some(true)
        };
        Self::KINDS.into_iter().filter(is_declared).collect()
    }

    /// Those that a server has agreed to tell of on the stream of `subscriptions/listen`, by its acknowledgement.
    pub fn acknowledged_by(message: &Message) -> Self {
        let agreed = message.param("notifications");
        let is_agreed = |list: &ListKind| {
            agreed.zip(list.change()).and_then(|(all, key)| all.get(key)).and_then(Value::as_bool) == Some(true)
        };
        Self::KINDS.into_iter().filter(is_agreed).collect()
    }

    /// Whether it is among them.
    pub fn has(self, list: ListKind) -> bool {
        self.0 & bit(list) != 0
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What both have.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// As bits, for an atomic.
    pub(crate) fn bits(self) -> u8 {
        self.0
    }

    /// From those bits.
    pub(crate) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl FromIterator<ListKind> for ListSet {
    fn from_iter<I: IntoIterator<Item = ListKind>>(lists: I) -> Self {
        Self(lists.into_iter().fold(0, |bits, list| bits | bit(list)))
    }
}

fn bit(list: ListKind) -> u8 {
    match list {
        ListKind::Prompts => 1,
        ListKind::Resources | ListKind::Templates => 2,
        ListKind::Tools => 4,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::Side;
    use super::super::json::Limits;
    use super::*;

    fn message(text: &'static str) -> Message {
        Message::parse(Bytes::from_static(text.as_bytes()), Limits::default(), Side::Server).unwrap()
    }

    #[test]
    fn a_list_is_told_of_only_where_that_was_said_in_so_many_words() {
        let said = message(
            r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true},"prompts":{"listChanged":false},
            "resources":{"listChanged":"true"}}}}"#,
        );
        assert_eq!(ListSet::declared_by(&said), ListSet::from_iter([ListKind::Tools]));
        let agreed = message(
            r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged",
            "params":{"notifications":{"resourcesListChanged":true,"toolsListChanged":false}}}"#,
        );
        assert_eq!(ListSet::acknowledged_by(&agreed), ListSet::from_iter([ListKind::Resources]));
        assert!(ListSet::acknowledged_by(&said).is_empty() && ListSet::declared_by(&agreed).is_empty());
    }
}
