//! What Rego modules say, in a build that reads none.

use super::facts::Facts;
use super::said::Said;
use crate::policy::Modules;

pub(super) fn judge(modules: &Modules, _facts: &Facts<'_>) -> Said {
    match *modules {}
}
