//! The words of orders, and how they are known again.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

/// As rules look for them.
const WORDS: &str = "\
    above access address admin administrator all always and answer any api append are assistant attached attacker \
    authorization before bypass call code command commands complete confidential constraints content conversation \
    credential credentials customer data database delete developer directive directives disable disregard earlier \
    email emails enable entire every everything execute exfiltrate external file files filter filters follow for \
    forget forward from given guardrails guidelines hidden history ignore ignoring important in inform initial \
    instruction instructions internal jailbreak key keys limitations list me mention message messages mode must \
    never new no not now of on open operator orders output override overwrite password passwords permission \
    permissions policies policy preceding pretend previous previously print prior private programming prompt \
    prompts protocols provide read repeat reply report respond restriction restrictions return reveal rules safety \
    secret secrets security send show silently ssh system tell that the this to token tokens training transfer \
    uncensored unrestricted upload user users verbatim were with without you your";

/// From this length on a word is known with a letter missing or doubled.
const LONG: usize = 7;

/// From this length on it is known with letters in another order; a shorter one only with digits for letters.
pub(super) const MIDDLE: usize = crate::scan::spans::LONG;

/// Of letters, as five bits each.
const PAIRS: usize = 1 << 10;

/// Of the upper bits of keys.
const KEYS: usize = 1 << 15;

/// Places for words that fit into one number.
const SHORT: usize = 1 << 10;

/// No word is so long.
const ENDLESS: usize = 31;

/// What is looked up is mixed already, and nobody else puts anything in.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 << 8) | u64::from(*byte);
        }
    }

    fn write_u32(&mut self, key: u32) {
        // The upper bits of a hash are looked at as well as the lower.
        self.0 = u64::from(key) << 32 | u64::from(key);
    }
}

/// Words by their letters.
pub(super) struct Known {
    words: HashMap<u32, &'static str, BuildHasherDefault<Mixed>>,
    /// Which of their keys' upper bits there are, a bit each: most of what is looked up is not there.
    keys: Box<[u64; KEYS / 64]>,
    /// Words that fit into one number, by what is made of it: most of those that are known are written as they should be.
    short: Box<[u64; SHORT]>,
    /// What is multiplied with them for that.
    factor: u64,
    /// By first and last letter, the lengths of the words that have both, a bit each.
    lengths: [u32; PAIRS],
    /// The words that begin with each letter, longest first.
    by_letter: Vec<Vec<(Vec<u8>, &'static str)>>,
    letters: [u32; 256],
}

/// A byte between words. Any other is the letter that it is read as, and above it a number without order, so that sums tell sets of letters
/// apart.
const NOTHING: u32 = 0;

/// A byte that belongs to a word, but to none that is known.
pub(super) const ODD: u32 = 0x80;

/// A byte that stands for a letter and is none.
pub(super) const DIGIT: u32 = 0x100;

impl Known {
    pub(super) fn new() -> Self {
        let mut known = Self {
            words: HashMap::default(),
            keys: Box::new([0; KEYS / 64]),
            short: Box::new([0; SHORT]),
            factor: 0x9E37_79B9_7F4A_7C15,
            lengths: [0; PAIRS],
            by_letter: vec![Vec::new(); 26],
            letters: [NOTHING; 256],
        };
        for (byte, letter) in (0..=u8::MAX).zip(&mut known.letters) {
            *letter = read_as(byte);
        }
        known.settle();
        for word in WORDS.split_ascii_whitespace() {
            known.add(word.bytes(), word);
        }
        for word in WORDS.split_ascii_whitespace().filter(|word| word.len() >= LONG) {
            for place in 1..word.len() - 1 {
                let all = || word.bytes().enumerate();
                known.add(all().filter(|(at, _)| *at != place).map(|(_, letter)| letter), word);
                known.add(all().flat_map(|(at, letter)| std::iter::repeat_n(letter, 1 + usize::from(at == place))), word);
            }
        }
        let mut words: Vec<_> = WORDS.split_ascii_whitespace().collect();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        for word in words {
            let plain: Vec<u8> = word.bytes().map(|byte| plain(known.letter(byte))).collect();
            if let Some(list) = plain.first().and_then(|first| known.by_letter.get_mut(usize::from(first - b'a'))) {
                list.push((plain, word));
            }
        }
        known
    }

