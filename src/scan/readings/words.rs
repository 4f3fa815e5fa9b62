//! Words that orders are made of, written so that a search misses them: digits for letters, letters turned round or left out, letters
//! with space between them.
//!
//! A word is known by its first and its last letter and by which letters it has, in any order: people, and models, read by these.

use std::ops::Range;
use std::sync::LazyLock;

use super::Patches;
use super::known::{DIGIT, Known, MIDDLE, ODD, plain};
use super::way::Rewritten;
use crate::scan::spans::{Word, unusual};

/// So many letters on their own in a row are no list of initials.
const SPACED: usize = 5;

static KNOWN: LazyLock<Known> = LazyLock::new(Known::new);

/// The text with such words put right; `None` where there are none.
/// Where numbers stand that may be letters is told too.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "one branch that goes the same way for nearly all words, not five of which some do not"
)]
pub(super) fn corrected<'t>(text: &'t str, numbers: &mut Vec<Range<usize>>) -> Option<Rewritten<'t>> {
    let known = &*KNOWN;
    let mut patches = Patches::new(text);
    let mut spaced = Spaced::default();
    let mut wide = Wide::default();
    let mut row = Row::default();
    let bytes = text.as_bytes();
    unusual(bytes, |Word { span, is_plain, before }| {
        let may_be_known = known.may_be(bytes, &span);
        let is_single = span.len() == 1;
        let is_apart = span.start == before + 1 && bytes.get(before) == Some(&b' ');
        // Nearly all words, with few branches, each of which nearly always goes the same way.
        if is_plain & !is_single & !may_be_known & is_apart & (spaced.count == 0) & (row.count == 0) {
            return;
        }
        let word = bytes.get(span.clone()).unwrap_or_default();
        let all = if is_plain { 0 } else { word.iter().fold(0, |all, byte| all | known.letter(*byte)) };
        let is_odd = all & ODD != 0;
        if let ([letter], false) = (word, is_odd) {
            spaced.add(span.start, before, plain(known.letter(*letter)), known, &mut patches);
            row.word(span, false, numbers);
            return;
        }
        spaced.end(known, &mut patches);
        if !is_apart {
            wide.word(text, &span, before, &mut patches);
        }
        row.word(span.clone(), all & DIGIT != 0 && !is_odd, numbers);
        let is_long_enough = word.len() >= MIDDLE || (word.len() >= 3 && all & DIGIT != 0);
        if may_be_known
            && is_long_enough
            && !is_odd
            && let Some(right) = known.right(text, span.clone())
        {
            patches.replace(span, right);
        }
    });
    spaced.end(known, &mut patches);
    row.end(numbers);
    patches.finish()
}

/// Letters with space between them.
#[derive(Default)]
struct Spaced {
    span: Range<usize>,
    letters: Vec<u8>,
    count: usize,
}

impl Spaced {
    /// A letter at a place, and where the word before it ends.
    fn add(&mut self, at: usize, before: usize, letter: u8, known: &Known, patches: &mut Patches<'_>) {
        const BETWEEN_WORDS: usize = 4;
        let gap = at.saturating_sub(self.span.end);
        if self.count == 0 || before != self.span.end || gap > BETWEEN_WORDS {
            self.end(known, patches);
            self.span.start = at;
        } else if gap > 1 {
            self.letters.push(b' ');
        }
        self.letters.push(letter);
        self.count += 1;
        self.span.end = at + 1;
    }

    #[inline]
    fn end(&mut self, known: &Known, patches: &mut Patches<'_>) {
        if self.count > 0 {
            self.close(known, patches);
        }
    }

    fn close(&mut self, known: &Known, patches: &mut Patches<'_>) {
        if self.count >= SPACED {
            let words: Vec<String> = self.letters.split(|letter| *letter == b' ').map(|word| known.apart(word)).collect();
            patches.replace(self.span.clone(), &words.join(" "));
        }
        self.letters.clear();
        self.count = 0;
    }
}

/// Short numbers in a row.
#[derive(Default)]
struct Row {
    span: Range<usize>,
    count: usize,
}

impl Row {
    fn word(&mut self, word: Range<usize>, is_number: bool, numbers: &mut Vec<Range<usize>>) {
        const LONGEST: usize = 8;
        const GAP: usize = 2;
        let follows = word.start <= self.span.end + GAP;
        let is_short = (2..=LONGEST).contains(&word.len());
        if !is_number || !is_short || !follows {
            self.end(numbers);
        }
        if is_number && is_short {
            if self.count == 0 {
                self.span.start = word.start;
            }
            self.count += 1;
            self.span.end = word.end;
        }
    }

    fn end(&mut self, numbers: &mut Vec<Range<usize>>) {
        const SHORTEST: usize = 16;
        if self.count >= SHORTEST {
            numbers.push(self.span.clone());
        }
        self.count = 0;
    }
}

/// Words with more between them than one space. One such gap is the end of a line or of a column; several in a row are padding.
#[derive(Default)]
struct Wide {
    /// Where the last word ends that stands behind such a gap.
    end: usize,
}

impl Wide {
    /// A word that does not stand one space behind the one before, and where that ends.
    fn word(&mut self, text: &str, word: &Range<usize>, before: usize, patches: &mut Patches<'_>) {
        const WIDEST: usize = 16;
        let gap = before..word.start;
        // Whatever is no ASCII belongs to a word.
        let between = text.as_bytes().get(gap.clone()).unwrap_or_default();
        let is_space = |byte: &u8| matches!(byte, b'\t'..=b'\r' | b' ');
        if between.is_empty() || between.len() > WIDEST || !between.iter().all(is_space) {
            return;
        }
        if self.end == before && before > 0 && gap.start >= patches.done {
            patches.replace(gap, " ");
        }
        self.end = word.end;
    }
}
