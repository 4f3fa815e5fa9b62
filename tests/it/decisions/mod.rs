//! One engine decides: what rules take away is gone from lists and from calls alike.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test stops at the first surprise"
)]

mod conditions;
mod list_changes;
mod open;
mod properties;
mod rego;
mod reloads;
mod replay;
mod rules;
mod tenants;
mod uris;
mod views;
