//! Words that orders are made of, written so that a search misses them: digits for letters, letters turned round or left out, letters
//! with space between them.
//!
//! A word is known by its first and its last letter and by which letters it has, in any order: people, and models, read by these.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use super::Patches;
use crate::scan::injection::way::Rewritten;

/// The words of orders, as rules look for them.
const WORDS: &[&str] = &[
    "above",
    "access",
    "address",
    "admin",
    "administrator",
    "all",
    "always",
    "and",
    "answer",
    "any",
    "api",
    "append",
    "are",
    "assistant",
    "attached",
    "attacker",
    "authorization",
    "before",
    "bypass",
    "call",
    "code",
    "command",
    "commands",
    "complete",
    "confidential",
    "constraints",
    "content",
    "conversation",
    "credential",
    "credentials",
    "customer",
    "data",
    "database",
    "delete",
    "developer",
    "directive",
    "directives",
    "disable",
    "disregard",
    "earlier",
    "email",
    "emails",
    "enable",
    "entire",
    "every",
    "everything",
    "execute",
    "exfiltrate",
    "external",
    "file",
    "files",
    "filter",
    "filters",
    "follow",
    "for",
    "forget",
    "forward",
    "from",
    "given",
    "guardrails",
    "guidelines",
    "hidden",
    "history",
    "ignore",
    "ignoring",
    "important",
    "in",
    "inform",
    "initial",
    "instruction",
    "instructions",
    "internal",
    "jailbreak",
    "key",
    "keys",
    "limitations",
    "list",
    "me",
    "mention",
    "message",
    "messages",
    "mode",
    "must",
    "never",
    "new",
    "no",
    "not",
    "now",
    "of",
    "on",
    "open",
    "operator",
    "orders",
    "output",
    "override",
    "overwrite",
    "password",
    "passwords",
    "permission",
    "permissions",
    "policies",
    "policy",
    "preceding",
    "pretend",
    "previous",
    "previously",
    "print",
    "prior",
    "private",
    "programming",
    "prompt",
    "prompts",
    "protocols",
    "provide",
    "read",
    "repeat",
    "reply",
    "report",
    "respond",
    "restriction",
    "restrictions",
    "return",
    "reveal",
    "rules",
    "safety",
    "secret",
    "secrets",
    "security",
    "send",
    "show",
    "silently",
    "ssh",
    "system",
    "tell",
    "that",
    "the",
    "this",
    "to",
    "token",
    "tokens",
    "training",
    "transfer",
    "uncensored",
    "unrestricted",
    "upload",
    "user",
    "users",
    "verbatim",
    "were",
    "with",
    "without",
    "you",
    "your",
];

/// From this length on a word is known with a letter missing or doubled.
const LONG: usize = 7;

/// From this length on it is known with letters in another order; a shorter one only with digits for letters.
const MIDDLE: usize = 5;

/// So many letters on their own in a row are no list of initials.
const SPACED: usize = 8;

static KNOWN: LazyLock<Known> = LazyLock::new(Known::new);

/// Words by their letters.
struct Known {
    words: HashMap<u32, &'static str>,
    /// Whether some word may have such a sum: most have none, and need no search.
    seen: [u64; 64],
    /// The words that begin with each letter, longest first.
    by_letter: Vec<Vec<(Vec<u8>, &'static str)>>,
    letters: [Letter; 256],
}

/// What a byte is in a word.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Letter {
    weight: u32,
    plain: u8,
    /// It belongs to a word, but to none that is known.
    is_odd: bool,
}

/// Between words.
const NOTHING: Letter = Letter { weight: 0, plain: 0, is_odd: false };

