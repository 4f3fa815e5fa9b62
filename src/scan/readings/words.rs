//! Words that orders are made of, written so that a search misses them: digits for letters, letters turned round or left out, letters
//! with space between them.
//!
//! A word is known by its first and its last letter and by which letters it has, in any order: people, and models, read by these.

use std::ops::Range;
use std::sync::LazyLock;

use super::Patches;
use super::known::{DIGIT, Known, MIDDLE, NOTHING, ODD, key, plain};
use super::way::Rewritten;

/// So many letters on their own in a row are no list of initials.
const SPACED: usize = 5;

static KNOWN: LazyLock<Known> = LazyLock::new(Known::new);

/// The text with such words put right; `None` where there are none.
/// Where numbers stand that may be letters is told too.
pub(super) fn corrected<'t>(text: &'t str, numbers: &mut Vec<Range<usize>>) -> Option<Rewritten<'t>> {
    let known = &*KNOWN;
    let mut patches = Patches::new(text);
    let mut spaced = Spaced::default();
    let mut wide = Wide::default();
    let mut row = Row::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        let letter = known.letter(*first);
        at += 1;
        if letter == NOTHING {
            continue;
        }
        let start = at - 1;
        let (mut sum, mut last, mut all) = (letter & !DIGIT, letter, letter);
        while let Some(byte) = bytes.get(at) {
            let letter = known.letter(*byte);
            if letter == NOTHING {
                break;
            }
            all |= letter;
            sum = sum.wrapping_add(letter & !DIGIT);
            last = letter;
            at += 1;
        }
        let length = at - start;
        let is_odd = all & ODD != 0;
        if length == 1 && !is_odd {
            spaced.add(start, plain(letter), known, &mut patches);
            wide.letter(at);
            row.word(start..at, false, numbers);
            continue;
        }
        if spaced.count > 0 {
            spaced.end(known, &mut patches);
        }
        wide.word(text, start..at, &mut patches);
        row.word(start..at, all & DIGIT != 0 && !is_odd, numbers);
        let may_be_known = length >= MIDDLE || (length >= 3 && all & DIGIT != 0);
        if may_be_known && !is_odd {
            let key = key(sum, letter, last);
            if known.may_have(key)
                && let Some(right) = known.right(text.get(start..at).unwrap_or_default(), key)
            {
                patches.replace(start..at, right);
            }
        }
    }
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
    fn add(&mut self, at: usize, letter: u8, known: &Known, patches: &mut Patches<'_>) {
        const BETWEEN_WORDS: usize = 4;
        let gap = at.saturating_sub(self.span.end);
        if self.count == 0 || gap > BETWEEN_WORDS {
            self.end(known, patches);
            self.span.start = at;
        } else if gap > 1 {
            self.letters.push(b' ');
        }
        self.letters.push(letter);
        self.count += 1;
        self.span.end = at + 1;
    }

    fn end(&mut self, known: &Known, patches: &mut Patches<'_>) {
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
    end: usize,
    /// Whether the gap before the last word was one.
    follows: bool,
}

impl Wide {
    /// A letter on its own, which is another matter.
    fn letter(&mut self, end: usize) {
        (self.end, self.follows) = (end, false);
    }

    fn word(&mut self, text: &str, word: Range<usize>, patches: &mut Patches<'_>) {
        const WIDEST: usize = 16;
        let gap = self.end..word.start;
        self.end = word.end;
        if gap.len() == 1 && text.as_bytes().get(gap.start) == Some(&b' ') {
            self.follows = false;
            return;
        }
        let is_wide = (2..=WIDEST).contains(&gap.len()) || text.as_bytes().get(gap.start).is_some_and(|byte| *byte != b' ');
        let is_padding =
            is_wide && gap.len() <= WIDEST && text.get(gap.clone()).is_some_and(|gap| !gap.is_empty() && gap.trim().is_empty());
        if is_padding && self.follows && gap.start >= patches.done {
            patches.replace(gap, " ");
        }
        self.follows = is_padding;
    }
}
