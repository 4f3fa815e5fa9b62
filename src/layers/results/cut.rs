//! What is too much in a result, and what is left of it. Pure.

use crate::protocol::json::{Kind, NodeId, RawJson, Value};
use crate::protocol::{Message, content_texts};

/// Where a result says that it was cut.
const MARK: &str = "io.yett/truncated";

/// What the last text says when texts are cut.
const NOTE: &str = "\n[Yett: cut here, the result was too large. Ask for less: fewer items, a narrower range.]";

/// What holds for one result: the least of everything that holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    pub(super) size: Option<usize>,
    pub(super) items: Option<u32>,
    pub(super) depth: Option<u32>,
}

/// What was too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Excess {
    Size,
    Items,
    Depth,
}

impl Excess {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Items => "items",
            Self::Depth => "depth",
        }
    }
}

impl Bounds {
    /// The first bound that a result of `size` bytes, as it leaves, exceeds.
    pub(super) fn exceeded(&self, result: Value<'_>, size: usize) -> Option<Excess> {
        if self.size.is_some_and(|most| size > most) {
            return Some(Excess::Size);
        }
        if self.items.is_none() && self.depth.is_none() {
            return None;
        }
        let mut waiting = vec![(result, 1_u32)];
        while let Some((value, depth)) = waiting.pop() {
            let (items, is_nested) = match value.kind() {
                Kind::Array => (value.items().count(), true),
                Kind::Object => (0, true),
                Kind::Bool | Kind::Null | Kind::Number | Kind::String => (0, false),
            };
            if is_nested && self.depth.is_some_and(|most| depth > most) {
                return Some(Excess::Depth);
            }
            if self.items.is_some_and(|most| items > most as usize) {
                return Some(Excess::Items);
            }
            waiting.extend(value.items().chain(value.members().map(|(_, member)| member)).map(|child| (child, depth + 1)));
        }
        None
    }

    /// Cuts a message that holds nothing but what its peer wrote, so that it keeps within the bounds. What is left may still be too much.
    pub(super) fn cut(&self, message: &mut Message) {
        if let Some(most) = self.items {
            cut_lists(message, most as usize);
        }
        if let Some(most) = self.size {
            cut_texts(message, most);
        }
        mark(message);
    }
}

/// Shortens lists, wherever they stand.
fn cut_lists(message: &mut Message, most: usize) {
    let mut long: Vec<NodeId> = Vec::new();
    let mut waiting: Vec<Value<'_>> = message.result().into_iter().collect();
    while let Some(value) = waiting.pop() {
        if value.items().count() > most {
            long.push(value.id());
        }
        waiting.extend(value.items().chain(value.members().map(|(_, member)| member)));
    }
    for list in long {
        let (document, edits) = message.split();
        let mut kept = 0;
        edits.retain(document, list, |_| {
            kept += 1;
            kept <= most
        });
    }
}

/// Shortens texts, the last first, until the message is as long as it may be. The last says so: its reader stops there.
fn cut_texts(message: &mut Message, most: usize) {
    let texts: Vec<NodeId> = content_texts(message).filter(|text| text.as_str().is_some()).map(Value::id).collect();
    // What the mark takes.
    let most = most.saturating_sub(MARK.len() + 32);
    let mut size = message.encode().len();
    let mut is_first = true;
    for node in texts.into_iter().rev() {
        let Some(excess) = size.checked_sub(most).filter(|excess| *excess > 0) else { return };
        let value = message.value(node);
        let (Some(text), written) = (value.as_str(), value.raw().len()) else { continue };
        // What is cut makes room for the note as well.
        let note = if is_first { NOTE } else { "" };
        let keep = written.saturating_sub(excess + note.len() + 8);
        // A letter may be written as several: as much is cut of the text as of the letters that it is written with.
        let keep = text.len().saturating_mul(keep) / written.max(1);
        let start = text.floor_char_boundary(keep.min(text.len()));
        let left = RawJson::string(text.get(..start).unwrap_or_default()).as_str().len() + note.len();
        let end = text.len();
        size = size.saturating_sub(written.saturating_sub(left));
        is_first = false;
        let (document, edits) = message.split();
        edits.replace_text(document, node, start..end, note);
    }
}

/// Says in `_meta` that something is missing, for programs.
fn mark(message: &mut Message) {
    let Some(result) = message.result() else { return };
    let (object, meta) = (result.id(), result.get("_meta").map(Value::id));
    let (document, edits) = message.split();
    let yes = || RawJson::parse("true", crate::protocol::json::Limits::NONE);
    match (meta, yes()) {
        (Some(meta), Ok(yes)) => edits.set_member(document, meta, MARK, yes),
        (None, Ok(_)) => {
            if let Ok(meta) = RawJson::parse(&format!(r#"{{"{MARK}":true}}"#), crate::protocol::json::Limits::NONE) {
                edits.set_member(document, object, "_meta", meta);
            }
        }
        (_, Err(_)) => {}
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::protocol::Side;
    use crate::protocol::json::Limits;

    fn message(result: &str) -> Message {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
        Message::parse(Bytes::from(text), Limits::NONE, Side::Server).unwrap()
    }

    fn cut(bounds: Bounds, result: &str) -> serde_json::Value {
        let mut message = message(result);
        bounds.cut(&mut message);
        serde_json::from_slice(&message.encode()).unwrap()
    }

    #[test]
    fn each_bound_is_seen_and_what_keeps_within_it_passes() {
        let of = |bounds: Bounds, result: &str| {
            let message = message(result);
            bounds.exceeded(message.result().unwrap(), message.encode().len())
        };
        let two = Bounds { items: Some(2), depth: Some(3), size: Some(200) };
        assert_eq!(of(two, r#"{"a":[1,2],"b":{"c":[]}}"#), None);
        assert_eq!(of(two, r#"{"a":[[1,2,3]]}"#), Some(Excess::Items));
        assert_eq!(of(two, r#"{"a":[[[1]]]}"#), Some(Excess::Depth));
        assert_eq!(of(two, &format!(r#"{{"a":"{}"}}"#, "x".repeat(200))), Some(Excess::Size));
        assert_eq!(of(Bounds::default(), &format!(r#"{{"a":"{}"}}"#, "x".repeat(200))), None);
    }

    #[test]
    fn lists_are_shortened_wherever_they_stand_and_it_is_said() {
        let sent = cut(
            Bounds { items: Some(2), ..Bounds::default() },
            r#"{"structuredContent":{"rows":[[1,2,3],4,5]},"_meta":{"a":1}}"#,
        );
        assert_eq!(sent["result"]["structuredContent"]["rows"], serde_json::json!([[1, 2], 4]));
        assert_eq!(sent["result"]["_meta"], serde_json::json!({ "a": 1, MARK: true }));
    }

    #[test]
    fn texts_are_cut_from_the_last_on_and_the_message_is_as_small_as_it_has_to_be() {
        let long = "é\\n".repeat(1000);
        let result =
            format!(r#"{{"content":[{{"type":"text","text":"first {long}"}},{{"type":"text","text":"second {long}"}}]}}"#);
        for most in [1024, 3000, 5000] {
            let sent = cut(Bounds { size: Some(most), ..Bounds::default() }, &result);
            let size = sent.to_string().len();
            assert!(size <= most + 400, "{size} of {most}");
            let last = sent["result"]["content"][1]["text"].as_str().unwrap();
            assert!(last.ends_with(NOTE), "{last}");
            let first = sent["result"]["content"][0]["text"].as_str().unwrap();
            assert_eq!(first.len() < "first ".len() + 3000, most < 5000, "only as many as have to be: {most}");
        }
    }
}