    /// Gives each short word a place of its own, by the first factor that does.
    fn settle(&mut self) {
        let short = || WORDS.split_ascii_whitespace().filter(|word| word.len() <= HEAD).map(|word| head(word.as_bytes(), 0));
        while !short().all(|word| {
            let at = self.slot(word);
            self.short.get_mut(at).is_some_and(|slot| *slot == 0 && std::mem::replace(slot, word) == 0)
        }) {
            self.short.fill(0);
            self.factor = self.factor.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        }
    }

    /// The place of a short word.
    #[inline]
    fn slot(&self, word: u64) -> usize {
        usize::try_from(word.wrapping_mul(self.factor) >> (u64::BITS - SHORT.ilog2())).unwrap_or_default()
    }

    #[inline]
    pub(super) fn letter(&self, byte: u8) -> u32 {
        self.letters.get(usize::from(byte)).copied().unwrap_or(NOTHING)
    }

    fn add(&mut self, letters: impl Iterator<Item = u8>, word: &'static str) {
        let weights: Vec<u32> = letters.map(|byte| self.letter(byte)).collect();
        let sum = weights.iter().fold(0_u32, |sum, weight| sum.wrapping_add(*weight & !DIGIT));
        let (Some(first), Some(last)) = (weights.first(), weights.last()) else { return };
        let key = key(sum, *first, *last);
        self.words.entry(key).or_insert(word);
        let (place, bit) = place(key);
        if let Some(bits) = self.keys.get_mut(place) {
            *bits |= bit;
        }
        if let Some(lengths) = self.lengths.get_mut(pair(*first, *last)) {
            *lengths |= 1 << weights.len().min(ENDLESS);
        }
    }

    /// Whether another word may be meant than the one that is written. Nearly always it is not: few begin and end like one that is known and are as
    /// long, most of these are known words themselves, and the others have other letters.
    #[inline]
    pub(super) fn may_be(&self, text: &[u8], span: &Range<usize>) -> bool {
        let Some((first, last)) = text.get(span.start).zip(text.get(span.end - 1)) else { return false };
        let [first, last] = [first, last].map(|byte| self.letter(*byte));
        let lengths = self.lengths.get(pair(first, last)).copied().unwrap_or_default();
        let whole = (head(text, span.start) | SMALL) & low(span.len());
        let is_right = (self.short.get(self.slot(whole)) == Some(&whole)) & (span.len() <= HEAD);
        // One branch that nobody can foresee, and not two.
        if (lengths >> span.len().min(ENDLESS) & 1 == 0) | is_right {
            return false;
        }
        let (place, bit) = place(key(self.sum(text, span), first, last));
        self.keys.get(place).is_some_and(|bits| bits & bit != 0)
    }

    /// Of the letters of a word, whatever their order.
    #[inline]
    fn sum(&self, text: &[u8], span: &Range<usize>) -> u32 {
        // So many at once that nearly no word has more, and nothing waits to know where it ends.
        let (mut sum, mut left, mut at) = (0_u32, span.len(), span.start);
        loop {
            for _ in 0..2 {
                let letters = (head(text, at) & low(left)).to_le_bytes();
                sum = letters.iter().fold(sum, |sum, byte| sum.wrapping_add(self.letter(*byte) & !DIGIT));
                (left, at) = (left.saturating_sub(HEAD), at + HEAD);
            }
            if left == 0 {
                break sum;
            }
        }
    }

