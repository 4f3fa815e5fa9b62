//! What must hold for every input, whatever it is: one oracle a fuzz target, each a function that panics when it does not hold.
//!
//! The targets in `fuzz/fuzz_targets` run them on what libFuzzer makes up; `tests/it/fuzz_corpora.rs` runs the same functions over
//! the kept corpora with the stable compiler. An oracle is deterministic, so that a finding repeats.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "an oracle stops at the first surprise"
)]
#![expect(clippy::case_sensitive_file_extension_comparisons, reason = "a log's files have small letters")]
#![expect(clippy::wildcard_enum_match_arm, reason = "nearly all kinds of values have no members and no text")]

pub mod audit_edits;
pub mod audit_log;
pub mod audit_verify;
pub mod config;
pub mod cuts;
pub mod edits;
pub mod envelope;
pub mod head;
pub mod policy;
pub mod readings;
pub mod sse;
pub mod sse_endpoint;
pub mod stdio_lines;
pub mod tree;
mod yaml;

/// Panics when what must hold does not.
pub type Oracle = fn(&[u8]);

/// Every oracle by the name of its target.
pub const ALL: [(&str, Oracle); 10] = [
    ("audit_verify", audit_verify::check),
    ("config", config::check),
    ("edits", edits::check),
    ("envelope", envelope::check),
    ("head", head::check),
    ("policy", policy::check),
    ("readings", readings::check),
    ("sse", sse::check),
    ("sse_endpoint", sse_endpoint::check),
    ("stdio_lines", stdio_lines::check),
];
