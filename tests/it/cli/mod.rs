//! The command line as operators use it: the real binary, its exit codes, what it prints and what it leaves on disk.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod audit;
mod check;
pub(crate) mod http;
mod keys;
mod kill;
mod policy;
mod privacy;
pub(crate) mod process;
mod proofs;
mod quarantine;
mod reload;
mod scan;
mod search;
mod serve;
mod stand_ins;
mod tokens;
pub(crate) mod upstream;
