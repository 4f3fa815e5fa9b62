//! What operators see of a running gateway.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod metrics;
