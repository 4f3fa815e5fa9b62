//! The words of a text and the buckets of their sequences. `scripts/train` does the same in Python, bit for bit: tests.rs and the
//! vectors that it shares with the script hold them together.

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

/// Weights are in this many buckets, as a power of two.
pub(super) const BUCKET_BITS: u32 = 18;

/// One word, or the end of a sentence.
#[derive(Clone, Copy, Debug)]
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
    let bytes = text.as_bytes();
    let mut last = BOUNDARY;
    let mut push = |token: Token| {
        if token.hash != last {
            last = token.hash;
            visit(token);
        }
    };
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
    Gap { end: at, stops: seen & HARD_STOP != 0 || (seen & SOFT_STOP != 0 && at - start > 1) }
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
    let is_alone = at == start + 1;
    let hash = match bytes.get(start) {
        Some(b'0'..=b'9') => NUMBER,
        Some(b'a' | b'A' | b'i' | b'I') => hash,
        Some(b'b'..=b'z' | b'B'..=b'Z') if is_alone => LETTER,
        Some(_) | None => hash,
    };
    Word { hash, end: at }
}

const PLAIN: u8 = 0;
/// Ends a sentence beside another separator.
const SOFT_STOP: u8 = 1;
/// Ends a sentence alone.
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
            b'\n' | b'!' | b'?' => HARD_STOP,
            b'.' | b':' | b';' | b'"' | b'>' | b']' | b')' | b'}' | b'*' | b'#' | b'|' => SOFT_STOP,
            0x80.. => OTHER,
            _ => PLAIN,
        };
        if byte == u8::MAX {
            break classes;
        }
        byte += 1;
    }
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
