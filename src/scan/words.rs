//! Where words stand that a detector wants before a match.

use std::borrow::Cow;
use std::collections::HashMap;
use std::convert::Infallible;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::detector::Near;
use super::grams::{self, Grams};
use super::verify::is_word;

/// How far beyond an anchor words are looked for with those before it, where anchors are dense.
const AHEAD: usize = 256;

/// The words of many detectors, compiled.
#[derive(Debug, Default)]
pub(super) struct Words {
    /// Those of ASCII, for texts of ASCII: by three bytes and more, and the shorter ones.
    grams: Grams<true>,
    short: Vec<(usize, Vec<u8>)>,
    /// All of them, for any other text.
    automaton: Option<AhoCorasick>,
    /// How long each word is, and whose: places in `within`.
    lengths: Vec<usize>,
    of: Vec<Vec<usize>>,
    /// How many bytes before an anchor a word of each may end.
    within: Vec<usize>,
    /// The most of these, and the longest word.
    widest: usize,
    longest: usize,
}

/// What is known of the words of one text.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The last anchor that was asked about, and how far words have been looked for.
    at: usize,
    upto: usize,
    /// The words found, by their ends, and how many of them end before that anchor.
    found: Vec<(usize, usize)>,
    passed: usize,
    /// How many bytes have been read for it.
    pub(super) read: usize,
    /// For each detector: where its last word before that anchor ends; 0 where none is known.
    last: Vec<usize>,
}

impl Words {
    /// Of these, which are known by their places from then on.
    pub(super) fn new<'n>(near: impl IntoIterator<Item = &'n Near>) -> Result<Self, aho_corasick::BuildError> {
        let mut words = Self::default();
        let mut numbers: HashMap<Vec<u8>, usize> = HashMap::new();
        for (place, near) in near.into_iter().enumerate() {
            words.within.push(near.within);
            for word in &near.words {
                let number = *numbers.entry(folded(word.as_bytes()).into_owned()).or_insert_with(|| {
                    words.lengths.push(word.len());
                    words.of.push(Vec::new());
                    words.of.len() - 1
                });
                if let Some(of) = words.of.get_mut(number) {
                    of.push(place);
                }
            }
        }
        words.widest = words.within.iter().copied().max().unwrap_or_default();
        words.longest = numbers.keys().map(Vec::len).max().unwrap_or_default();
        if !numbers.is_empty() {
            let mut all: Vec<(Vec<u8>, usize)> = numbers.into_iter().collect();
            all.sort_unstable_by_key(|(_, number)| *number);
            let ascii = |word: &[u8]| word.is_ascii();
            words.grams = Grams::new(all.iter().map(|(word, _)| if ascii(word) { word.as_slice() } else { &[] }));
            let short = all.iter().filter(|(word, _)| ascii(word) && (1..grams::SHORTEST).contains(&word.len()));
            words.short = short.map(|(word, number)| (*number, word.clone())).collect();
            // Words that lie in one another are found each.
            let builder = AhoCorasick::builder().match_kind(MatchKind::Standard).kind(Some(AhoCorasickKind::DFA)).clone();
            words.automaton = Some({ builder }.ascii_case_insensitive(true).build(all.iter().map(|(word, _)| word))?);
        }
        Ok(words)
    }

    /// Whether a word of the detector at `place` ends at most as far before `at` as it says.
    ///
    /// Costs least where anchors are asked about in their order.
    pub(super) fn stand_before(&self, place: usize, at: usize, text: &[u8], seen: &mut Seen) -> bool {
        if at < seen.at || seen.last.is_empty() {
            seen.restart(self.within.len());
        }
        seen.at = at;
        if seen.upto < at {
            self.read(text, at, seen);
        }
        while let Some((end, word)) = seen.found.get(seen.passed).filter(|(end, _)| *end <= at) {
            for place in self.of.get(*word).into_iter().flatten() {
                if let Some(last) = seen.last.get_mut(*place) {
                    *last = *end;
                }
            }
            seen.passed += 1;
        }
        let (last, within) =
            (seen.last.get(place).copied().unwrap_or_default(), self.within.get(place).copied().unwrap_or_default());
        last > 0 && last.saturating_add(within) >= at
    }

    /// Looks for words up to an anchor and somewhat beyond it; none that ends far before it is wanted.
    fn read(&self, text: &[u8], at: usize, seen: &mut Seen) {
        let from = at.saturating_sub(self.widest).max(seen.upto).saturating_sub(self.longest);
        let ahead = if from > 0 && from < seen.upto { AHEAD } else { 0 };
        let to = at.saturating_add(ahead).min(text.len());
        let Some(part) = text.get(from..to) else { return };
        seen.found.drain(..seen.passed);
        seen.passed = 0;
        let (first, upto) = (seen.found.len(), seen.upto);
        self.find(part, |number, start, length| {
            let word = from + start..from + start + length;
            if word.end > upto && is_word(text, word.clone()) {
                seen.found.push((word.end, number));
            }
        });
        seen.found.get_mut(first..).unwrap_or_default().sort_unstable();
        seen.upto = to;
        seen.read += to - from;
    }

    /// Calls `visit` with the number, the place and the length of each of them, in no order.
    fn find(&self, text: &[u8], mut visit: impl FnMut(usize, usize, usize)) {
        if !text.is_ascii() {
            let text = folded(text);
            let all = self.automaton.iter().flat_map(|automaton| automaton.find_overlapping_iter(text.as_ref()));
            all.for_each(|word| visit(word.pattern().as_usize(), word.start(), word.end() - word.start()));
            return;
        }
        let length = |number: usize| self.lengths.get(number).copied().unwrap_or_default();
        // Nothing refuses.
        let _all = self.grams.find(text, |number, start| {
            visit(number, start, length(number));
            Ok::<(), Infallible>(())
        });
        for (number, word) in &self.short {
            let begins = |byte: &&u8| memchr::memchr2_iter(**byte, byte.to_ascii_uppercase(), text);
            for start in word.first().iter().flat_map(begins) {
                if text.get(start..start + word.len()).is_some_and(|found| found.eq_ignore_ascii_case(word)) {
                    visit(*number, start, word.len());
                }
            }
        }
    }
}

