//! Asking issuers about tokens that say nothing themselves, or whose word is not enough (RFC 7662).
//!
//! One question a token and window, however many callers show it at once; what was answered is remembered for `cache` (30 s at most), that
//! a token is bad for a few seconds, that there was no answer for one. Whoever needs an answer waits for it, since there is nothing else
//! to go by: in a bounded number of places, and tokens nobody has seen yet never take the places of those that were good a moment ago.
//! An answer that is none is no permission: the caller is refused with 503.

mod exchange;
mod introspector;
mod memory;

pub use introspector::{Credential, Introspector, Standing};
pub use memory::{Told, Verdict};
