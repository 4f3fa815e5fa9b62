//! Where something is written.

use std::fmt;
use std::sync::Arc;

use crate::yaml::{Place, Report};

/// A file, a line and a column, for whoever explains a decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin(Option<Arc<str>>);

impl Origin {
    pub(super) fn at(place: Place, report: &Report) -> Self {
        Self(Some(report.locate(place).into()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_deref().unwrap_or("yett.yaml"))
    }
}
