//! From matches to edits: which bytes of a string go, and what stands there instead.
//!
//! Pure and lazy. Edits come in order and never overlap, even where matches of several detectors do; no byte of a match is left out.
//! Text that was redacted once is not changed again: placeholders match no detector.

use std::borrow::Cow;
use std::iter::Peekable;
use std::slice::Iter;

use super::detectors::{Detector, Match};

/// One edit, in bytes of the decoded string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replacement<'a> {
    /// First byte that goes.
    pub start: usize,
    /// One past the last byte that goes.
    pub end: usize,
    /// What stands there instead.
    pub with: &'a str,
}

/// The edits that mask `matches` (sorted by start), each by its detector's placeholder. Allocates nothing.
pub fn replacements(matches: &[Match]) -> Replacements<'_, impl Fn(Detector) -> &'static str> {
    replacements_with(matches, Detector::placeholder)
}

/// The same with another text for each detector.
pub fn replacements_with<'a, F: Fn(Detector) -> &'a str>(matches: &[Match], placeholder: F) -> Replacements<'_, F> {
    Replacements { matches: matches.iter().peekable(), placeholder }
}

/// `text` with `matches` (sorted by start) masked; borrowed when there are none.
pub fn redact<'a>(text: &'a str, matches: &[Match]) -> Cow<'a, str> {
    if matches.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    for edit in replacements(matches) {
        out.push_str(text.get(from..edit.start).unwrap_or_default());
        out.push_str(edit.with);
        from = edit.end;
    }
    out.push_str(text.get(from..).unwrap_or_default());
    Cow::Owned(out)
}

/// Iterator over edits; see [`replacements`].
#[derive(Clone, Debug)]
pub struct Replacements<'m, F> {
    matches: Peekable<Iter<'m, Match>>,
    placeholder: F,
}

impl<'a, F: Fn(Detector) -> &'a str> Iterator for Replacements<'_, F> {
    type Item = Replacement<'a>;

    fn next(&mut self) -> Option<Replacement<'a>> {
        let mut widest = *self.matches.next()?;
        let Match { start, mut end, .. } = widest;
        while let Some(next) = self.matches.next_if(|next| next.start < end) {
            if next.end - next.start > widest.end - widest.start {
                widest = *next;
            }
            end = end.max(next.end);
        }
        Some(Replacement { start, end, with: (self.placeholder)(widest.detector) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::detectors::{DetectorSet, find, scan};
    use super::*;

    fn masked(text: &str) -> String {
        let mut matches = Vec::new();
        scan(text, DetectorSet::all(), &mut matches);
        redact(text, &matches).into_owned()
    }

    #[test]
    fn each_match_becomes_its_placeholder() {
        let text = "ü: 123-45-6789 and 4111 1111 1111 1111; bob@example.com, DE89370400440532013000, AKIAIOSFODNN7EXAMPLE!";
        assert_eq!(masked(text), "ü: [us_ssn] and [card]; [email], [iban], [secret]!");
        assert_eq!(masked(&masked(text)), masked(text));
    }

    #[test]
    fn clean_text_is_borrowed() {
        assert!(matches!(redact("nothing here", &[]), Cow::Borrowed("nothing here")));
    }

    #[test]
    fn overlapping_matches_are_one_edit() {
        let text = "x 123 45 6789@corp.example y";
        let mut matches = Vec::new();
        find(text, DetectorSet::all(), &mut matches);
        assert_eq!(matches.len(), 2);
        assert_eq!(redact(text, &matches), "x [email] y");
        let edits: Vec<_> = replacements_with(&matches, |_| "#").collect();
        assert_eq!(edits, [Replacement { start: 2, end: 26, with: "#" }]);
    }
}
