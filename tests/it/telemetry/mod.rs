//! What operators see of a running gateway.

#![expect(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

pub(crate) mod canary;
pub(crate) mod collector;
mod context;
mod metrics;
mod spans;
