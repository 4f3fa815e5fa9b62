//! The words of a text and the buckets of their sequences. `scripts/train` does the same in Python, bit for bit: tests.rs and the
//! vectors that it shares with the script hold them together.

use std::ops::Range;

use crate::scan::spans::alphanumeric;

/// Longer words are told apart by their beginning only, so that a text without spaces costs no more than another.
const LONGEST_WORD: usize = 24;
/// Odd, and with its ones spread: what a letter adds reaches the high bits.
const MULTIPLIER: u32 = 0x9E37_79B1;
const FINAL: u32 = 0x85EB_CA6B;
/// Stands between sentences and before the text, so that an order at the beginning of a sentence is another feature than its verb.
pub(super) const BOUNDARY: u32 = 0x2545_F491;
/// Every word that begins with a digit.
const NUMBER: u32 = 0x6C8E_9CF5;
/// Every letter of ASCII that stands alone, but for the words "a" and "i": what is spelt apart is put together elsewhere, and as it stands says nothing.
const LETTER: u32 = 0x3C6E_F372;

/// Weights of windows are in this many buckets, as a power of two.
pub(super) const BUCKET_BITS: u32 = 18;
/// Those of texts as a whole in this many.
pub(super) const TYPED_BITS: u32 = 17;

/// One word, or the end of a sentence.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Token {
    pub hash: u32,
    /// Its bytes in the text. The end of a sentence has none: it "starts" with the next word and "ends" with the last.
    pub start: usize,
    pub end: usize,
}

/// Calls `visit` for each token of `text`, in order. A token that repeats the one before is left out: columns of figures and rows of
/// dashes say nothing new.
#[inline]
pub(super) fn each_token(text: &str, mut visit: impl FnMut(Token)) {
    let mut last = BOUNDARY;
    let push = |token: Token| {
        if token.hash != last {
            last = token.hash;
            visit(token);
        }
    };
    if text.is_ascii() { of_ascii(text.as_bytes(), push) } else { of_any(text, push) }
}

/// The same as [`of_any`], of texts that are all ASCII, as nearly all are: where words end is known before they are read.
#[inline]
fn of_ascii(text: &[u8], mut push: impl FnMut(Token)) {
    let mut end = 0;
    alphanumeric(text, HARD_STOPS, SOFT_STOPS, |word, stops| {
        if stops {
            push(Token { hash: BOUNDARY, start: word.start, end });
        }
        end = word.end;
        push(Token { hash: plain_word(text, word.clone()), start: word.start, end });
    });
    if stops(text.get(end..).unwrap_or_default()) {
        push(Token { hash: BOUNDARY, start: text.len(), end });
    }
}

/// Whether a sentence ends between two words of ASCII.
#[inline]
fn stops(gap: &[u8]) -> bool {
    match gap {
        [byte] => class(*byte) == HARD_STOP,
        _ => ends(gap.iter().fold(0, |seen, byte| seen | class(*byte)), gap.len()),
    }
}

#[inline]
fn ends(seen: u8, length: usize) -> bool {
    seen & HARD_STOP != 0 || (seen & SOFT_STOP != 0 && length > 1)
}

/// The hash of a word of ASCII: the polynomial that [`word`] evaluates letter by letter, whose terms do not wait for one another.
#[inline]
fn plain_word(text: &[u8], word: Range<usize>) -> u32 {
    let length = word.len().min(LONGEST_WORD);
    let mut powers = POWERS.get(LONGEST_WORD - length..).unwrap_or_default();
    let mut rest = text.get(word.start..).unwrap_or_default();
    let mut hash = 0_u32;
    for _ in 0..length.div_ceil(EIGHT) {
        let Some((now, later)) = powers.split_first_chunk::<EIGHT>() else { break };
        // What stands behind the word is multiplied by nothing.
        if let Some((letters, behind)) = rest.split_first_chunk::<EIGHT>() {
            hash = hash.wrapping_add(terms(*letters, now));
            rest = behind;
        } else {
            let mut last = [0; EIGHT];
            last.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            hash = hash.wrapping_add(terms(last, now));
        }
        powers = later;
    }
    told_apart(hash, text.get(word.start), length == 1)
}

