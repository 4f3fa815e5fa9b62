//! What a policy looks for by words or a pattern of its own. Both are looked for in the whole text, in one pass each.

use std::fmt;
use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};
use regex::bytes::{Regex, RegexBuilder};

/// The largest compiled pattern, in bytes.
const PATTERN: usize = 1 << 20;

/// Most words of one list, and their length in bytes: of fewer than three there are too many in every text.
pub const MOST_WORDS: usize = 100_000;
const SHORTEST: usize = 3;
const LONGEST: usize = 256;

/// Words or a pattern.
pub enum Own {
    /// Any of these, in any case, where neither a letter nor a digit touches it.
    Words {
        /// As they are written.
        words: Vec<String>,
        /// In all their cases.
        all: AhoCorasick,
    },
    /// Whatever fits this.
    Pattern(Regex),
}

/// Why words or a pattern cannot be looked for.
#[derive(Debug, thiserror::Error)]
pub enum NotOwn {
    /// No word, or too many.
    #[error("it has {0} words; 1 to {MOST_WORDS} can be looked for")]
    Words(usize),
    /// A word that is found everywhere, or nowhere.
    #[error("line {0}: a word has {SHORTEST} to {LONGEST} bytes")]
    Length(usize),
    /// No automaton can be made of them.
    #[error("the words cannot be compiled: {0}")]
    Automaton(#[from] aho_corasick::BuildError),
    /// It is no pattern, or too large a one.
    #[error("the pattern cannot be compiled: {}", last_line(.0))]
    Pattern(#[from] regex::Error),
    /// It fits everywhere.
    #[error("the pattern fits a text that is empty, so it would be found everywhere")]
    Empty,
}

/// The message of a broken pattern has the pattern in it, and what is wrong on its last line.
pub(super) fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

impl Own {
    /// The words of a list: one a line, but for blank ones and those that begin with `#`.
    ///
    /// # Errors
    /// They cannot be looked for.
    pub fn words(list: &str) -> Result<Self, NotOwn> {
        let mut words = Vec::new();
        for (line, word) in (1..).zip(list.lines().map(str::trim)) {
            if word.is_empty() || word.starts_with('#') {
                continue;
            }
            if !(SHORTEST..=LONGEST).contains(&word.len()) {
                return Err(NotOwn::Length(line));
            }
            words.push(word.to_owned());
        }
        if words.is_empty() || words.len() > MOST_WORDS {
            return Err(NotOwn::Words(words.len()));
        }
        // The automaton does the letters of ASCII.
        let mut cases: Vec<String> = words.iter().flat_map(|word| cases(word)).map(|word| word.to_ascii_lowercase()).collect();
        cases.sort_unstable();
        cases.dedup();
        let all = AhoCorasick::builder().match_kind(MatchKind::Standard).ascii_case_insensitive(true).build(&cases)?;
        Ok(Self::Words { words, all })
    }

    /// A pattern in the syntax of the `regex` crate; letters are those of Unicode.
    ///
    /// # Errors
    /// It cannot be looked for.
    pub fn pattern(written: &str) -> Result<Self, NotOwn> {
        let pattern = RegexBuilder::new(written).size_limit(PATTERN).build()?;
        if pattern.is_match(b"") { Err(NotOwn::Empty) } else { Ok(Self::Pattern(pattern)) }
    }

    /// Its kind, as findings name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Words { .. } => "words",
            Self::Pattern(_) => "pattern",
        }
    }

    /// Hands every place to `visit`.
    pub(super) fn find(&self, text: &[u8], mut visit: impl FnMut(Range<usize>)) {
        match self {
            Self::Words { all, .. } => {
                let found = all.find_overlapping_iter(text).map(|found| found.range());
                found.filter(|range| stands_alone(text, range)).for_each(visit);
            }
            Self::Pattern(pattern) => {
                pattern.find_iter(text).filter(|found| !found.is_empty()).for_each(|found| visit(found.range()));
            }
        }
    }
}

