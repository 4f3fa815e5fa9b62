//! What Rego modules say, in a build that reads none.

use super::facts::Facts;
use super::said::Answer;
use crate::policy::Modules;

pub(super) fn judge(modules: &Modules, _facts: &Facts<'_>) -> Answer {
    match *modules {}
}
