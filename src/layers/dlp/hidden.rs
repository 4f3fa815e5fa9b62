//! What stands in a text encoded, escaped or split: looked at as a text of its own. Pure.
//!
//! Of what is escaped in place the bytes that stand for it are known, so that a mask covers exactly these. Of what is encoded as a whole no
//! byte stands for a part: it is decoded, masked and encoded again where that gives back what came ([`again`]), and masked as a whole
//! elsewhere.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::rules::Applicable;
use super::survey::{Sense, Sighting, Survey, part};
use crate::scan::Found;
use crate::scan::readings::{Origin, Reading, values};

/// A text that is encoded in another, and what was found in it.
#[derive(Default)]
pub(super) struct Inside {
    /// As it is decoded.
    pub(super) text: String,
    pub(super) found: Vec<Found>,
    /// What is seen only in what it holds in turn: there is no place for these in `text`.
    pub(super) deeper: Vec<Found>,
    /// What was found so far, once something deeper is.
    known: HashSet<(u16, String)>,
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: the text holds what is to be masked.
        f.debug_struct("Inside").field("found", &self.found).finish_non_exhaustive()
    }
}

impl Inside {
    /// Adds what was found in the text itself, or in one that it holds.
    fn add(&mut self, text: &str, found: &mut Vec<Found>) {
        if self.text == text {
            self.found.append(found);
            return;
        }
        if self.known.is_empty() {
            self.known = self.found.iter().map(|found| (found.by, part(&self.text, found).to_owned())).collect();
        }
        for found in found.drain(..) {
            if self.known.insert((found.by, part(text, &found).to_owned())) {
                self.deeper.push(found);
            }
        }
    }
}

impl Applicable<'_> {
    /// Looks at what `text` says in other ways, and adds that to the sightings. Whether it was read to its end.
    pub(super) fn look_further(&self, text: &str, matches: &mut Vec<Found>, survey: &mut Survey) -> bool {
        let Survey { room, effort, sightings, insides, all_shown, .. } = survey;
        let mut read = true;
        // Which of them stands for which letters of this text.
        let mut of_letters: HashMap<Range<usize>, usize> = HashMap::new();
        *all_shown &= values(text, room, &mut |reading: &Reading<'_>| {
            read &= self.find(reading.text, &self.wanted_in(reading.origin), effort, matches).is_ok();
            let Some(first) = matches.first().copied() else { return };
            let at = |found: Found| {
                let letters = reading.original(found.start..found.end);
                Found { start: letters.start, end: letters.end, ..found }
            };
            if !reading.is_inside {
                sightings.extend(matches.drain(..).map(|found| Sighting { found: at(found), sense: Sense::Decoded }));
                return;
            }
            // All of it is the same letters.
            let found = at(first);
            let index = *of_letters.entry(found.start..found.end).or_insert_with(|| {
                sightings.push(Sighting { found, sense: Sense::Inside(insides.len()) });
                insides.push(Inside { text: reading.text.to_owned(), ..Inside::default() });
                insides.len() - 1
            });
            if let Some(inside) = insides.get_mut(index) {
                inside.add(reading.text, matches);
            }
        });
        read
    }

    /// Numbers of a list are no card, though a key may be written in pieces.
    fn wanted_in(&self, origin: Origin) -> crate::scan::Set {
        match origin {
            Origin::Joined => self.secrets(),
            Origin::Encoded | Origin::Escaped | Origin::Itself | Origin::Words => self.ruled(),
        }
    }
}

/// `masked` encoded as `letters` are, if these are exactly `text` encoded.
pub(super) fn again(letters: &str, text: &str, masked: &str) -> Option<String> {
    // RFC 2045 section 6.8 breaks lines; who reads that reads one line as well.
    let flat: String = letters.chars().filter(|letter| !matches!(letter, '\r' | '\n')).collect();
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        if engine.decode(&flat).is_ok_and(|bytes| bytes == text.as_bytes()) {
            return Some(engine.encode(masked));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_masked_is_encoded_as_it_came() {
        assert_eq!(again("YWI/", "ab?", "a>?").as_deref(), Some("YT4/"));
        assert_eq!(again("YWI_", "ab?", "a>?").as_deref(), Some("YT4_"));
        assert_eq!(again("YWI", "ab", "abc>").as_deref(), Some("YWJjPg"));
        assert_eq!(again("YWI=", "ab", "abc>").as_deref(), Some("YWJjPg=="));
        assert_eq!(again("YW\r\nI=", "ab", "abc>").as_deref(), Some("YWJjPg=="));
        assert_eq!(again("6162", "ab", "x"), None, "hexadecimal digits are letters of base64 too");
        assert_eq!(again("YWI=", "other", "x"), None);
    }
}
