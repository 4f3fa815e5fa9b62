//! Rego modules, in a build that reads none.

use super::Origin;
use crate::yaml::{Place, Report};

/// There are none.
#[derive(Clone, Debug)]
pub enum Modules {}

/// See the other build.
#[derive(Clone, Copy, Debug)]
pub struct Reads {
    /// Arguments.
    pub arguments: bool,
    /// The method, the time or the place.
    pub moment: bool,
}

impl Modules {
    /// SECURITY: what is there to take something away, and takes nothing away, is a hole.
    pub(super) fn read(files: &[(String, String)], report: &mut Report) -> Option<Self> {
        for (name, text) in files {
            let file = report.add_file(name.clone(), text.clone());
            let found = report.error(Place::whole(file), "this build reads no Rego");
            found.hint("build with the feature `rego`, or remove the module");
        }
        None
    }

    /// See the other build.
    pub fn reads(&self) -> Reads {
        match *self {}
    }

    /// See the other build.
    pub fn digest(&self) -> u64 {
        match *self {}
    }

    /// See the other build.
    pub fn origin(&self) -> &Origin {
        match *self {}
    }
}
