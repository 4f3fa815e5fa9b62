//! The engine: policy, caller and access in, decision out. Pure.
//!
//! Enforcement, lists, streams, `explain`, tests, shadow mode and replay all ask here, so that they cannot disagree. Roles grant, rules only
//! take away, no grant means deny, and an error never allows. What a rule takes away whatever the arguments, the time and the place, does
//! not exist for the caller: lists leave it out, and calls are answered as those of what is not there.

pub mod arguments;
mod arithmetic;
mod bindings;
mod caller;
mod condition;
mod engine;
mod exceptions;
mod explain;
mod facts;
mod functions;
mod glob;
mod grants;
mod held;
mod hints;
mod outcome;
mod profile;
#[cfg_attr(not(feature = "rego"), path = "no_rego.rs")]
mod rego;
mod rules;
mod said;
#[cfg(test)]
mod tests;
mod values;
mod verdict;
mod view;

pub use caller::Caller;
pub use engine::{Engine, Scene};
pub(crate) use exceptions::{Exceptions, Excused};
pub use explain::{ConsideredBinding, ConsideredGrant, ConsideredRule, Explanation, GrantOutcome, RuleOutcome};
pub use facts::{AccessFacts, Arguments, Facts, ServerFacts};
pub(crate) use glob::Glob;
pub use held::Held;
pub use hints::Hints;
pub use outcome::{Budget, Failure, Outcome};
pub use profile::Profile;
pub use verdict::{Ruling, Shown, Verdict};
