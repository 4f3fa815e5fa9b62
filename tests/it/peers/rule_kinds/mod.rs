//! Every kind of rule that a policy file has, through the front door with official clients, and decided the same by `yett policy test`.
//!
//! The tables say: kind of rule (its key in docs/configuration.md), caller, what they do, what their client sees, and which role or rule
//! decides. `shown` has each row done by real clients; `decided` makes a test of `yett policy test` of each row that the language of those
//! tests can put: all but limits, kill switches and what servers ask, which are no decisions of a policy about one call.

#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod callers;
mod decided;
mod limits;
mod modules;
mod roles;
mod row;
mod rules;
mod shown;
mod stage;
mod stopped;
mod tenants;

use row::Row;

/// Every row about the policy that stands in `policy.yaml`, `acme.yaml` and `draft.yaml`.
fn rows() -> impl Iterator<Item = &'static Row> {
    [roles::ROLES, roles::ARGUMENTS, roles::BINDINGS, rules::RULES, rules::LISTS, tenants::TENANTS, limits::LIMITS]
        .into_iter()
        .flatten()
}
