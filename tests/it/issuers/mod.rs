//! Issuers as companies have them: a certified OpenID provider and `OpenBao`, found by discovery, with real tokens.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test stops at the first surprise")]

mod parts;
