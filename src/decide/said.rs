//! What modules say of an access, where there are modules.

use std::sync::Arc;

use super::engine::Engine;
use super::facts::Facts;
use super::outcome::Failure;
use super::rego::judge;
use crate::policy::Origin;

/// What modules say of an access, and the rules of theirs in shadow that would have denied it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) said: Said,
    pub(super) shadow: Vec<Arc<str>>,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        Self { said, shadow: Vec::new() }
    }
}

/// What modules say of an access.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(not(feature = "rego"), expect(dead_code, reason = "nobody says anything"))]
pub(super) enum Said {
    /// Nothing.
    Nothing,
    /// They deny it.
    Denied {
        /// `rego:<name>`.
        rule: Arc<str>,
        /// What the caller is told.
        reason: Option<Arc<str>>,
        /// Why it could not be judged, if it could not.
        failure: Option<Failure>,
    },
    /// That depends on arguments that nobody has given.
    Depends,
}

impl Engine {
    /// What modules say of an access.
    pub(super) fn ask_modules(&self, facts: &Facts<'_>) -> Answer {
        self.modules.as_ref().map_or(Said::Nothing.into(), |modules| judge(modules, facts))
    }

    /// Whether what they say is the same for every use of a thing by its caller.
    pub(super) fn modules_are_stable(&self) -> bool {
        self.modules.as_ref().is_none_or(|modules| !modules.reads().arguments && !modules.reads().moment)
    }

    /// What they are, to be compared.
    pub(super) fn modules_digest(&self) -> u64 {
        self.modules.as_ref().map_or(0, |modules| modules.digest())
    }

    /// Where they are written, if there are any.
    pub(super) fn modules_origin(&self) -> Option<&Origin> {
        self.modules.as_ref().map(|modules| modules.origin())
    }
}
