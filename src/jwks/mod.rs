//! The public keys of token issuers: read from a file, or fetched from a URL that is configured or that the issuer's metadata names, outside the way of a message, and kept current.
//!
//! One task an issuer ([`KeySets`]) reads its set every few minutes, and early when a token names a key nobody knows: at most
//! one attempt in `cooldown`, however many such tokens come. A bad answer changes nothing: the last good set stays in force, a
//! metric and a log line say so, and once it is older than `stale` no token of that issuer is accepted (503). Requests only ever
//! look at [`Keys`].

mod found;
mod keys;
mod refresh;
mod set;

pub use keys::{Keys, Published, Stale};
pub use refresh::{JwksError, KeySets, Problem, check_files};
pub use set::{KeySet, SetError};
