//! A decision in words that can be compared, whoever has made it.

use yett::decide::{Ruling, Verdict};
use yett::policy::Effect;

/// What was decided, of which kind, and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) struct Told {
    pub(in super::super) kind: Kind,
    pub(in super::super) rule: Option<String>,
    /// Whether it is because something could not be judged.
    pub(in super::super) failed: bool,
    pub(in super::super) shadow: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Kind {
    Allow,
    Depends,
    Hidden,
    Misfit,
    NeedsScopes,
    NoServer,
    Refused,
    UnknownMethod,
    UnknownTarget,
}

impl Told {
    /// The same of an engine's word.
    pub(in super::super) fn of(ruling: &Ruling) -> Self {
        let kind = match ruling.verdict {
            Verdict::Allow { .. } => Kind::Allow,
            Verdict::Depends { .. } => Kind::Depends,
            Verdict::Hidden { .. } => Kind::Hidden,
            Verdict::Misfit { .. } => Kind::Misfit,
            Verdict::NeedsScopes(_) => Kind::NeedsScopes,
            Verdict::NoServer => Kind::NoServer,
            Verdict::Refused { .. } => Kind::Refused,
            Verdict::UnknownMethod => Kind::UnknownMethod,
            Verdict::UnknownTarget => Kind::UnknownTarget,
        };
        let rule = ruling.verdict.rule().map(|rule| (**rule).to_owned());
        let shadow = ruling.shadow.iter().map(|rule| (**rule).to_owned()).collect();
        Self { kind, rule, failed: ruling.verdict.failure().is_some(), shadow }
    }

    pub(in super::super) fn effect(&self) -> Effect {
        match self.kind {
            Kind::Allow => Effect::Allow,
            Kind::Depends => Effect::Depends,
            Kind::Hidden
            | Kind::Misfit
            | Kind::NeedsScopes
            | Kind::NoServer
            | Kind::Refused
            | Kind::UnknownMethod
            | Kind::UnknownTarget => Effect::Deny,
        }
    }
}