/// The text with such words put right; `None` where there are none.
pub(super) fn corrected(text: &str) -> Option<Rewritten<'_>> {
    let known = &*KNOWN;
    let mut patches = Patches::new(text);
    let mut spaced = Spaced::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(first) = bytes.get(at) {
        let letter = known.letter(*first);
        at += 1;
        if letter == NOTHING {
            continue;
        }
        let start = at - 1;
        let (mut sum, mut last, mut all) = (letter.weight, letter, letter.is_odd);
        while let Some(byte) = bytes.get(at) {
            let letter = known.letter(*byte);
            if letter == NOTHING {
                break;
            }
            all |= letter.is_odd;
            sum = sum.wrapping_add(letter.weight);
            last = letter;
            at += 1;
        }
        let length = at - start;
        if length == 1 && !all {
            spaced.add(start, letter.plain, known, &mut patches);
            continue;
        }
        spaced.end(known, &mut patches);
        if length >= 3 && !all {
            let key = key(sum, letter.weight, last.weight);
            if known.may_have(key)
                && let Some(right) = known.right(text.get(start..at).unwrap_or_default(), key)
            {
                patches.replace(start..at, right);
            }
        }
    }
    spaced.end(known, &mut patches);
    patches.finish()
}

impl Known {
    fn new() -> Self {
        let mut known = Self { words: HashMap::new(), seen: [0; 64], by_letter: vec![Vec::new(); 26], letters: [NOTHING; 256] };
        for (byte, letter) in (0..=u8::MAX).zip(&mut known.letters) {
            *letter = Letter::new(byte);
        }
        for word in WORDS {
            known.add(word.bytes(), word);
        }
        for word in WORDS.iter().filter(|word| word.len() >= LONG) {
            for place in 1..word.len() - 1 {
                let all = || word.bytes().enumerate();
                known.add(all().filter(|(at, _)| *at != place).map(|(_, letter)| letter), word);
                known.add(all().flat_map(|(at, letter)| std::iter::repeat_n(letter, 1 + usize::from(at == place))), word);
            }
        }
        let mut words: Vec<_> = WORDS.to_vec();
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        for word in words {
            let plain: Vec<u8> = word.bytes().map(|byte| known.letter(byte).plain).collect();
            if let Some(list) = plain.first().and_then(|first| known.by_letter.get_mut(usize::from(first - b'a'))) {
                list.push((plain, word));
            }
        }
        known
    }

    fn letter(&self, byte: u8) -> Letter {
        self.letters.get(usize::from(byte)).copied().unwrap_or(NOTHING)
    }

    fn add(&mut self, letters: impl Iterator<Item = u8>, word: &'static str) {
        let weights: Vec<u32> = letters.map(|byte| self.letter(byte).weight).collect();
        let sum = weights.iter().fold(0_u32, |sum, weight| sum.wrapping_add(*weight));
        let (Some(first), Some(last)) = (weights.first(), weights.last()) else { return };
        let key = key(sum, *first, *last);
        self.words.entry(key).or_insert(word);
        if let Some(bits) = self.seen.get_mut((key >> 26) as usize) {
            *bits |= 1 << ((key >> 20) & 63);
        }
    }

    fn may_have(&self, key: u32) -> bool {
        self.seen.get((key >> 26) as usize).is_some_and(|bits| (bits >> ((key >> 20) & 63)) & 1 == 1)
    }

    /// The word that is meant, where it is not the one that is written.
    fn right(&self, word: &str, key: u32) -> Option<&'static str> {
        let right = *self.words.get(&key)?;
        let has_digits = word.bytes().any(|byte| !byte.is_ascii_alphabetic());
        // Whatever ends a sentence is no letter.
        let is_same = word.trim_end_matches('!').eq_ignore_ascii_case(right);
        (!is_same && (has_digits || right.len() >= MIDDLE)).then_some(right)
    }

    /// Letters without spaces between words, with them.
    fn apart(&self, letters: &[u8]) -> String {
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

impl Letter {
    /// A letter stands for itself, a digit for the letter that it looks like, l for i, since 1 is both.
    fn new(byte: u8) -> Self {
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
            0x80.. => return Self { is_odd: true, ..NOTHING },
            _ => return NOTHING,
        };
        // No order in these, so that sums tell sets of letters apart.
        let mixed = u32::from(plain).wrapping_mul(0x9E37_79B1);
        let mixed = (mixed ^ (mixed >> 15)).wrapping_mul(0x85EB_CA77);
        Self { weight: mixed ^ (mixed >> 13), plain, is_odd: false }
    }
}

fn key(sum: u32, first: u32, last: u32) -> u32 {
    let mixed = sum ^ first.rotate_left(7) ^ last.rotate_left(19);
    (mixed ^ (mixed >> 16)).wrapping_mul(0xC2B2_AE3D)
}
