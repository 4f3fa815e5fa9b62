//! The first steps of an operator: a configuration out of nothing, and a role out of what a server says it offers.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod init;
mod peers;
mod scan;
mod scripted;
