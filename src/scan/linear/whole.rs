//! What people type to a model, judged as a whole.
//!
//! In a sentence or two every word counts: honest requests have a purpose, and what they say besides an odd phrase tells it. Windows are for what stands in
//! a document, most of which says nothing about it.

use super::features::{BUCKET_BITS, Sequences, TYPED_BITS, each_token};
use super::weights::Model;
use super::windows::BLOCK;

/// Bytes of the longest text that is judged as a whole. What a caller types is hardly ever longer; `TYPED` of `scripts/train`.
pub const TYPED: usize = 768;

/// A text with fewer tokens than half a window is a sentence if it has so many spaces: names (`ignore_all_rules`) have none.
const SPACES: usize = 3;

/// Fewer sequences weigh as much as so many: three words prove less than a sentence of them.
const LEAST: u32 = 8;

/// Of all sequences of one and two words, each once: the sum of their weights over the root of how many they are. Nothing if the text is longer than
/// [`TYPED`], or no sentence.
pub(super) fn score(model: &Model, text: &str) -> Option<i32> {
    if text.len() > TYPED {
        return None;
    }
    let (mut count, mut sum) = (0_u32, 0);
    let tokens = each_bucket(text, |bucket| {
        count += 1;
        sum += model.weigh_typed(bucket);
    });
    // At most some hundreds of sequences of at most 127 each: far from the bounds of these numbers.
    let root = (count.max(LEAST) << 16).isqrt();
    let score = i64::from(sum.max(0)) * 4_096 / i64::from(root);
    let is_sentence = tokens >= BLOCK || memchr::memchr_iter(b' ', text.as_bytes()).count() >= SPACES;
    is_sentence.then(|| i32::try_from(score).unwrap_or(i32::MAX))
}

/// Calls `visit` once for each bucket of a text of up to [`TYPED`] bytes; how many tokens it has.
pub(super) fn each_bucket(text: &str, mut visit: impl FnMut(usize)) -> usize {
    let (mut sequences, mut seen, mut tokens) = (Sequences::new(), Seen::new(), 0);
    each_token(text, |token| {
        tokens += 1;
        let [one, two, _] = sequences.push(token.hash);
        for bucket in [one >> TYPED_SHIFT, two >> TYPED_SHIFT] {
            if seen.insert(bucket) {
                visit(bucket);
            }
        }
    });
    tokens
}

const TYPED_SHIFT: u32 = BUCKET_BITS - TYPED_BITS;

/// Buckets that were met: a table with more than twice as many slots as the longest text has sequences (three in three bytes: a word of two
/// letters alone, behind the end of a sentence, and before it).
struct Seen([u32; Self::SLOTS]);

impl Seen {
    const SLOTS: usize = 2_048;

    fn new() -> Self {
        Self([0; Self::SLOTS])
    }

    /// Whether it is the first time.
    fn insert(&mut self, bucket: usize) -> bool {
        let key = u32::try_from(bucket + 1).unwrap_or(u32::MAX);
        for step in 0..Self::SLOTS {
            match self.0.get_mut((bucket + step) % Self::SLOTS) {
                Some(slot) if *slot == 0 => {
                    *slot = key;
                    return true;
                }
                Some(slot) if *slot == key => return false,
                Some(_) | None => {}
            }
        }
        false
    }
}
