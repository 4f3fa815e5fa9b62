//! What no pattern says well: matchers, one file each, that rows of `policies/detectors/` name (`matcher: card`).
//!
//! A matcher is given a text and the place of an anchor in it, and answers what is found there. Each looks at a bounded neighbourhood of its
//! anchor, or at bytes that no other anchor makes it look at again, so the whole is linear in the text whatever the text is.

mod card;
mod email;
mod iban;
mod private_key;
mod runs;
mod us_ssn;

use std::ops::Range;

pub(crate) use card::luhn;
pub(crate) use iban::check_digits;

/// Code that settles what lies around an anchor.
#[derive(Clone, Copy, Debug)]
pub struct Matcher {
    /// What it is, if it is what is looked for.
    pub find: fn(text: &[u8], anchor: usize) -> Option<Range<usize>>,
    /// A pattern that fits around the anchor whatever is found, so that most anchors are passed over without a call; and how many bytes
    /// before the anchor it begins. Whoever uses it asks for nothing more.
    pub outline: Option<(&'static str, usize)>,
}

/// No matcher finds less: `a@b.co`.
pub(super) const SHORTEST: usize = 6;

/// Name in detector files, and function. Sorted by name.
const MATCHERS: &[(&str, Matcher)] = &[
    ("card", Matcher { find: card::at, outline: Some((card::OUTLINE, 0)) }),
    ("email", Matcher { find: email::at, outline: None }),
    ("iban", Matcher { find: iban::at, outline: Some((iban::OUTLINE, 2)) }),
    ("private_key", Matcher { find: private_key::at, outline: None }),
    ("us_ssn", Matcher { find: us_ssn::at, outline: Some((us_ssn::OUTLINE, 0)) }),
];

/// The matcher that detector files call `name`.
pub(super) fn named(name: &str) -> Option<Matcher> {
    MATCHERS.iter().find(|(known, _)| *known == name).map(|(_, matcher)| *matcher)
}

/// What matchers are called.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MATCHERS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests;
