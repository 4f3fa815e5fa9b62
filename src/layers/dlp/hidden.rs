//! What stands in a text encoded, escaped or split: looked at as a text of its own. Pure.
//!
//! Of what is escaped in place the bytes that stand for it are known, so that a mask covers exactly these. Of what is encoded as a whole no
//! byte stands for a part: it is decoded, masked and encoded again where that gives back what came ([`again`]), and masked as a whole
//! elsewhere.

use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

use super::rules::Applicable;
use super::survey::{Sense, Sighting, Survey, part};
use crate::scan::Found;
use crate::scan::readings::{Origin, Reading, values};

/// A text that is encoded in another, and what was found in it.
pub(super) struct Inside {
    /// The letters that stand for it.
    pub(super) outer: Range<usize>,
    /// As it is decoded.
    pub(super) text: String,
    pub(super) found: Vec<Found>,
    /// What is seen only in what it holds in turn: there is no place for these in `text`.
    pub(super) deeper: Vec<Found>,
    /// Values of `deeper`, so that none counts twice.
    values: Vec<String>,
}

impl fmt::Debug for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SECURITY: the text holds what is to be masked.
        f.debug_struct("Inside").field("outer", &self.outer).field("found", &self.found).finish_non_exhaustive()
    }
}

impl Inside {
    fn new(outer: Range<usize>, text: &str) -> Self {
        Self { outer, text: text.to_owned(), found: Vec::new(), deeper: Vec::new(), values: Vec::new() }
    }

    fn add(&mut self, text: &str, found: Found) {
        if self.text == text {
            self.found.push(found);
            return;
        }
        let value = part(text, &found);
        let known = self.found.iter().any(|other| other.by == found.by && part(&self.text, other) == value)
            || self.deeper.iter().zip(&self.values).any(|(other, known)| other.by == found.by && known == value);
        if !known {
            self.deeper.push(found);
            self.values.push(value.to_owned());
        }
    }
}

impl Applicable<'_> {
    /// Looks at what `text` says in other ways, and adds what is not among the sightings from `before` on. Whether it was read to its end.
    pub(super) fn look_further(&self, text: &str, before: usize, matches: &mut Vec<Found>, survey: &mut Survey) -> bool {
        let Survey { room, effort, sightings, insides, all_shown, .. } = survey;
        let mut read = true;
        let first = insides.len();
        *all_shown &= values(text, room, &mut |reading: &Reading<'_>| {
            read &= self.find(reading.text, &self.wanted_in(reading.origin), effort, matches).is_ok();
            for found in matches.drain(..) {
                let outer = reading.original(found.start..found.end);
                let place = Found { start: outer.start, end: outer.end, ..found };
                if !reading.is_inside {
                    let is_known = |known: &Sighting| known.found == place;
                    if !sightings.get(before..).unwrap_or_default().iter().any(is_known) {
                        sightings.push(Sighting { found: place, sense: Sense::Decoded });
                    }
                    continue;
                }
                let own = insides.get_mut(first..).unwrap_or_default();
                match own.iter_mut().find(|inside| inside.outer == outer) {
                    Some(inside) => inside.add(reading.text, found),
                    None => {
                        sightings.push(Sighting { found: place, sense: Sense::Inside(insides.len()) });
                        let mut inside = Inside::new(outer, reading.text);
                        inside.add(reading.text, found);
                        insides.push(inside);
                    }
                }
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