impl Seen {
    /// Whether words have been looked for as far as this.
    pub(super) fn reach(&self, at: usize) -> bool {
        self.upto >= at
    }

    fn restart(&mut self, detectors: usize) {
        *self = Self { last: vec![0; detectors], read: self.read, ..Self::default() };
    }
}

/// In lower case, each letter in as many bytes as it has; where no letter but those of ASCII has a case, as it is.
fn folded(text: &[u8]) -> Cow<'_, [u8]> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut folded = Vec::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let mut bytes = [0; 4];
        for letter in chunk.valid().chars() {
            folded.extend_from_slice(lower(letter).encode_utf8(&mut bytes).as_bytes());
        }
        folded.extend_from_slice(chunk.invalid());
    }
    Cow::Owned(folded)
}

fn lower(letter: char) -> char {
    // Greek has two small letters for one.
    if letter == 'ς' {
        return 'σ';
    }
    let mut lower = letter.to_lowercase();
    match (lower.next(), lower.next()) {
        (Some(lower), None) if lower.len_utf8() == letter.len_utf8() => lower,
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(rows: &[(&[&str], usize)]) -> Words {
        let near =
            |(words, within): &(&[&str], usize)| Near { words: words.iter().map(ToString::to_string).collect(), within: *within };
        Words::new(&rows.iter().map(near).collect::<Vec<_>>()).unwrap()
    }

    fn one(word: &str, text: &str) -> bool {
        words(&[(&[word], 40)]).stand_before(0, text.len(), text.as_bytes(), &mut Seen::default())
    }

    #[test]
    fn a_word_is_known_in_any_case_of_any_script() {
        for (word, text) in [
            ("née le", "NÉE LE 1"),
            ("né", "Né "),
            ("год", "ГОД "),
            ("ЕГН", "егн: "),
            ("κοινωνικής", "ΚΟΙΝΩΝΙΚΉΣ "),
            ("身份證", "身份證 "),
            ("ssn", "my SSN is "),
            ("tél", "日本\u{feff}Tél. "),
        ] {
            assert!(one(word, text), "{word} in {text}");
        }
        assert!(!one("né", "ne ") && !one("sin", "using ") && !one("год", "то "));
    }

    #[test]
    fn bytes_that_are_no_text_hide_no_word() {
        let words = words(&[(&["rodné číslo"], 8)]);
        let text = [b"\xff\xc3".as_slice(), "RODNÉ ČÍSLO: ".as_bytes(), b"\xc4"].concat();
        assert!(words.stand_before(0, text.len(), &text, &mut Seen::default()));
    }

    #[test]
    fn it_ends_at_most_so_many_bytes_before() {
        let text = format!("ssn{}", " ".repeat(600));
        let words = words(&[(&["ssn"], 40), (&["ssn", "x"], 256)]);
        let mut seen = Seen::default();
        for (at, near, far) in
            [(2, false, false), (3, true, true), (43, true, true), (44, false, true), (259, false, true), (260, false, false)]
        {
            assert_eq!(words.stand_before(0, at, text.as_bytes(), &mut seen), near, "{at}");
            assert_eq!(words.stand_before(1, at, text.as_bytes(), &mut seen), far, "{at}");
        }
        // Backwards, too.
        assert!(words.stand_before(0, 5, text.as_bytes(), &mut seen));
    }

    proptest! {
        #[test]
        fn what_is_known_of_a_text_does_not_depend_on_what_was_asked(
            text in "[ a-d]{0,900}",
            asked in prop::collection::vec((0_usize..900, 0_usize..3), 1..20),
        ) {
            let words = words(&[(&["a", "ab", "abc"], 3), (&["b c", "dd"], 200), (&["abcd", "d a"], 20)]);
            let mut seen = Seen::default();
            for (at, place) in asked {
                let at = at.min(text.len());
                let alone = words.stand_before(place, at, text.as_bytes(), &mut Seen::default());
                prop_assert_eq!(words.stand_before(place, at, text.as_bytes(), &mut seen), alone);
            }
        }
    }
}
