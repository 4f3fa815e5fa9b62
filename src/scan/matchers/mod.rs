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

/// What lies around an anchor, if it is what is looked for.
pub type Matcher = fn(text: &[u8], anchor: usize) -> Option<Range<usize>>;

/// No matcher finds less: `a@b.co`.
pub(super) const SHORTEST: usize = 6;

/// Name in detector files, and function. Sorted by name.
const MATCHERS: &[(&str, Matcher)] =
    &[("card", card::at), ("email", email::at), ("iban", iban::at), ("private_key", private_key::at), ("us_ssn", us_ssn::at)];

/// The matcher that detector files call `name`.
pub(super) fn named(name: &str) -> Option<Matcher> {
    MATCHERS.iter().find(|(known, _)| *known == name).map(|(_, matcher)| *matcher)
}

#[cfg(test)]
mod tests;
