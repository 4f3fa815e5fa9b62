//! Changes to a message, recorded while it is read and spliced into its bytes when it is sent.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::{Document, Kind, Limits, NodeId, RawJson, Value, splices};

/// Changes to one document. Every call and [`Edits::apply`] must be given the same document.
///
/// Edits are a set: the order in which they are recorded does not matter, but for two whole values written to one place, of
/// which the later counts. What they do not touch stays byte-identical. Where they meet:
///
/// - A removal or a whole replacement takes the edits inside the value with it; a removal goes before a replacement.
/// - Overlapping text edits of one string become one: the union of their ranges gets their replacements, ordered by range.
///   Equal edits count once. Edits that only touch stay apart.
///
/// The result is always well formed, but an edited key may come to equal another one: [`Edits::would_duplicate`].
#[derive(Clone, Default)]
pub struct Edits(Vec<Edit>);

#[derive(Clone)]
pub(super) enum Edit {
    /// A member that was not there.
    Insert { object: NodeId, key: String, json: RawJson },
    /// An element, or a member by its value.
    Remove { container: NodeId, child: NodeId },
    /// A whole value or key.
    Replace { id: NodeId, json: RawJson },
    /// A part of a scalar, in bytes of its decoded text, on character boundaries.
    Text { id: NodeId, range: Range<usize>, replacement: String },
}

impl Edits {
    /// Whether nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many changes were recorded; every removed element is one.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// These and `others`, of the same document.
    #[must_use]
    pub fn and(&self, others: &Self) -> Self {
        Self(self.0.iter().chain(&others.0).cloned().collect())
    }

    /// Replaces the whole value at `id`. A key can become a string only: other JSON takes its place as quoted text.
    pub fn replace(&mut self, document: &Document, id: NodeId, json: RawJson) {
        let json =
            if document.value(id).is_key() && !json.as_str().starts_with('"') { RawJson::string(json.as_str()) } else { json };
        self.0.push(Edit::Replace { id, json });
    }

    /// Replaces the bytes `range` of the decoded text at `id` (what [`Value::texts`] shows) with `replacement`.
    ///
    /// Of a string or key only the original bytes of that range change; a character or escape that is cut is replaced whole,
    /// and what exceeds the text is ignored. A number becomes a string that holds its digits but for the range; so do
    /// `true`, `false` and `null`. An array or object is replaced whole.
    pub fn replace_text(&mut self, document: &Document, id: NodeId, range: Range<usize>, replacement: &str) {
        let value = document.value(id);
        let text = match value.kind() {
            Kind::Array | Kind::Object => return self.replace(document, id, RawJson::string(replacement)),
            Kind::String => document.decoded_str(id).as_bytes(),
            Kind::Bool | Kind::Null | Kind::Number => value.raw().as_bytes(),
        };
        let start = character_boundary(text, range.start, usize::saturating_sub);
        let end = character_boundary(text, range.end.max(range.start), usize::saturating_add);
        self.0.push(Edit::Text { id, range: start..end, replacement: replacement.to_owned() });
    }

    /// Removes the elements of an array, or the members of an object, whose value `keep` refuses, with their commas.
    /// [`Value::key`] gives the key of a member. Removals of several calls add up. Other kinds have nothing to remove.
    pub fn retain<'d>(&mut self, document: &'d Document, container: NodeId, mut keep: impl FnMut(Value<'d>) -> bool) {
        let value = document.value(container);
        let children = value.items().chain(value.members().map(|(_, value)| value));
        let removed = children.filter(|child| !keep(*child)).map(|child| Edit::Remove { container, child: child.id() });
        self.0.extend(removed);
    }

    /// Gives the object at `object` the member `key`: in place of the value it has, else as a new member before the others,
    /// new ones sorted by key. A member that is removed stays removed. Does nothing to other kinds, so ask for the kind first where that matters.
    pub fn set_member(&mut self, document: &Document, object: NodeId, key: &str, json: RawJson) {
        let value = document.value(object);
        match value.get(key) {
            Some(member) => self.replace(document, member.id(), json),
            None if value.kind() == Kind::Object => self.0.push(Edit::Insert { object, key: key.to_owned(), json }),
            None => (),
        }
    }

    /// Whether the edited document would have a key twice, and so be refused by every strict reader. Costs nothing unless a
    /// key was edited. To be asked before `apply` by whoever edits keys.
    pub fn would_duplicate(&self, document: &Document) -> bool {
        let edits_a_key = self.0.iter().any(|edit| match edit {
            Edit::Replace { id, .. } | Edit::Text { id, .. } => document.value(*id).is_key(),
            Edit::Insert { .. } | Edit::Remove { .. } => false,
        });
        edits_a_key && Document::parse(self.apply(document), Limits::NONE).is_err()
    }

    /// The document with the edits in it. Without edits these are the same bytes, not a copy.
    ///
    /// Limits are not checked again: a value that was set may make the result deeper or longer than the original.
    pub fn apply(&self, document: &Document) -> Bytes {
        if self.is_empty() { document.bytes().clone() } else { splices::apply(document, &self.0) }
    }
}

/// The nearest start of a character of `text`, from `at` by `step` of one; at most its length.
fn character_boundary(text: &[u8], at: usize, step: impl Fn(usize, usize) -> usize) -> usize {
    let mut at = at.min(text.len());
    while text.get(at).is_some_and(|byte| byte & 0xC0 == 0x80) {
        at = step(at, 1);
    }
    at
}

impl fmt::Debug for Edits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: the count only; replacements may quote what they replace.
        f.debug_struct("Edits").field("len", &self.len()).finish()
    }
}