    /// The word that is meant, where it is not the one that is written.
    pub(super) fn right(&self, text: &str, span: Range<usize>) -> Option<&'static str> {
        let word = text.get(span.clone())?;
        let ends = |byte: Option<&u8>| byte.map(|byte| self.letter(*byte));
        let key = key(self.sum(text.as_bytes(), &span), ends(word.as_bytes().first())?, ends(word.as_bytes().last())?);
        let right = *self.words.get(&key)?;
        if word.eq_ignore_ascii_case(right) {
            return None;
        }
        let has_digits = word.bytes().any(|byte| !byte.is_ascii_alphabetic());
        // Whatever ends a sentence is no letter.
        let is_same = word.trim_end_matches('!').eq_ignore_ascii_case(right);
        (!is_same && (has_digits || right.len() >= MIDDLE)).then_some(right)
    }

    /// Letters without spaces between words, with them.
    pub(super) fn apart(&self, letters: &[u8]) -> String {
        let mut out = String::new();
        let mut rest = letters;
        let mut is_word = true;
        while let Some(first) = rest.first() {
            let words = self.by_letter.get(usize::from(first.wrapping_sub(b'a')));
            let found = words.and_then(|words| words.iter().find(|(plain, _)| rest.starts_with(plain)));
            if let Some((plain, word)) = found.filter(|(plain, _)| plain.len() > 1) {
                if !out.is_empty() {
                    out.push(' ');
                }
                out.push_str(word);
                rest = rest.get(plain.len()..).unwrap_or_default();
                is_word = true;
            } else {
                if is_word && !out.is_empty() {
                    out.push(' ');
                }
                out.push(char::from(*first));
                rest = rest.get(1..).unwrap_or_default();
                is_word = false;
            }
        }
        out
    }
}

/// Bytes of a word that are looked at at once.
const HEAD: usize = 8;

/// What makes of letters small ones, and of nothing else a letter.
const SMALL: u64 = u64::MAX / 0xFF * 0x20;

/// The bytes from a place on; zeros behind the end.
#[inline]
fn head(text: &[u8], at: usize) -> u64 {
    let rest = text.get(at..).unwrap_or_default();
    let bytes = rest.first_chunk().copied().unwrap_or_else(|| {
        let mut bytes = [0; HEAD];
        bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        bytes
    });
    u64::from_le_bytes(bytes)
}

/// So many low bytes.
#[inline]
fn low(bytes: usize) -> u64 {
    if bytes < HEAD { (1 << (8 * bytes)) - 1 } else { u64::MAX }
}

/// A letter stands for itself, a digit for the letter that it looks like, l for i, since 1 is both.
fn read_as(byte: u8) -> u32 {
    let plain = match byte {
        b'l' | b'L' | b'1' | b'!' => b'i',
        b'0' => b'o',
        b'3' => b'e',
        b'4' | b'@' => b'a',
        b'5' | b'$' => b's',
        b'7' => b't',
        b'8' => b'b',
        b'6' | b'9' => b'g',
        b'2' => b'z',
        b'a'..=b'z' => byte,
        b'A'..=b'Z' => byte | 0x20,
        0x80.. => return ODD,
        _ => return NOTHING,
    };
    let mixed = u32::from(plain).wrapping_mul(0x9E37_79B1);
    let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x85EB_CA77);
    let digit = if byte.is_ascii_alphabetic() { 0 } else { DIGIT };
    (mixed & !0x1FF) | digit | u32::from(plain)
}

/// The place of a first and a last letter in a table of all pairs.
#[inline]
fn pair(first: u32, last: u32) -> usize {
    ((first & 31) << 5 | last & 31) as usize
}

#[inline]
pub(super) fn plain(letter: u32) -> u8 {
    u8::try_from(letter & 0x7F).unwrap_or_default()
}

/// Of a word, by the sum of its letters, its first and its last; whether they were written as digits does not matter.
fn key(sum: u32, first: u32, last: u32) -> u32 {
    let (first, last) = (first & !DIGIT, last & !DIGIT);
    let mixed = sum ^ first.rotate_left(7) ^ last.rotate_left(19);
    (mixed ^ (mixed >> 16)).wrapping_mul(0xC2B2_AE3D)
}

/// Where the bit of a key stands, and the bit.
#[inline]
fn place(key: u32) -> (usize, u64) {
    let upper = key >> 17;
    ((upper >> 6) as usize, 1 << (upper & 63))
}