/// A word as it is written, and, since the automaton knows the cases of ASCII alone, in small letters, in capitals and with a capital.
fn cases(word: &str) -> Vec<String> {
    let mut all = vec![word.to_owned()];
    if !word.is_ascii() {
        let small = word.to_lowercase();
        let mut letters = small.chars();
        let titled: String = letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect();
        all.extend([word.to_uppercase(), titled, small]);
    }
    all
}

/// Whether neither a letter nor a digit, of any script, touches a place.
fn stands_alone(text: &[u8], range: &Range<usize>) -> bool {
    let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let before = text.get(range.start.saturating_sub(4)..range.start).unwrap_or_default();
    let after = text.get(range.end..text.len().min(range.end + 4)).unwrap_or_default();
    let last =
        before.utf8_chunks().last().and_then(|chunk| chunk.valid().chars().next_back().filter(|_| chunk.invalid().is_empty()));
    let first = after.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    !is_word(last) && !is_word(first)
}

impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Words { words: one, .. }, Self::Words { words: other, .. }) => one == other,
            (Self::Pattern(one), Self::Pattern(other)) => one.as_str() == other.as_str(),
            (Self::Words { .. }, Self::Pattern(_)) | (Self::Pattern(_), Self::Words { .. }) => false,
        }
    }
}

impl Eq for Own {}

impl fmt::Debug for Own {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: the words may be what must not be read.
        match self {
            Self::Words { words, .. } => f.debug_tuple("Words").field(&words.len()).finish(),
            Self::Pattern(pattern) => f.debug_tuple("Pattern").field(&pattern.as_str().len()).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found<'t>(own: &Own, text: &'t str) -> Vec<&'t str> {
        let mut all = Vec::new();
        own.find(text.as_bytes(), |range| all.push(text.get(range).unwrap()));
        all
    }

    #[test]
    fn words_are_found_in_any_case_and_whole() {
        let own = Own::words("# projects\nFalcon\n\n  Projekt Größe \nÉtoile\nПроект\n企画書\n").unwrap();
        for (text, expected) in [
            ("the FALCON and falcon, Falcon.", &["FALCON", "falcon", "Falcon"][..]),
            ("falconer, superfalcon, falcon9, éfalcon, falconß", &[]),
            ("my_falcon-x", &["falcon"]),
            ("PROJEKT GRÖSSE projekt größe", &["PROJEKT GRÖSSE", "projekt größe"]),
            ("étoile ÉTOILE проект ПРОЕКТ", &["étoile", "ÉTOILE", "проект", "ПРОЕКТ"]),
            ("(企画書)", &["企画書"]),
            ("", &[]),
        ] {
            assert_eq!(found(&own, text), expected, "{text}");
        }
    }

    #[test]
    fn a_pattern_is_found_wherever_it_fits() {
        let own = Own::pattern(r"(?i)\bACME-\d{4}\b").unwrap();
        assert_eq!(found(&own, "acme-1234, ACME-12345, xACME-1234, ACME-0001"), ["acme-1234", "ACME-0001"]);
        assert_ne!(own, Own::pattern("x+").unwrap());
        assert_eq!(own, Own::pattern(r"(?i)\bACME-\d{4}\b").unwrap());
    }

    #[test]
    fn what_would_be_found_everywhere_or_cannot_be_is_refused_with_a_reason() {
        let said = |own: Result<Own, NotOwn>| own.unwrap_err().to_string();
        assert_eq!(said(Own::words("abc\nok\n")), "line 2: a word has 3 to 256 bytes");
        assert_eq!(said(Own::words("# nothing\n")), "it has 0 words; 1 to 100000 can be looked for");
        assert_eq!(said(Own::pattern("a*")), "the pattern fits a text that is empty, so it would be found everywhere");
        assert_eq!(said(Own::pattern("a(b")), "the pattern cannot be compiled: unclosed group");
        assert!(said(Own::pattern("(?:a{1000}){1000}")).contains("size limit"));
    }

    #[test]
    fn tens_of_thousands_of_words_are_one_pass() {
        let list: Vec<String> = (0..50_000).map(|number| format!("customer {number:05} gmbh")).collect();
        let own = Own::words(&list.join("\n")).unwrap();
        assert_eq!(found(&own, "to Customer 04711 GmbH, and customer 99999 gmbh"), ["Customer 04711 GmbH"]);
    }
}
