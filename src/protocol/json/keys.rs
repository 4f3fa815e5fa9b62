//! No object has a key twice: the check, in time that no choice of keys can make quadratic.

/// Up to here every pair is compared: a loop over words of one cache line or two is faster than sorting.
const PAIRWISE: usize = 16;

#[derive(Clone, Copy)]
struct Key {
    /// Equal for equal texts. Not a hash: an attacker can make all of them equal, and then pays with long keys.
    fingerprint: u64,
    node: u32,
}

/// The keys of all objects that are open, innermost last.
#[derive(Default)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    /// Starts over, with room for the keys that are open at once in most messages.
    pub(super) fn reset(&mut self) {
        self.0.clear();
        self.0.reserve(2 * PAIRWISE);
    }

    /// Gives memory back when there is more than `bytes` of it.
    pub(super) fn shrink(&mut self, bytes: usize) {
        if self.0.capacity() * size_of::<Key>() > bytes {
            self.0 = Vec::new();
        }
    }

    /// What [`Keys::close`] needs to know about an object that opens now.
    pub(super) fn mark(&self) -> usize {
        self.0.len()
    }

    /// Adds a key of the innermost object; `text` is decoded.
    #[inline]
    pub(super) fn push(&mut self, text: &[u8], node: u32) {
        self.0.push(Key { fingerprint: fingerprint(text), node });
    }

    /// Forgets the keys since `mark`. Returns the first of them in the document that repeats an earlier one.
    #[inline]
    pub(super) fn close<'a>(&mut self, mark: usize, text_of: impl Fn(u32) -> &'a [u8]) -> Option<u32> {
        let keys = self.0.get_mut(mark..).unwrap_or_default();
        let repeated =
            if keys.len() <= PAIRWISE { repeated_among_few(keys, text_of) } else { repeated_among_many(keys, text_of) };
        self.0.truncate(mark);
        repeated
    }
}

fn repeated_among_few<'a>(keys: &[Key], text_of: impl Fn(u32) -> &'a [u8]) -> Option<u32> {
    for (index, key) in keys.iter().enumerate() {
        let earlier = keys.get(..index).unwrap_or_default();
        // Without early exit the compiler compares several words at once; hits are rare.
        if earlier.iter().fold(0, |hits, other| hits | u8::from(other.fingerprint == key.fingerprint)) != 0 {
            let text = text_of(key.node);
            if earlier.iter().any(|other| other.fingerprint == key.fingerprint && text_of(other.node) == text) {
                return Some(key.node);
            }
        }
    }
    None
}

/// Sorting needs n log n comparisons whatever the keys are. A hash set would need a keyed hash to promise the same.
#[cold]
fn repeated_among_many<'a>(keys: &mut [Key], text_of: impl Fn(u32) -> &'a [u8]) -> Option<u32> {
    keys.sort_unstable_by(|a, b| {
        a.fingerprint.cmp(&b.fingerprint).then_with(|| text_of(a.node).cmp(text_of(b.node))).then_with(|| a.node.cmp(&b.node))
    });
    let pairs = keys.iter().zip(keys.iter().skip(1));
    let repeated = pairs.filter(|(a, b)| a.fingerprint == b.fingerprint && text_of(a.node) == text_of(b.node));
    repeated.map(|(_, later)| later.node).min()
}

/// Both ends and the length: names of one object rarely share all three.
#[inline]
fn fingerprint(text: &[u8]) -> u64 {
    let ends = match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => u64::from_le_bytes(*first) ^ u64::from_le_bytes(*last).rotate_left(29),
        _ => match (text.first_chunk(), text.last_chunk()) {
            (Some(first), Some(last)) => u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32,
            _ => text.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)),
        },
    };
    ends ^ (text.len() as u64).rotate_left(56)
}
