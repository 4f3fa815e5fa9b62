//! What a scanner finds is what a plain one finds, that tries every row at every anchor and skips nothing.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use regex::bytes::{Regex, RegexBuilder, RegexSet, RegexSetBuilder};

use super::entropy::bits_a_byte;
use super::verify::{is_blank, is_of_one_letter, is_placeholder, is_stand_in, is_word, stands_alone};
use super::*;

type Places = BTreeSet<(u16, usize, usize)>;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| Catalogue::built_in().unwrap().scanner(["pii", "secrets"], []).unwrap());

/// All rows that have a pattern. What is code is not compared with itself.
static PLAIN: LazyLock<Vec<Plain>> =
    LazyLock::new(|| (0..).zip(SCANNER.all().cloned()).filter_map(|(number, detector)| Plain::new(number, detector)).collect());

struct Plain {
    number: u16,
    detector: Detector,
    written: Pattern,
    whole: Regex,
    not: RegexSet,
}

impl Plain {
    fn new(number: u16, detector: Detector) -> Option<Self> {
        let How::Pattern(written) = detector.how.clone() else { return None };
        let begins = if written.before == 0 { r"\A" } else { "" };
        let whole = RegexBuilder::new(&format!("{begins}(?:{})", written.whole)).unicode(false).build().unwrap();
        let not = RegexSetBuilder::new(&written.not).unicode(false).build().unwrap();
        Some(Self { number, detector, written, whole, not })
    }

    fn anchors(&self, text: &[u8]) -> Vec<usize> {
        let digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_digit);
        let letter = |at: usize| text.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || b"+/_=-".contains(byte));
        let is_anchor = |at: usize| match &self.detector.anchor {
            Anchor::Literals(literals) => literals.iter().any(|literal| text[at..].starts_with(literal.as_bytes())),
            Anchor::Digits => {
                let continues = at > 1 && b" -./".contains(&text[at - 1]) && digit(at - 2);
                digit(at) && !(at > 0 && digit(at - 1)) && !continues
            }
            Anchor::At => text[at] == b'@',
            Anchor::Base64 => (at..at + 20).all(letter) && !(at > 0 && letter(at - 1)),
            Anchor::Text => false,
        };
        (0..text.len()).filter(|at| is_anchor(*at)).collect()
    }

    fn is_near(&self, text: &str, at: usize) -> bool {
        let Some(near) = &self.detector.near else { return true };
        let fold = |text: &str| {
            text.chars().flat_map(char::to_lowercase).map(|letter| if letter == 'ς' { 'σ' } else { letter }).collect::<String>()
        };
        let places = text.char_indices().map(|(start, _)| start).filter(|start| *start < at);
        places.flat_map(|start| near.words.iter().map(move |word| (start, start + word.len(), word))).any(|(start, end, word)| {
            let is_one = text.get(start..end).is_some_and(|part| fold(part) == fold(word));
            is_one && end <= at && end + near.within >= at && is_word(text.as_bytes(), start..end)
        })
    }

    fn find(&self, text: &[u8], anchor: usize) -> Option<Range<usize>> {
        let written = &self.written;
        let start = anchor.saturating_sub(written.before);
        let slice = &text[start..text.len().min(anchor + written.after)];
        let mut from = 0;
        while let Some(captures) = self.whole.captures_at(slice, from) {
            let whole = captures.get(0).unwrap();
            if start + whole.start() > anchor {
                return None;
            }
            if start + whole.end() > anchor {
                let value = captures.name("value").unwrap_or(whole);
                let fits = stands_alone(text, start + whole.start(), start + whole.end(), written.edges)
                    && self.accepts(value.as_bytes());
                return fits.then_some(start + value.start()..start + value.end());
            }
            from = whole.start() + 1;
        }
        None
    }

    fn accepts(&self, value: &[u8]) -> bool {
        let named = self.whole.capture_names().any(|name| name == Some("value"));
        let placeholder = match (self.written.check, named) {
            (Some(_), _) => is_of_one_letter(value),
            (None, true) => is_placeholder(value),
            (None, false) => is_blank(value),
        };
        !placeholder
            && !is_stand_in(value)
            && self.written.entropy.is_none_or(|least| bits_a_byte(value) >= least)
            && self.written.check.is_none_or(|passes| passes(value))
            && !self.not.is_match(value)
    }
}

fn plainly(text: &str) -> Places {
    let mut found = Places::new();
    for plain in PLAIN.iter() {
        for at in plain.anchors(text.as_bytes()) {
            if let Some(value) = plain.find(text.as_bytes(), at).filter(|_| plain.is_near(text, at)) {
                found.insert((plain.number, value.start, value.end));
            }
        }
    }
    found
}

fn found(text: &str) -> Places {
    let mut found = Places::new();
    let patterns = SCANNER.set(|row| matches!(row.detector().how, How::Pattern(_)));
    let read = SCANNER.scan(text.as_bytes(), &patterns, &mut Effort::default(), |by, value| {
        found.insert((by, value.start, value.end));
    });
    assert_eq!(read, Ok(()), "{} bytes are too many", text.len());
    found
}

/// Parts of texts: samples of rows, also changed in one place, their literals and words, digits, noise.
fn part() -> impl Strategy<Value = String> {
    let row = || any::<Index>().prop_map(|at| &PLAIN[at.index(PLAIN.len())].detector);
    let sampled = (row(), any::<Index>(), any::<u64>()).prop_map(|(row, at, seed)| {
        let all: Vec<&String> = row.finds.iter().chain(&row.spares).collect();
        sample(all[at.index(all.len())], seed)
    });
    let changed = (sampled.clone(), any::<Index>(), select(&["", "0", "-", " ", "A", "é", ".", "@", "xx"])).prop_map(
        |(mut text, at, with)| {
            let at = text.floor_char_boundary(at.index(text.len().max(1)));
            let length = text.get(at..).unwrap_or_default().chars().next().map_or(0, char::len_utf8);
            text.replace_range(at..at + length, with);
            text
        },
    );
    let literal = (row(), any::<Index>()).prop_map(|(row, at)| match &row.anchor {
        Anchor::Literals(literals) => literals[at.index(literals.len())].clone(),
        Anchor::Digits | Anchor::At | Anchor::Base64 | Anchor::Text => {
            row.near.as_ref().map_or("@", |near| &near.words[at.index(near.words.len())]).to_uppercase()
        }
    });
    prop_oneof![
        3 => sampled,
        3 => changed,
        2 => literal,
        2 => "[0-9]{1,20}([ ./-]?[0-9]{1,6}){0,4}",
        2 => "[ \n:=\"',.()/+@-]{1,3}",
        1 => "[a-zA-Z0-9_./+-]{1,60}",
        1 => "\\PC{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_fast_way_finds_what_the_plain_way_finds(parts in prop::collection::vec(part(), 1..8)) {
        let text = parts.concat();
        prop_assert_eq!(found(&text), plainly(&text), "{:?}", text);
    }
}

#[test]
fn of_each_sample_too() {
    for (seed, plain) in (0..).zip(PLAIN.iter()) {
        let samples = plain.detector.finds.iter().chain(&plain.detector.spares).map(|template| sample(template, seed));
        let text = samples.collect::<Vec<_>>().join("\n");
        assert_eq!(found(&text), plainly(&text), "{text:?}");
    }
}
