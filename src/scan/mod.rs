//! Finds what is sensitive in a text, by rules that are data.
//!
//! A [`Detector`] is a row of a file under `policies/detectors/`: what to search for (an anchor: a rare literal, a number, an `@`), the pattern
//! that has to fit around it, and what settles doubt: what may touch it, how random it is, a check digit, words before it. A [`Scanner`] is
//! many of them, compiled: one pass over the text finds all anchors, and only around an anchor is anything else looked at.
//!
//! Pure: bytes in, spans out. The time is bounded by the length of the text: what a text made to be slow would take beyond that is not looked
//! at, and said ([`Scanner::scan`]).
//!
//! The detectors of this build are embedded ([`Catalogue::built_in`]); a policy may add its own, and replace these ([`Additions`]). Orders to a model are another matter: [`injection`] looks for them by rules
//! of its own files, and asks [`linear`], a model of words.

mod additions;
mod catalogue;
mod checks;
mod detector;
mod embedded;
mod entropy;
mod grams;
pub mod injection;
mod kind;
pub mod linear;
mod matchers;
mod own;
mod read;
pub mod readings;
mod row;
mod runs;
mod samples;
mod scanner;
mod set;
mod shape;
mod sieve;
mod spans;
#[cfg(test)]
mod tests;
mod verify;
mod vocabulary;
mod words;

pub use additions::Additions;
pub use catalogue::Catalogue;
pub use detector::{Anchor, Check, Detector, Edges, How, Matcher, Near, Pattern};
pub use embedded::Class;
pub(crate) use matchers::{check_digits, luhn};
use own::last_line;
pub use own::{MOST_WORDS, NotOwn, Own};
pub use read::detectors;
pub use row::Row;
pub use samples::{Mistake, sample};
pub use scanner::{Effort, Found, NotCompiled, Scanner, Unread};
pub use set::{MOST as MOST_DETECTORS, Set};
