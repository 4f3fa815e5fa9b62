//! Every detector finds what its row says that it finds, and spares what it says that it spares.
//!
//! A sample is a text with templates in place of what would be a secret: `ghp_${36:alnum}` is thirty-six letters and digits behind `ghp_`. They
//! are filled by chance, the same chance in every run.

use std::fmt;

use super::{Detector, Effort, Scanner};

/// How often each template is filled, and how often chance may make a value that looks like none.
const ROUNDS: u64 = 8;
const CHANCE: usize = 1;

/// What a row says, and is not so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The detector.
    pub id: String,
    /// Whether it finds what it is to spare; else it misses what it is to find.
    pub finds: bool,
    /// Which of its samples of that sort it is.
    pub at: usize,
    /// The text.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?}", self.id, if self.finds { "finds" } else { "misses" }, self.text)
    }
}

impl Scanner {
    /// Holds every row against its own samples.
    pub fn mistakes(&self) -> Vec<Mistake> {
        self.all().flat_map(|detector| self.mistakes_of(detector)).collect()
    }

    fn mistakes_of(&self, detector: &Detector) -> Vec<Mistake> {
        let seed = detector.id.bytes().map(u64::from).sum::<u64>();
        let round = |template: &str, round: u64| {
            let text = sample(template, round * 1_000 + seed);
            (self.finds(detector, &text), text)
        };
        let mistake = |finds: bool, at: usize, text: String| Mistake { id: detector.id.clone(), finds, at, text };
        let mut mistakes = Vec::new();
        for (place, template) in detector.finds.iter().enumerate() {
            let mut missed = (0..ROUNDS).map(|at| round(template, at)).filter(|(found, _)| !found);
            mistakes.extend(missed.nth(CHANCE).map(|(_, text)| mistake(false, place, text)));
        }
        for (place, template) in detector.spares.iter().enumerate() {
            let found = (0..ROUNDS).map(|at| round(template, at)).find(|(found, _)| *found);
            mistakes.extend(found.map(|(_, text)| mistake(true, place, text)));
        }
        mistakes
    }

    fn finds(&self, detector: &Detector, text: &str) -> bool {
        let mut found = false;
        let wanted = self.set(|row| row.detector().id == detector.id);
        let read = self.scan(text.as_bytes(), &wanted, &mut Effort::default(), |_, _| found = true);
        found && read.is_ok()
    }
}

/// Letters as they come, the same in every run: the generator `SplitMix64`.
struct Letters(u64);

impl Letters {
    fn next(&mut self, of: &str) -> char {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let at = usize::try_from((word ^ (word >> 31)) % 0xFFFF).unwrap_or_default();
        of.chars().cycle().nth(at % of.len().max(1)).unwrap_or('0')
    }
}

/// The letters of a class.
fn class(name: &str) -> Option<&'static str> {
    Some(match name {
        "HEX" => "0123456789ABCDEF",
        "alnum" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        "alpha" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
        "base32" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
        "base64" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
        "base64url" => "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        "digit" => "0123456789",
        "hex" => "0123456789abcdef",
        "lower" => "abcdefghijklmnopqrstuvwxyz",
        "upper" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        _ => return None,
    })
}

/// A sample of a row, filled by the chance that this seed gives.
pub fn sample(template: &str, seed: u64) -> String {
    filled(template, &mut Letters(seed))
}

/// So many letters of a class in the place of each template; what only looks like one stays.
fn filled(template: &str, letters: &mut Letters) -> String {
    let (mut text, mut rest) = (String::new(), template);
    while let Some((before, after)) = rest.split_once("${") {
        text += before;
        let filled = after.split_once('}').and_then(|(inner, behind)| {
            let (count, name) = inner.split_once(':')?;
            Some((count.parse::<usize>().ok()?.min(4096), class(name)?, behind))
        });
        if let Some((count, class, behind)) = filled {
            text.extend((0..count).map(|_| letters.next(class)));
            rest = behind;
        } else {
            text += "${";
            rest = after;
        }
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::super::{Catalogue, Class, Unread, detectors};
    use super::*;
    use crate::yaml::Report;

    #[test]
    fn every_detector_finds_and_spares_what_its_row_says() {
        let mut ids = Vec::new();
        for (class, least) in [(Class::Pii, 60), (Class::Secrets, 400)] {
            let scanner = Catalogue::built_in().unwrap().scanner([class.name()], []).unwrap();
            scanner.compile().unwrap();
            let mistakes: Vec<String> = scanner.mistakes().iter().map(ToString::to_string).collect();
            assert!(mistakes.is_empty(), "{} mistakes:\n{}", mistakes.len(), mistakes.join("\n"));
            let all = scanner.all().count();
            assert!(all >= least, "{all} kinds of {}", class.name());
            ids.extend(scanner.all().map(|detector| detector.id.clone()));
        }
        let all = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), all, "two detectors have one id");
    }

    #[test]
    fn a_text_of_nothing_but_anchors_is_said_to_be_unread() {
        let row = "{id: slow, kind: slow, title: t, source: s, misses: m, anchors: [abc], pattern: 'abc.{0,99}x', edges: none, after: 128, \
                   finds: [abcx], spares: [abc]}";
        let rows = detectors("slow.yaml", format!("version: 1\ndetectors: [{row}]\n").as_bytes(), &mut Report::new()).unwrap();
        let scanner = Scanner::new(Class::Own, rows).unwrap();
        let text = "abc".repeat(50_000);
        let read = scanner.scan(text.as_bytes(), &scanner.set(|_| true), &mut Effort::default(), |_, _| {});
        assert_eq!(read, Err(Unread), "{} bytes of anchors were looked at one by one", text.len());
        assert_eq!(scanner.mistakes(), []);
    }

    #[test]
    fn what_is_free_is_free_once_for_all_texts_of_a_message() {
        let scanner = Catalogue::built_in().unwrap().scanner(["mac_address"], []).unwrap();
        let (all, mut left) = (scanner.set(|_| true), Effort::default());
        let text = "00:1B:63:84:45:E6".repeat(40);
        let mut read = (0..20_000).map(|_| scanner.scan(text.as_bytes(), &all, &mut left, |_, _| {}));
        assert!(read.next() == Some(Ok(())) && read.any(|read| read == Err(Unread)), "each text was free");
    }

    #[test]
    fn a_template_is_filled_and_what_only_looks_like_one_stays() {
        let text = filled("a${4:digit}b${NAME}${2:nothing}${3:upper}", &mut Letters(1));
        let (before, after) = text.split_once("b${NAME}${2:nothing}").unwrap();
        assert!(before.len() == 5 && before.bytes().skip(1).all(|byte| byte.is_ascii_digit()), "{text}");
        assert!(after.len() == 3 && after.bytes().all(|byte| byte.is_ascii_uppercase()), "{text}");
    }
}