#[inline]
fn terms(letters: [u8; EIGHT], powers: &[u32; EIGHT]) -> u32 {
    // Of a letter or digit, the same as `class`, without a table: what counts here is done to all eight at once.
    let class = |byte: u8| u32::from(if byte & 0x40 == 0 { b'0' } else { byte | 0x20 });
    letters.into_iter().zip(powers).fold(0, |sum, (letter, power)| sum.wrapping_add(class(letter).wrapping_mul(*power)))
}

/// Letters of a word that are looked at at once.
const EIGHT: usize = 8;

/// What the letters of the longest word are multiplied by; those of a shorter one by the last of these. Behind them stands nothing.
#[expect(clippy::indexing_slicing, reason = "built by the compiler, which would stop at a mistake")]
const POWERS: [u32; 2 * LONGEST_WORD] = {
    let mut powers = [0; 2 * LONGEST_WORD];
    let (mut at, mut power) = (LONGEST_WORD, 1_u32);
    while at > 0 {
        at -= 1;
        power = power.wrapping_mul(MULTIPLIER);
        powers[at] = power;
    }
    powers
};

fn of_any(text: &str, mut push: impl FnMut(Token)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut word_end = 0;
    while at < bytes.len() {
        let gap = gap(text, at);
        if gap.stops {
            push(Token { hash: BOUNDARY, start: gap.end, end: word_end });
        }
        let word = word(text, gap.end);
        if word.end > gap.end {
            push(Token { hash: word.hash, start: gap.end, end: word.end });
        }
        if word.end == at {
            // Not on a character, which cannot be: better to stop than to go on for ever.
            break;
        }
        at = word.end;
        word_end = word.end;
    }
}

/// The buckets of the sequences that end with a token.
#[derive(Debug)]
pub(super) struct Sequences {
    /// The last token, and the last two, ready to be joined by the next.
    one: u32,
    two: u32,
}

impl Sequences {
    pub(super) fn new() -> Self {
        let one = BOUNDARY.rotate_left(9);
        Self { one, two: one ^ BOUNDARY }
    }

    /// Buckets of the token alone, with the one before, and with the two before.
    #[inline]
    pub(super) fn push(&mut self, hash: u32) -> [usize; 3] {
        let three = self.two.rotate_left(9) ^ hash;
        let two = self.one ^ hash;
        self.two = two;
        self.one = hash.rotate_left(9);
        [bucket(hash), bucket(two), bucket(three)]
    }
}

#[inline]
fn bucket(sequence: u32) -> usize {
    (sequence.wrapping_mul(FINAL) >> (u32::BITS - BUCKET_BITS)) as usize
}

struct Gap {
    end: usize,
    stops: bool,
}

/// What stands between words from `start` on.
#[inline]
fn gap(text: &str, start: usize) -> Gap {
    let bytes = text.as_bytes();
    let mut at = start;
    let mut seen = 0;
    while let Some(byte) = bytes.get(at) {
        let class = class(*byte);
        if class >= FIRST_WORD {
            break;
        }
        if class == OTHER {
            match script(text, at) {
                Script::Separator(length) => {
                    seen |= HARD_STOP;
                    at += length;
                    continue;
                }
                Script::Letter(..) | Script::Word(..) | Script::End => break,
            }
        }
        seen |= class;
        at += 1;
    }
    Gap { end: at, stops: ends(seen, at - start) }
}

struct Word {
    hash: u32,
    end: usize,
}

/// The word from `start` on; empty (its end is its start) if none begins there.
#[inline]
fn word(text: &str, start: usize) -> Word {
    let bytes = text.as_bytes();
    let mut hash = 0_u32;
    let mut letters = 0;
    // Nearly all words are of ASCII.
    for byte in bytes.get(start..).unwrap_or_default().iter().take(LONGEST_WORD) {
        let class = class(*byte);
        if class < FIRST_WORD {
            break;
        }
        hash = hash.wrapping_add(u32::from(class)).wrapping_mul(MULTIPLIER);
        letters += 1;
    }
    let mut at = start + letters;
    while let Some(byte) = bytes.get(at) {
        let class = class(*byte);
        let (code, length) = if class >= FIRST_WORD {
            (u32::from(class), 1)
        } else if class == OTHER {
            match script(text, at) {
                Script::Letter(code, length) => (code, length),
                Script::Word(code, length) if at == start => {
                    return Word { hash: code.wrapping_mul(MULTIPLIER), end: at + length };
                }
                Script::Word(..) | Script::Separator(_) | Script::End => break,
            }
        } else {
            break;
        };
        if letters < LONGEST_WORD {
            hash = hash.wrapping_add(code).wrapping_mul(MULTIPLIER);
        }
        letters += 1;
        at += length;
    }
    Word { hash: told_apart(hash, bytes.get(start), at == start + 1), end: at }
}

