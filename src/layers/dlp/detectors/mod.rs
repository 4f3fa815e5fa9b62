//! What counts as sensitive: one file a detector, each a pattern, its checks, its source and its known misses.
//!
//! One pass over digit runs (card, IBAN, SSN), one over `@` (e-mail), one over key prefixes (secrets). Text without
//! any of the three costs those three searches and nothing else. Every matcher looks at a bounded neighbourhood of its anchor,
//! so the whole is linear in the text whatever the text is.

mod card;
mod email;
mod iban;
mod runs;
mod secrets;
mod us_ssn;

use std::cmp::Reverse;
use std::ops::Range;

pub(super) use card::luhn;
pub(super) use iban::check_digits;

/// A kind of sensitive text that can be switched on by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Detector {
    /// Payment card numbers.
    Card,
    /// E-mail addresses.
    Email,
    /// International bank account numbers.
    Iban,
    /// Credentials: API keys, tokens, private keys.
    Secrets,
    /// United States social security numbers.
    UsSsn,
}

impl Detector {
    /// Every detector there is.
    pub const ALL: &[Self] = &[Self::Card, Self::Email, Self::Iban, Self::Secrets, Self::UsSsn];

    /// The name in policy files and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Card => "card",
            Self::Email => "email",
            Self::Iban => "iban",
            Self::Secrets => "secrets",
            Self::UsSsn => "us_ssn",
        }
    }

    /// The detector of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|detector| detector.name() == name)
    }

    /// What stands in place of a masked match; it matches no detector itself.
    pub fn placeholder(self) -> &'static str {
        match self {
            Self::Card => "[card]",
            Self::Email => "[email]",
            Self::Iban => "[iban]",
            Self::Secrets => "[secret]",
            Self::UsSsn => "[us_ssn]",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::Card => 1,
            Self::Email => 1 << 1,
            Self::Iban => 1 << 2,
            Self::Secrets => 1 << 3,
            Self::UsSsn => 1 << 4,
        }
    }
}

/// Which detectors are on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DetectorSet(u8);

impl DetectorSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// Every detector.
    pub fn all() -> Self {
        Detector::ALL.iter().copied().collect()
    }

    /// This set and `detector`.
    #[must_use]
    pub fn with(self, detector: Detector) -> Self {
        Self(self.0 | detector.bit())
    }

    /// Both sets together.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether `detector` is on.
    pub fn contains(self, detector: Detector) -> bool {
        self.0 & detector.bit() != 0
    }

    /// Whether nothing is on.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl FromIterator<Detector> for DetectorSet {
    fn from_iter<I: IntoIterator<Item = Detector>>(detectors: I) -> Self {
        detectors.into_iter().fold(Self::EMPTY, Self::with)
    }
}

/// One stretch of sensitive text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Match {
    /// Who found it.
    pub detector: Detector,
    /// What it is, more closely: `aws_access_key`; else the detector's name.
    pub kind: &'static str,
    /// First byte in the text, on a character boundary.
    pub start: usize,
    /// One past the last byte, on a character boundary.
    pub end: usize,
}

impl Match {
    fn new(detector: Detector, kind: &'static str, span: &Range<usize>) -> Self {
        Self { detector, kind, start: span.start, end: span.end }
    }
}

/// Appends what the detectors of `set` find in `text`, sorted by start and without overlaps: of two matches that share
/// bytes the longer one stays, grown to cover both, so that no byte that was found is left out.
///
/// SECURITY: the shorter match is gone then, whatever its detector. Where detectors in one set lead to different actions use
/// [`find`], or `123-45-6789@a.example` is judged as an e-mail address only.
pub fn scan(text: &str, set: DetectorSet, out: &mut Vec<Match>) {
    let before = out.len();
    find(text, set, out);
    resolve(out, before);
}

/// No match is shorter: `a@b.co`. Most keys and many values of a message are.
const SHORTEST: usize = 6;

/// Appends what the detectors of `set` find in `text`, sorted by start, the longer first; matches of different detectors may
/// overlap.
pub fn find(text: &str, set: DetectorSet, out: &mut Vec<Match>) {
    let before = out.len();
    let bytes = text.as_bytes();
    if bytes.len() < SHORTEST {
        return;
    }
    scan_digit_runs(bytes, set, out);
    if set.contains(Detector::Email) {
        email::scan(bytes, |span| {
            out.push(Match::new(Detector::Email, Detector::Email.name(), &span));
        });
    }
    if set.contains(Detector::Secrets) {
        secrets::scan(bytes, |kind, span| out.push(Match::new(Detector::Secrets, kind, &span)));
    }
    if let Some(found) = out.get_mut(before..) {
        found.sort_by_key(|found| (found.start, Reverse(found.end), found.detector));
    }
}

fn scan_digit_runs(bytes: &[u8], set: DetectorSet, out: &mut Vec<Match>) {
    let (card, iban, us_ssn) = (set.contains(Detector::Card), set.contains(Detector::Iban), set.contains(Detector::UsSsn));
    if !(card || iban || us_ssn) {
        return;
    }
    let mut from = 0;
    while let Some(run) = runs::next(bytes, from) {
        from = run.end;
        // No group of a card or of an SSN is shorter at its beginning.
        let long = run.len() >= 3;
        if card
            && long
            && let Some(span) = card::at(bytes, &run)
        {
            out.push(Match::new(Detector::Card, Detector::Card.name(), &span));
        }
        if us_ssn
            && long
            && let Some(span) = us_ssn::at(bytes, &run)
        {
            out.push(Match::new(Detector::UsSsn, Detector::UsSsn.name(), &span));
        }
        if iban && let Some(span) = iban::at(bytes, &run) {
            out.push(Match::new(Detector::Iban, Detector::Iban.name(), &span));
        }
    }
}

fn resolve(out: &mut Vec<Match>, before: usize) {
    let mut kept = before;
    for next in before..out.len() {
        let Some(&found) = out.get(next) else { break };
        match out.get_mut(before..kept).and_then(<[Match]>::last_mut) {
            Some(last) if found.start < last.end => {
                let (start, end) = (last.start, last.end.max(found.end));
                if found.end - found.start > last.end - last.start {
                    *last = found;
                }
                (last.start, last.end) = (start, end);
            }
            Some(_) | None => {
                if let Some(slot) = out.get_mut(kept) {
                    *slot = found;
                }
                kept += 1;
            }
        }
    }
    out.truncate(kept);
}

#[cfg(test)]
mod tests;
