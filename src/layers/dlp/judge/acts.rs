//! What is to happen to each thing that was found in a text, and what stands there where these overlap. Pure.

use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

use super::{Deed, Hit, Outcome};
use crate::layers::dlp::echo::{Restored, returned};
use crate::layers::dlp::formats::{Form, in_layout_of};
use crate::layers::dlp::restore::Grant;
use crate::layers::dlp::rules::Rule;
use crate::layers::dlp::stand_in;
use crate::layers::dlp::survey::part;
use crate::policy::DlpAction;
use crate::scan::Found;
use crate::vault::Token;

/// What to do about one sighting.
#[derive(Clone)]
pub(super) enum Act<'a> {
    Mask(Found),
    Restore(Found, &'a Grant, &'a Arc<Token>),
    /// What this call has restored becomes its token again.
    Return(Found, &'a Restored),
    Tokenize(Found, &'a Rule, &'a Arc<Token>),
    /// What is left of it, or its hash.
    Shorten(Found, &'a Rule, String),
    /// Letters that stand for an encoded text, and those that stand for what is left of it.
    Recode(Found, Option<String>),
    /// A part of something. Only the first shows what it was.
    Part(Found, bool),
}

impl Act<'_> {
    pub(super) fn found(&self) -> &Found {
        match self {
            Self::Mask(found)
            | Self::Restore(found, ..)
            | Self::Part(found, _)
            | Self::Recode(found, _)
            | Self::Return(found, _)
            | Self::Shorten(found, ..)
            | Self::Tokenize(found, ..) => found,
        }
    }
}

/// Leaves what a rule does where the same is also what the call has restored.
pub(super) fn one_of_each(acts: &mut Vec<Act<'_>>) {
    let span = |act: &Act<'_>| (act.found().start, Reverse(act.found().end));
    let returns = |act: &Act<'_>| matches!(act, Act::Return(..));
    acts.sort_by_key(|act| (span(act), returns(act)));
    acts.dedup_by(|later, earlier| returns(later) && span(later) == span(earlier));
}

/// The acts at the head that overlap, and the others. They come sorted by where they begin.
pub(super) fn cluster<'s, 'a>(acts: &'s [Act<'a>]) -> Option<(&'s [Act<'a>], &'s [Act<'a>])> {
    let mut end = acts.first()?.found().end;
    let mut count = 1;
    while let Some(next) = acts.get(count).filter(|next| next.found().start < end) {
        end = end.max(next.found().end);
        count += 1;
    }
    acts.split_at_checked(count)
}

/// What stands in place of acts that overlap, and whether that is a restored value.
///
/// Where the widest covers all others its token, or its value, takes the place of all. Else no byte of what was found may stay and none
/// may appear: a placeholder does.
pub(super) fn resolve(cluster: &[Act<'_>], text: &str, outcome: &mut Outcome) -> Option<(Range<usize>, String, bool)> {
    let start = cluster.iter().map(|act| act.found().start).min()?;
    let end = cluster.iter().map(|act| act.found().end).max()?;
    let only_tokens = cluster.iter().all(|act| matches!(act, Act::Restore(..)));
    let mut widest = cluster.first()?;
    for act in cluster {
        let (this, best) = (act.found(), widest.found());
        if this.end - this.start > best.end - best.start {
            widest = act;
        }
    }
    let covers = (widest.found().start, widest.found().end) == (start, end);
    let laid = |found: &Found, new: &str| in_layout_of(Form::of(found.kind), part(text, found), new);
    let findings = &mut outcome.findings;
    match widest {
        Act::Tokenize(found, rule, token) if covers => {
            findings.push(Hit::new(rule, found));
            others_are_masked(cluster, found, findings);
            Some((start..end, laid(found, token.token.expose()), false))
        }
        Act::Shorten(found, rule, shown) if covers => {
            findings.push(Hit::new(rule, found));
            others_are_masked(cluster, found, findings);
            Some((start..end, shown.clone(), false))
        }
        Act::Restore(found, grant, token) if covers && only_tokens => {
            findings.push(Hit { rule: Arc::clone(&grant.rule), kind: found.kind, deed: Deed::Restored, by: found.by });
            let written = laid(found, token.value.expose());
            outcome.restored.entry(written.clone()).or_insert_with(|| {
                let (rule, token) = (Arc::clone(&grant.rule), Arc::clone(token));
                Restored { rule, kind: found.kind, token }
            });
            Some((start..end, written, true))
        }
        Act::Return(found, restored) if covers => {
            findings.push(Hit::returned(restored, found));
            others_are_masked(cluster, found, findings);
            Some((start..end, returned(restored, part(text, found)), false))
        }
        Act::Recode(_, Some(shown)) if cluster.len() == 1 => Some((start..end, shown.clone(), false)),
        Act::Part(_, false) if cluster.len() == 1 => Some((start..end, String::new(), false)),
        // Two tokens that overlap: neither is what it seems. They pass as they are.
        _ if only_tokens => None,
        Act::Mask(found)
        | Act::Part(found, _)
        | Act::Recode(found, _)
        | Act::Restore(found, ..)
        | Act::Return(found, _)
        | Act::Shorten(found, ..)
        | Act::Tokenize(found, ..) => {
            // An empty range, so that nothing is left out.
            others_are_masked(cluster, &Found { start: usize::MAX, end: usize::MAX, ..*found }, findings);
            Some((start..end, stand_in::placeholder(found), false))
        }
    }
}

/// What was to become a token, and goes with what it overlaps, is masked.
fn others_are_masked(cluster: &[Act<'_>], but: &Found, findings: &mut Vec<Hit>) {
    for act in cluster {
        let hit = match act {
            Act::Shorten(found, rule, _) if found != but => Hit::new(rule, found),
            Act::Tokenize(found, rule, _) if found != but => Hit::new(rule, found),
            Act::Return(found, restored) if found != but => Hit::returned(restored, found),
            Act::Mask(_)
            | Act::Part(..)
            | Act::Recode(..)
            | Act::Restore(..)
            | Act::Return(..)
            | Act::Shorten(..)
            | Act::Tokenize(..) => continue,
        };
        findings.push(Hit { deed: Deed::Rule(DlpAction::Mask), ..hit });
    }
}