/// The hash of a word, but for numbers and letters that stand alone, which are all alike.
#[inline]
fn told_apart(hash: u32, first: Option<&u8>, is_alone: bool) -> u32 {
    match first {
        Some(b'0'..=b'9') => NUMBER,
        Some(b'a' | b'A' | b'i' | b'I') => hash,
        Some(b'b'..=b'z' | b'B'..=b'Z') if is_alone => LETTER,
        Some(_) | None => hash,
    }
}

/// What ends a sentence alone, and what does beside another separator.
const HARD_STOPS: &[u8] = b"\n!?";
const SOFT_STOPS: &[u8] = b".:;\">])}*#|";

const PLAIN: u8 = 0;
const SOFT_STOP: u8 = 1;
const HARD_STOP: u8 = 2;
/// Beyond ASCII.
const OTHER: u8 = 4;
/// From here on a class is the letter that stands for the byte: small letters, and one digit for all.
const FIRST_WORD: u8 = b'0';

#[inline]
fn class(byte: u8) -> u8 {
    CLASSES.get(usize::from(byte)).copied().unwrap_or(PLAIN)
}

#[expect(clippy::indexing_slicing, reason = "built by the compiler, which would stop at a mistake")]
const CLASSES: [u8; 256] = {
    let mut classes = [PLAIN; 256];
    let mut byte = 0_u8;
    loop {
        classes[byte as usize] = match byte {
            b'0'..=b'9' => b'0',
            b'a'..=b'z' => byte,
            b'A'..=b'Z' => byte.to_ascii_lowercase(),
            0x80.. => OTHER,
            _ => PLAIN,
        };
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    let (mut hard, mut soft) = (0, 0);
    while hard < HARD_STOPS.len() {
        classes[HARD_STOPS[hard] as usize] = HARD_STOP;
        hard += 1;
    }
    while soft < SOFT_STOPS.len() {
        classes[SOFT_STOPS[soft] as usize] = SOFT_STOP;
        soft += 1;
    }
    classes
};

/// What a character beyond ASCII is to a reader of words, and its length in bytes.
enum Script {
    /// Part of a word.
    Letter(u32, usize),
    /// A word by itself: its script puts no space between words.
    Word(u32, usize),
    Separator(usize),
    End,
}

/// Few ranges, the same as in the script, and not the tables of a Unicode version: those change under a model.
fn script(text: &str, at: usize) -> Script {
    let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) else {
        return Script::End;
    };
    let (code, length) = (letter as u32, letter.len_utf8());
    match code {
        0xE00..=0xEFF
        | 0x1000..=0x109F
        | 0x1780..=0x17FF
        | 0x3005..=0x3007
        | 0x3021..=0x30FF
        | 0x31F0..=0x31FF
        | 0x3400..=0x9FFF
        | 0xF900..=0xFAFF
        | 0x2_0000..=0x3_FFFF => Script::Word(code, length),
        0x80..=0xBF
        | 0x2000..=0x2BFF
        | 0x3000..=0x3004
        | 0x3008..=0x3020
        | 0xE000..=0xF8FF
        | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF0F
        | 0xFF1A..=0xFF20
        | 0xFFF0..=0xFFFF
        | 0x1_F000..=0x1_FFFF
        | 0xE_0000..=0x10_FFFF => Script::Separator(length),
        _ => Script::Letter(code, length),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(walk: impl Fn(&mut dyn FnMut(Token))) -> Vec<(u32, usize, usize)> {
        let mut all = Vec::new();
        walk(&mut |token| all.push((token.hash, token.start, token.end)));
        all
    }

    proptest! {
        #[test]
        fn texts_of_ascii_have_the_tokens_that_any_text_has(text in "([a-zA-Z0-9]{0,30}[ -/:-@\n\t_{|}]{0,3}){0,12}") {
            prop_assert!(text.is_ascii());
            let quick = tokens(|visit| of_ascii(text.as_bytes(), visit));
            prop_assert_eq!(quick, tokens(|visit| of_any(&text, visit)));
        }
    }
}
