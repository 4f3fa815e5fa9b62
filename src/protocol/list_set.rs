//! Which lists a client hears of when they change.

use super::json::Kind;
use super::{ListKind, Message};

/// Some of the lists whose changes can be told. Templates are told of as resources.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListSet(u8);

impl ListSet {
    /// The lists whose changes can be told.
    pub const KINDS: [ListKind; 3] = [ListKind::Prompts, ListKind::Resources, ListKind::Tools];

    /// Those that the answer to a handshake offers: `capabilities.tools` and its like.
    pub fn offered_by(message: &Message) -> Self {
        let capabilities = message.result().and_then(|result| result.get("capabilities"));
        let offer = |list: &ListKind| capabilities.and_then(|all| all.get(list.member()));
        Self::KINDS.into_iter().filter(|list| offer(list).is_some_and(|offer| offer.kind() == Kind::Object)).collect()
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

    /// What either has.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What this has and `other` has not.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
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

/// What stands for the lists of one server as one caller is shown them: the same only where they are the same. One number to each of
/// [`ListSet::KINDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListMarks(pub [u64; 3]);

impl ListMarks {
    /// The lists that may be others than `before`.
    pub fn differ_from(self, before: Self) -> ListSet {
        let pairs = ListSet::KINDS.into_iter().zip(self.0.iter().zip(&before.0));
        pairs.filter(|(_, (now, then))| now != then).map(|(list, _)| list).collect()
    }

    /// These, and of one list that of `other`.
    #[must_use]
    pub fn with(mut self, list: ListKind, other: Self) -> Self {
        for ((kind, mark), other) in ListSet::KINDS.into_iter().zip(&mut self.0).zip(other.0) {
            if bit(kind) == bit(list) {
                *mark = other;
            }
        }
        self
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
    fn a_list_is_offered_by_an_object() {
        let said = message(
            r#"{"jsonrpc":"2.0","id":1,"result":{"capabilities":{"tools":{"listChanged":true},"prompts":{},"resources":true}}}"#,
        );
        assert_eq!(ListSet::offered_by(&said), ListSet::from_iter([ListKind::Tools, ListKind::Prompts]));
        let nothing = message(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":{}}}"#);
        assert!(ListSet::offered_by(&nothing).is_empty());
    }

    #[test]
    fn marks_differ_by_list_and_those_of_one_list_can_take_the_place_of_others() {
        let (then, now) = (ListMarks([1, 2, 3]), ListMarks([1, 5, 6]));
        let both = ListSet::from_iter([ListKind::Resources, ListKind::Tools]);
        assert_eq!(now.differ_from(then), both);
        assert_eq!(then.with(ListKind::Templates, now), ListMarks([1, 5, 3]));
        assert_eq!(now.differ_from(then.with(ListKind::Tools, now)), both.without(ListSet::from_iter([ListKind::Tools])));
    }
}
